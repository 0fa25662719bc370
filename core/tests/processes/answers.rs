//! Answers that come to an old release of a process manager, and that only the new one can take in.

use crate::kit::{Running, soon, start, until};
use crate::shop::log;
use midgard::bus::{InProcessBus, Message, Publisher as _, Purpose};
use midgard::consumer::ConsumerState;
use midgard::event::{Encoded, NewEvent, RecordedEventRef, Registry};
use midgard::inbox::ParkedCause;
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    Event, MemoryStore, Midgard, ProcessManager, Processes, React, Reactions, RemoteCommand,
    Resolve, StartFrom, Store as _, StreamName, block_on,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "desk.opened")]
struct Opened {
    desk: String,
}

/// Only the new release knows it.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "desk.closed")]
struct Closed {
    desk: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "checked")]
struct CheckedV1 {
    number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "checked", version = 2, upcast_from = CheckedV1)]
struct Checked {
    number: u64,
    by: String,
}

impl From<CheckedV1> for Checked {
    fn from(old: CheckedV1) -> Self {
        let (CheckedV1 { number }, by) = (old, String::new());
        Checked { number, by }
    }
}

macro_rules! release {
    ($release:ident, [$($event:ident),*], $reply:ty) => {
        mod $release {
            use super::*;

            #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
            #[remote_command(name = "check", service = "checks", reply = $reply)]
            pub(super) struct Check {
                pub(super) number: u64,
            }

            #[derive(Debug, Default, ProcessManager)]
            #[process_manager(name = "desk", id = String, events($($event),*), commands(Check))]
            pub(super) struct Desk;

            $(
                impl React<$event> for Desk {
                    fn process(event: &$event, _: &RecordedEventRef<'_>) -> Option<String> {
                        Some(event.desk.clone())
                    }

                    fn react(&mut self, _: $event, reactions: &mut Reactions<Self>) {
                        for number in 1..=2 {
                            reactions.send(&Check { number });
                        }
                    }
                }
            )*

            impl Resolve<Check> for Desk {
                fn replied(&mut self, _: Check, _: $reply, _: &mut Reactions<Self>) {}

                fn refused(&mut self, _: Check, _: &str, _: &mut Reactions<Self>) {}
            }

            pub(super) fn program(store: &MemoryStore, bus: &InProcessBus) -> Midgard<MemoryStore> {
                let known = Registry::new();
                $(let known = known.with::<$event>().unwrap();)*
                let desks = Processes::<Desk>::new(StartFrom::Start)
                    .options(soon().knows(&known))
                    .replies_from(bus.clone());
                Midgard::new(store.clone())
                    .process_manager(desks)
                    .outbox_elsewhere()
            }
        }
    };
}

release!(old, [Opened], CheckedV1);
release!(new, [Opened, Closed], Checked);

const DESK: &str = "desk-ann";

fn append(store: &MemoryStore, event: &impl Event) {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new("till").unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::Any, [event]))).unwrap();
}

fn of_desk(store: &MemoryStore, name: &str) -> Vec<midgard::event::RecordedEvent> {
    let events = block_on(log(store)).into_iter();
    let of_desk = events.filter(|event| event.stream.as_str() == DESK && event.name == name);
    of_desk.collect()
}

/// The numbers of what was answered, in order.
fn answered(store: &MemoryStore) -> Vec<u64> {
    let payloads = of_desk(store, "midgard.process_reacted").into_iter();
    let payloads = payloads.map(|event| serde_json::from_slice(&event.payload).unwrap());
    let answers = payloads.filter(|payload: &serde_json::Value| payload["to"] == "reply");
    answers
        .map(|payload| payload["data"]["number"].as_u64().unwrap())
        .collect()
}

/// Answers a command of the process, the first one for index 0.
fn answer(store: &MemoryStore, bus: &InProcessBus, index: usize, version: u32) {
    let command = of_desk(store, "midgard.command_sent").swap_remove(index).id;
    let purpose = Purpose::Reply {
        to: "desk".to_owned(),
    };
    let number = index as u64 + 1;
    let data = format!(r#"{{"number":{number},"by":"bob"}}"#).into_bytes();
    let mut reply = Message::new(
        purpose,
        "checks",
        Encoded::json(Checked::NAME, version, data),
    );
    reply.causation_id = Some(command);
    block_on(bus.publish(&[reply.with_subject(DESK)])).unwrap();
}

fn until_it_listens(running: &Running) {
    until("the replies to be asked for", || {
        let status = running.handle.status_of("desk replies").unwrap();
        (status.state == ConsumerState::Live).then_some(())
    });
}

fn causes(running: &Running) -> Vec<ParkedCause> {
    let parked = block_on(running.handle.parked_messages("desk replies")).unwrap();
    parked.iter().map(|parked| parked.cause).collect()
}

/// Lets the new release take over from what the old one has parked.
fn hand_over(store: &MemoryStore, bus: &InProcessBus, older: Running) {
    assert_eq!(causes(&older), [ParkedCause::Unread, ParkedCause::Follows]);
    older.stop();
    assert_eq!(answered(store), [0; 0]);
    let newer = start(new::program(store, bus));
    until("both answers", || (answered(store) == [1, 2]).then_some(()));
    until("nothing to be parked", || {
        causes(&newer).is_empty().then_some(())
    });
    newer.stop();
}

#[test]
fn an_answer_to_a_process_that_only_the_new_release_can_make_anew_is_taken_in_by_that() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    let desk = "ann".to_owned();
    append(&store, &Opened { desk: desk.clone() });
    append(&store, &Closed { desk });
    block_on(new::program(&store, &bus).catch_up()).unwrap();
    let older = start(old::program(&store, &bus));
    until_it_listens(&older);
    answer(&store, &bus, 0, 1);
    answer(&store, &bus, 1, 1);
    hand_over(&store, &bus, older);
}

#[test]
fn an_answer_of_a_newer_version_is_not_overtaken_by_the_next_one_to_its_process() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    let desk = "ann".to_owned();
    append(&store, &Opened { desk });
    let older = start(old::program(&store, &bus));
    until("the commands", || {
        let sent = of_desk(&store, "midgard.command_sent");
        (sent.len() == 2).then_some(())
    });
    until_it_listens(&older);
    answer(&store, &bus, 0, 2);
    answer(&store, &bus, 1, 1);
    hand_over(&store, &bus, older);
}
