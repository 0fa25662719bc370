//! What inboxes, outboxes, process managers and clients refuse to write.

use crate::kit::event;
use futures_util::future::{Either, select};
use midgard::bus::InProcessBus;
use midgard::command::{AskError, SendError};
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::event::{EncodeReason, NewEvent, RecordedEventRef};
use midgard::store::{Append, ExpectedVersion};
use midgard::testing::given_process;
use midgard::{
    Aggregate, Apply, Command, CommandClient, Event, Events, Expire, Handle, HandlerError, Inbox,
    MemoryStore, MessageContext, Midgard, Outbox, ProcessManager, Processes, React, Reactions,
    RemoteCommand, Repository, Resolve, StartFrom, Store, StreamName, Version, block_on, events,
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(180);

event!(Weighed(f64), "parcel.weighed");

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "parcel", id = u32, events(Weighed))]
struct Parcel {
    weight: f64,
}

impl Apply<Weighed> for Parcel {
    fn apply(&mut self, event: Weighed) {
        self.weight += event.value;
    }
}

struct Weigh(f64);

impl Command<Parcel> for Weigh {
    type Error = Infallible;

    fn decide(&self, _: &Parcel) -> Result<Events<Parcel>, Infallible> {
        Ok(events![Weighed { value: self.0 }])
    }
}

/// Asks the scales to do something that cannot be written.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "scales.try", service = "scales", reply = Answered)]
struct Try {
    what: What,
    weight: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum What {
    Execute,
    Record,
    Reply,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "scales.answered")]
struct Answered {
    weight: f64,
}

#[derive(Inbox)]
#[inbox(name = "scales", commands(Try))]
struct Scales;

impl Handle<Try> for Scales {
    async fn handle(
        &self,
        command: Try,
        context: &mut MessageContext<'_>,
    ) -> Result<Answered, HandlerError> {
        let stream = StreamName::new("weights").unwrap();
        let tried = match command.what {
            What::Execute => context.execute(&7, &Weigh(f64::NAN)).await.map(drop),
            What::Record => {
                context.record(stream, ExpectedVersion::Any, &Weighed { value: f64::NAN })
            }
            What::Reply => return Ok(Answered { weight: f64::NAN }),
        };
        // It goes on, and the aggregate is as if nothing had been tried.
        let weight = context.execute(&7, &Weigh(2.5)).await?.weight;
        context.record(
            StreamName::new("tried").unwrap(),
            ExpectedVersion::Any,
            &Tried {
                error: tried.unwrap_err().to_string(),
            },
        )?;
        Ok(Answered { weight })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "scales.tried")]
struct Tried {
    error: String,
}

/// What the scales answer, and what they have stored.
fn ask(what: What) -> (Result<Answered, AskError>, MemoryStore) {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    let options =
        midgard::inbox::InboxOptions::new().on_failure(FailurePolicy::retry(0).then_park());
    let scales = Midgard::new(store.clone())
        .inbox_with(Scales, bus.clone(), options)
        .outbox(Outbox::new("scales"), bus.clone());
    let answer = block_on(async {
        scales.declare().await.unwrap();
        let client = CommandClient::new("test", bus);
        let command = Try {
            what,
            weight: Some(1.0),
        };
        let timeout = if what == What::Reply {
            Duration::from_millis(300)
        } else {
            LONG
        };
        let asked = pin!(client.ask(&command, timeout));
        match select(pin!(scales.run()), asked).await {
            Either::Right((answer, _)) => answer,
            Either::Left((ended, _)) => panic!("{ended:?}"),
        }
    });
    (answer, store)
}

fn tried(store: &MemoryStore) -> String {
    let mut tried = None;
    let read = midgard::store::ReadStream::forward(StreamName::new("tried").unwrap());
    let each = &mut |event: RecordedEventRef<'_>| {
        tried = Some(event.decode::<Tried>().unwrap().error);
        std::ops::ControlFlow::Continue(())
    };
    block_on(store.read_stream(&read, each)).unwrap();
    tried.unwrap()
}

