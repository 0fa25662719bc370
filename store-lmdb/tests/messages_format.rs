//! A store with an inbox and an outbox, as the first release with them has written it, is opened and goes on.
//!
//! `fixtures/messages-1/data.mdb` was written by `child_writes_the_fixture`, and is never written again. When the
//! format of notes or of what stands in the log changes, run that test with `MIDGARD_TEST_CHILD` set to a new directory.
#![allow(clippy::unwrap_used)]

mod common;

use common::process::LONG;
use common::{append, child_directory, read_entries, read_stream};
use midgard::bus::{
    BusError, ForeignMessage, InProcessBus, Message, Published, Publisher, Purpose, Topic,
};
use midgard::consumer::FailurePolicy;
use midgard::event::{Encoded, NewEvent};
use midgard::inbox::InboxOptions;
use midgard::store::ReadEntries;
use midgard::{
    Event, Handle, HandlerError, Inbox, MessageContext, Midgard, Outbox, Refused, RemoteCommand,
    Subscribe, block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

/// The handler fails for as long as it is told to.
const REFUSED: u64 = 13;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "told")]
#[publish]
struct Told {
    number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "double", service = "doubles", reply = Doubled)]
struct Double {
    number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "doubled")]
struct Doubled {
    number: u64,
}

/// Notes what it is told, and doubles what it is asked to.
#[derive(Inbox)]
#[inbox(name = "doubles", events(Told), commands(Double))]
struct Doubles {
    refuses: bool,
}

impl Subscribe<Told> for Doubles {
    async fn receive(
        &self,
        told: Told,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        if self.refuses && told.number == REFUSED {
            return Err("13 brings bad luck".into());
        }
        let stream = common::stream(&format!("told-{}", context.message().key));
        context.record(stream, midgard::store::ExpectedVersion::Any, &told)
    }
}

impl Handle<Double> for Doubles {
    async fn handle(
        &self,
        command: Double,
        _: &mut MessageContext<'_>,
    ) -> Result<Doubled, HandlerError> {
        match command.number {
            0 => Err(Refused::new("nothing to double").into()),
            number => Ok(Doubled { number: number * 2 }),
        }
    }
}

/// A bus that keeps what it gets, and refuses thirteens when it is told to.
#[derive(Clone, Default)]
struct Keeps {
    published: Arc<Mutex<Vec<Message>>>,
    refuses: bool,
}

impl Publisher for Keeps {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        for message in messages {
            if self.refuses && message.payload == br#"{"number":13}"# {
                return Err(BusError::Refused {
                    id: message.id.clone(),
                    name: message.name.clone(),
                    reason: "13 brings bad luck".to_owned(),
                });
            }
            self.published.lock().unwrap().push(message.clone());
        }
        Ok(Published::all())
    }
}

impl Keeps {
    fn texts(&self) -> Vec<String> {
        let published = self.published.lock().unwrap();
        let text = |message: &Message| {
            let data = String::from_utf8(message.payload.clone()).unwrap();
            format!("{} {data} to {}", message.name, message.topic())
        };
        published.iter().map(text).collect()
    }
}

fn told(key: &str, number: u64) -> Message {
    let data = serde_json::to_vec(&Told { number }).unwrap();
    Message::event("teller", Told::NAME, 1, data)
        .with_id(format!("told-{key}-{number}"))
        .with_key(key)
}

fn double(id: &str, number: u64) -> Message {
    let data = serde_json::to_vec(&Double { number }).unwrap();
    let purpose = Purpose::Command {
        service: "doubles".to_owned(),
    };
    let mut message = Message::new(purpose, "asker", Encoded::json(Double::NAME, 1, data))
        .with_id(id)
        .with_subject("asking-7")
        .with_key("asking-7");
    message.reply_to = Some("asking".to_owned());
    message
}

const IDS: [&str; 2] = [
    "0190163d-8694-739b-aea5-966c26f8ad91",
    "0190163d-8694-739b-aea5-966c26f8ad92",
];

