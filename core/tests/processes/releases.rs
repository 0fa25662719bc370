//! An old and a new release of a process manager on one store: at once, and one after the other.

use crate::kit::{soon, start, until};
use crate::shop::log;
use midgard::consumer::{ConsumerState, Status};
use midgard::event::NewEvent;
use midgard::event::{RecordedEventRef, Registry};
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    Event, MemoryStore, Midgard, ProcessManager, Processes, React, Reactions, StartFrom, Store,
    StreamName, block_on,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "ledger.drawn")]
struct DrawnV1 {
    account: String,
    euros: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "ledger.drawn", version = 2, upcast_from = DrawnV1)]
struct Drawn {
    account: String,
    cents: u64,
}

impl From<DrawnV1> for Drawn {
    fn from(old: DrawnV1) -> Self {
        Drawn {
            account: old.account,
            cents: old.euros * 100,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "ledger.voided")]
struct Voided {
    account: String,
}

#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "ledger", id = String, events(DrawnV1))]
struct OldLedger;

impl React<DrawnV1> for OldLedger {
    fn process(event: &DrawnV1, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.account.clone())
    }

    fn react(&mut self, _: DrawnV1, _: &mut Reactions<Self>) {}
}

#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "ledger", id = String, events(Drawn, Voided))]
struct Ledger;

impl React<Drawn> for Ledger {
    fn process(event: &Drawn, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.account.clone())
    }

    fn react(&mut self, _: Drawn, _: &mut Reactions<Self>) {}
}

impl React<Voided> for Ledger {
    fn process(event: &Voided, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.account.clone())
    }

    fn react(&mut self, _: Voided, _: &mut Reactions<Self>) {}
}

fn old(store: &MemoryStore) -> Midgard<MemoryStore> {
    let known = Registry::new().with::<DrawnV1>().unwrap();
    let processes = Processes::<OldLedger>::new(StartFrom::Start).options(soon().knows(&known));
    Midgard::new(store.clone()).process_manager(processes)
}

fn new(store: &MemoryStore) -> Midgard<MemoryStore> {
    let processes = Processes::<Ledger>::new(StartFrom::Start).options(soon());
    Midgard::new(store.clone()).process_manager(processes)
}

/// The stream tells nothing of the account.
fn append(store: &MemoryStore, stream: &str, event: &impl Event) {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new(stream).unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::Any, [event]))).unwrap();
}

fn draw_v1(store: &MemoryStore, stream: &str, account: &str, euros: u64) {
    let account = account.to_owned();
    append(store, stream, &DrawnV1 { account, euros });
}

fn draw(store: &MemoryStore, stream: &str, account: &str, cents: u64) {
    let account = account.to_owned();
    append(store, stream, &Drawn { account, cents });
}

fn void(store: &MemoryStore, stream: &str, account: &str) {
    let account = account.to_owned();
    append(store, stream, &Voided { account });
}

/// What a process has reacted to, in order.
fn reactions(store: &MemoryStore, account: &str) -> Vec<String> {
    let stream = format!("ledger-{account}");
    let events = block_on(log(store)).into_iter();
    let own = events.filter(|event| event.stream.as_str() == stream);
    let text = |event: midgard::event::RecordedEvent| {
        let payload: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
        format!("{} {}", payload["name"].as_str().unwrap(), payload["data"])
    };
    own.map(text).collect()
}

fn stands_by(status: &Status) -> bool {
    let last = status.last_error.as_ref();
    status.state == ConsumerState::Standby
        && last.is_some_and(|error| error.message.starts_with("it stands by"))
}

const VOIDED: &str = r#"ledger.voided {"account":"ann"}"#;

#[test]
fn an_event_that_only_the_new_release_reacts_to_is_reacted_to_while_the_old_one_runs_beside() {
    let store = MemoryStore::new();
    draw_v1(&store, "till-1", "ann", 1);
    let older = start(old(&store));
    until("the old one", || {
        (reactions(&store, "ann").len() == 1).then_some(())
    });
    let newer = start(new(&store));
    until("the old one to stand by", || {
        stands_by(&older.handle.status_of("ledger").unwrap()).then_some(())
    });
    void(&store, "till-2", "ann");
    until("the new one", || {
        (reactions(&store, "ann").len() == 2).then_some(())
    });
    newer.stop();
    void(&store, "till-3", "ann");
    older.stop();
    let error = block_on(old(&store).catch_up()).unwrap_err().to_string();
    assert!(error.contains("\"ledger.voided\""), "{error}");
    block_on(new(&store).catch_up()).unwrap();
    let first = r#"ledger.drawn {"account":"ann","euros":1}"#;
    assert_eq!(reactions(&store, "ann"), [first, VOIDED, VOIDED]);
}

#[test]
fn what_was_passed_by_who_did_not_know_it_is_reacted_to_once() {
    let store = MemoryStore::new();
    void(&store, "till-1", "ann");
    draw_v1(&store, "till-2", "ann", 1);
    block_on(old(&store).catch_up()).unwrap();
    let first = r#"ledger.drawn {"account":"ann","euros":1}"#;
    assert_eq!(reactions(&store, "ann"), [first]);
    for _ in 0..2 {
        block_on(new(&store).catch_up()).unwrap();
        assert_eq!(reactions(&store, "ann"), [first, VOIDED]);
    }
}

#[test]
fn an_event_whose_process_the_old_release_cannot_tell_is_overtaken_by_no_later_one() {
    let store = MemoryStore::new();
    draw_v1(&store, "till-1", "ann", 1);
    draw(&store, "till-2", "ann", 2);
    draw_v1(&store, "till-3", "ann", 3);
    let older = start(old(&store));
    let status = until("the old one to stand by", || {
        let status = older.handle.status_of("ledger").unwrap();
        stands_by(&status).then_some(status)
    });
    let error = status.last_error.unwrap().message;
    assert!(error.contains("version 2 of \"ledger.drawn\""), "{error}");
    let letters = block_on(older.handle.dead_letters("ledger")).unwrap();
    assert!(letters.is_empty(), "{letters:?}");
    // The one that knows it takes over from there, while the old one runs.
    let newer = start(new(&store));
    until("all reactions", || {
        (reactions(&store, "ann").len() == 3).then_some(())
    });
    newer.stop();
    older.stop();
    assert_eq!(
        reactions(&store, "ann"),
        [
            r#"ledger.drawn {"account":"ann","euros":1}"#,
            r#"ledger.drawn {"account":"ann","cents":2}"#,
            r#"ledger.drawn {"account":"ann","euros":3}"#,
        ]
    );
}