#[test]
fn a_handler_that_goes_on_after_an_event_was_refused_decides_on_what_is_stored() {
    let (answer, store) = ask(What::Execute);
    assert_eq!(answer.unwrap().weight, 2.5);
    let said = tried(&store);
    assert!(
        said.starts_with(
            "event \"parcel.weighed\" version 1 for stream \"parcel-7\" cannot be written"
        ),
        "{said}"
    );
    let parcel = block_on(Repository::<Parcel, _>::new(store).load(&7)).unwrap();
    assert_eq!((parcel.version(), parcel.state().weight), (Version(1), 2.5));
}

#[test]
fn a_handler_cannot_record_what_cannot_be_read() {
    let (answer, store) = ask(What::Record);
    assert_eq!(answer.unwrap().weight, 2.5);
    let said = tried(&store);
    assert!(
        said.starts_with(
            "event \"parcel.weighed\" version 1 for stream \"weights\" cannot be written"
        ),
        "{said}"
    );
}

#[test]
fn a_reply_that_cannot_be_read_is_no_reply() {
    let (answer, store) = ask(What::Reply);
    assert!(matches!(answer, Err(AskError::TimedOut { .. })));
    let scales = Midgard::new(store).inbox(Scales, InProcessBus::new());
    let parked = block_on(scales.handle().parked_messages("scales")).unwrap();
    let [parked] = parked.try_into().unwrap();
    assert!(
        parked
            .error
            .starts_with("event \"scales.answered\" version 1 cannot be written as json: "),
        "{}",
        parked.error
    );
}

#[test]
fn a_client_does_not_send_what_cannot_be_read() {
    let client = CommandClient::new("test", InProcessBus::new());
    let command = Try {
        what: What::Execute,
        weight: Some(f64::NAN),
    };
    let Err(SendError::Encode(error)) = block_on(client.send(&command)) else {
        panic!("it was sent");
    };
    assert!(matches!(error.reason, EncodeReason::Changed { .. }));
    assert_eq!(
        error.to_string(),
        "command \"scales.try\" version 1 cannot be written as json: it would come back changed: see `before` and \
         `after` of this `EncodeReason::Changed`; let its `Deserialize` return the same value from \
         what its `Serialize` writes, and give it no values that cannot be written so"
    );
    assert!(matches!(
        block_on(client.ask(&command, LONG)),
        Err(AskError::Send(SendError::Encode(_)))
    ));
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "weighed")]
#[publish]
struct PublicWeighed {
    grams: f64,
}

#[test]
fn a_public_form_that_cannot_be_read_does_not_leave() {
    let store = MemoryStore::new();
    let event = NewEvent::encode(&Weighed { value: 1.5 }).unwrap();
    let append = Append::to(
        StreamName::new("parcel-7").unwrap(),
        ExpectedVersion::Any,
        [event],
    );
    block_on(store.append(append)).unwrap();
    let options = ConsumerOptions::new().on_failure(FailurePolicy::retry(0).then_park());
    let outbox = Outbox::new("scales")
        .map(|event: Weighed, _: &RecordedEventRef<'_>| {
            Some(PublicWeighed {
                grams: event.value / 0.0,
            })
        })
        .options(options);
    let scales = Midgard::new(store).outbox(outbox, InProcessBus::new());
    let handle = scales.handle();
    block_on(scales.catch_up()).unwrap();
    let [letter] = block_on(handle.dead_letters("outbox"))
        .unwrap()
        .try_into()
        .unwrap();
    assert!(
        letter
            .error
            .contains("event \"weighed\" version 1 cannot be written as json: "),
        "{}",
        letter.error
    );
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "weighing.late")]
struct WeighingLate {
    weight: f64,
}

/// Sends and sets what it was told.
#[derive(Default, ProcessManager)]
#[process_manager(name = "weighing", id = u32, events(Asked), commands(Try), deadlines(WeighingLate))]
struct Weighing;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "weighing.asked")]
struct Asked {
    is_late: bool,
}