/// All messages that the first release was given, but for the one of a stranger.
fn messages() -> Vec<Message> {
    let mut shapeless = told("ann", 99);
    shapeless.payload = b"{}".to_vec();
    vec![
        told("ann", 1),
        told("bob", 2),
        double(IDS[0], 4),
        double(IDS[1], 0),
        told("cid", REFUSED),
        told("cid", 14),
        shapeless,
    ]
}

fn inbox(store: &LmdbStore, bus: &InProcessBus, refuses: bool) -> Midgard<LmdbStore> {
    let options = InboxOptions::new()
        .on_failure(FailurePolicy::retry(0).then_park())
        // What the fixture remembers is never too old.
        .remember(Duration::MAX);
    Midgard::new(store.clone()).outbox_elsewhere().inbox_with(
        Doubles { refuses },
        bus.clone(),
        options,
    )
}

fn outbox(store: &LmdbStore, bus: &Keeps) -> Midgard<LmdbStore> {
    let outbox = Outbox::new("doubles").publish::<Told>();
    Midgard::new(store.clone()).outbox(outbox, bus.clone())
}

/// Runs an inbox until these messages are taken care of, and one more that is a stranger's, if there is one.
fn handle(
    store: &LmdbStore,
    refuses: bool,
    messages: &[Message],
    foreign: Option<ForeignMessage>,
    parked: usize,
) {
    let bus = InProcessBus::new();
    let midgard = inbox(store, &bus, refuses);
    block_on(midgard.declare()).unwrap();
    let handle = midgard.handle();
    let running = thread::spawn(|| block_on(midgard.run()));
    block_on(bus.publish(messages)).unwrap();
    if let Some(foreign) = foreign {
        bus.send_foreign(&Topic::event("told"), foreign);
    }
    let is_parked = |status: &midgard::consumer::Status| status.parked == parked;
    block_on(handle.wait_until("doubles", LONG, is_parked)).unwrap();
    handle.stop();
    running.join().unwrap().unwrap();
}

/// Not a test of its own: writes the fixture, when it is told where.
#[test]
fn child_writes_the_fixture() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    let foreign = ForeignMessage::new(
        "it has no id",
        vec![("from".to_owned(), "afar".to_owned())],
        b"hello".to_vec(),
    );
    handle(&store, true, &messages(), Some(foreign), 4);
    // It is left for the next worker.
    let midgard = inbox(&store, &InProcessBus::new(), true);
    let first = block_on(midgard.handle().parked_messages("doubles")).unwrap();
    let first = first[0].number.clone();
    block_on(midgard.handle().retry_message("doubles", &first)).unwrap();
    // What a process manager sends.
    let sent = br#"{"name":"order","version":2,"service":"shop","key":null,"reply_to":"doubling","data":{"number":5}}"#;
    let sent = || NewEvent::json("midgard.command_sent", 1, sent.to_vec());
    append(&store, "doubling-9", vec![sent()]).unwrap();
    let thirteen = NewEvent::encode(&Told { number: REFUSED }).unwrap();
    append(&store, "luck", vec![thirteen]).unwrap();
    let bus = Keeps {
        refuses: true,
        ..Keeps::default()
    };
    block_on(outbox(&store, &bus).catch_up()).unwrap();
    // What the outbox has not seen yet.
    append(&store, "doubling-9", vec![sent()]).unwrap();
    append(
        &store,
        "luck",
        vec![NewEvent::encode(&Told { number: 15 }).unwrap()],
    )
    .unwrap();
}

fn copy_of_the_fixture() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/messages-1");
    fs::copy(fixture.join("data.mdb"), directory.path().join("data.mdb")).unwrap();
    directory
}

fn numbers(store: &LmdbStore, key: &str) -> Vec<u64> {
    let events = read_stream(store, &format!("told-{key}")).unwrap();
    let numbers = events
        .iter()
        .map(midgard::event::RecordedEvent::decode::<Told>);
    numbers.map(|told| told.unwrap().number).collect()
}

#[test]
fn what_was_handled_and_what_was_parked_is_known_again() {
    let directory = copy_of_the_fixture();
    let store = LmdbStore::open(directory.path()).unwrap();
    let midgard = inbox(&store, &InProcessBus::new(), false);
    let parked = block_on(midgard.handle().parked_messages("doubles")).unwrap();
    let shown: Vec<_> = parked
        .iter()
        .map(|one| {
            let id = one.content.as_ref().map(|message| message.id.clone());
            (id.ok(), one.holds_key, one.failures)
        })
        .collect();
    let id = |id: &str| Some(id.to_owned());
    let wanted = [
        (id("told-cid-13"), true, 1),
        (id("told-ann-99"), false, 0),
        (id("told-cid-14"), true, 0),
        (None, false, 0),
    ];
    assert_eq!(shown, wanted);
    assert_eq!(parked[0].error, "13 brings bad luck");
    let foreign = parked[3].content.as_ref().unwrap_err();
    assert_eq!(
        (&*foreign.reason, &*foreign.payload),
        ("it has no id", &b"hello"[..])
    );
    assert_eq!(foreign.attributes, [("from".to_owned(), "afar".to_owned())]);

    // All of it comes again, and nothing is handled twice; what was asked for is done.
    let before = read_stream(&store, "doubles.replies").unwrap().len();
    handle(&store, false, &messages(), None, 2);
    assert_eq!(
        (numbers(&store, "ann"), numbers(&store, "bob")),
        (vec![1], vec![2])
    );
    assert_eq!(numbers(&store, "cid"), [REFUSED, 14]);
    assert_eq!(
        read_stream(&store, "doubles.replies").unwrap().len(),
        before
    );
    let left = read_entries(&store, &ReadEntries::prefix(b"inbox/doubles/key/"));
    assert!(left.is_empty());
    let left = read_entries(&store, &ReadEntries::prefix(b"inbox/doubles/request/"));
    assert!(left.is_empty());
}

#[test]
fn an_outbox_goes_on_where_it_was() {
    let directory = copy_of_the_fixture();
    let store = LmdbStore::open(directory.path()).unwrap();
    let bus = Keeps::default();
    block_on(outbox(&store, &bus).catch_up()).unwrap();
    assert_eq!(
        bus.texts(),
        [r#"order {"number":5} to command.shop.order"#],
        "the other one follows one that is parked"
    );
    let handle = outbox(&store, &bus).handle();
    let letters = block_on(handle.dead_letters("outbox")).unwrap();
    assert_eq!(letters.len(), 2);
    assert!(letters[0].error.contains("13 brings bad luck"));
    block_on(handle.retry("outbox", "luck")).unwrap();
    block_on(outbox(&store, &bus).catch_up()).unwrap();
    let told = |number: u64| format!("told {{\"number\":{number}}} to event.told");
    assert_eq!(bus.texts()[1..], [told(13), told(15)]);
}

#[test]
fn answers_leave_as_they_were_written() {
    let directory = copy_of_the_fixture();
    let store = LmdbStore::open(directory.path()).unwrap();
    let bus = Keeps::default();
    let anew = Outbox::new("doubles").bus_id("a new one");
    block_on(Midgard::new(store).outbox(anew, bus.clone()).catch_up()).unwrap();
    let wanted = [
        r#"doubled {"number":8} to reply.asking"#,
        r#"midgard.refused {"reason":"nothing to double"} to reply.asking"#,
        r#"order {"number":5} to command.shop.order"#,
        r#"order {"number":5} to command.shop.order"#,
    ];
    assert_eq!(bus.texts(), wanted);
    let published = bus.published.lock().unwrap();
    for (reply, id) in published.iter().zip(IDS) {
        assert_eq!(reply.causation_id.unwrap().to_string(), id);
        assert_eq!(reply.subject.as_deref(), Some("asking-7"));
    }
    assert_eq!(published[2].reply_to.as_deref(), Some("doubling"));
    assert_eq!(
        (&*published[2].key, published[2].schema_version),
        ("doubling-9", 2)
    );
}