impl React<Asked> for Weighing {
    fn process(_: &Asked, _: &RecordedEventRef<'_>) -> Option<u32> {
        Some(1)
    }

    fn react(&mut self, event: Asked, reactions: &mut Reactions<Self>) {
        if event.is_late {
            reactions.remind(LONG, &WeighingLate { weight: f64::NAN });
        } else {
            reactions.send(&Try {
                what: What::Execute,
                weight: Some(f64::INFINITY),
            });
        }
    }
}

impl Expire<WeighingLate> for Weighing {
    fn expired(&mut self, _: WeighingLate, _: &mut Reactions<Self>) {}
}

impl Resolve<Try> for Weighing {
    fn replied(&mut self, _: Try, _: Answered, _: &mut Reactions<Self>) {}
    fn refused(&mut self, _: Try, _: &str, _: &mut Reactions<Self>) {}
}

#[test]
#[should_panic(
    expected = "command \"scales.try\" version 1 cannot be written as json: it would come back changed"
)]
fn a_test_of_a_process_finds_a_command_that_cannot_be_read() {
    given_process::<Weighing>()
        .event(Asked { is_late: false })
        .then_nothing();
}

#[test]
#[should_panic(
    expected = "event \"weighing.late\" version 1 cannot be written as json: its payload cannot be read back"
)]
fn a_test_of_a_process_finds_a_deadline_that_cannot_be_read() {
    given_process::<Weighing>()
        .event(Asked { is_late: true })
        .then_nothing();
}

#[test]
#[should_panic(
    expected = "event \"scales.answered\" version 1 cannot be written as json: its payload cannot be read back"
)]
fn nothing_is_replied_in_a_test_that_could_not_have_come() {
    given_process::<Sound>()
        .event(Asked { is_late: false })
        .then(|expected| {
            expected.send(&Try {
                what: What::Execute,
                weight: None,
            });
        })
        .replied::<Try>(Answered { weight: f64::NAN })
        .then_nothing();
}

/// Sends what can be read.
#[derive(Default, ProcessManager)]
#[process_manager(name = "sound", id = u32, events(Asked), commands(Try))]
struct Sound;

impl React<Asked> for Sound {
    fn process(_: &Asked, _: &RecordedEventRef<'_>) -> Option<u32> {
        Some(1)
    }

    fn react(&mut self, _: Asked, reactions: &mut Reactions<Self>) {
        reactions.send(&Try {
            what: What::Execute,
            weight: None,
        });
    }
}

impl Resolve<Try> for Sound {
    fn replied(&mut self, _: Try, _: Answered, _: &mut Reactions<Self>) {}
    fn refused(&mut self, _: Try, _: &str, _: &mut Reactions<Self>) {}
}

/// In a program, nothing of the step is stored, and its event is parked.
#[test]
fn a_process_does_not_send_what_cannot_be_read() {
    for is_late in [false, true] {
        let store = MemoryStore::new();
        let event = NewEvent::encode(&Asked { is_late }).unwrap();
        let append = Append::to(
            StreamName::new("asked").unwrap(),
            ExpectedVersion::Any,
            [event],
        );
        block_on(store.append(append)).unwrap();
        let options = ConsumerOptions::new().on_failure(FailurePolicy::retry(0).then_park());
        let processes = Processes::<Weighing>::new(StartFrom::Start)
            .options(options)
            .replies_from(InProcessBus::new());
        let weighing = Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(processes);
        let handle = weighing.handle();
        block_on(weighing.catch_up()).unwrap();
        let [letter] = block_on(handle.dead_letters("weighing"))
            .unwrap()
            .try_into()
            .unwrap();
        assert!(
            letter.error.contains("cannot be written as json: "),
            "{}",
            letter.error
        );
        let state = block_on(store.stream_state(&StreamName::new("weighing-1").unwrap())).unwrap();
        assert_eq!(state.last, Version::ZERO);
    }
}
