//! Processes that are made anew: from events in old versions, in sets, without payloads, and by newer code.

use crate::shop::append;
use midgard::event::RecordedEventRef;
use midgard::{
    Event, EventSet, Expire, MemoryStore, Midgard, ProcessManager, Processes, React, Reactions,
    StartFrom, block_on,
};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "meter.read")]
struct ReadV1 {
    units: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "meter.read", version = 2, upcast_from = ReadV1)]
struct Read {
    milliunits: u64,
}

impl From<ReadV1> for Read {
    fn from(old: ReadV1) -> Self {
        Read {
            milliunits: old.units * 1000,
        }
    }
}

/// Its payload is `null`.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "meter.broken")]
struct Broken;

#[derive(Debug, Clone, EventSet)]
enum MeterEvent {
    Read(Read),
    Broken(Broken),
}

/// As `Broken`.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "meter.unread")]
struct Unread;

/// The states that were seen when something new came, by the process.
static SEEN: Mutex<Vec<(String, u64, u64)>> = Mutex::new(Vec::new());

/// The first release.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "meter", id = String, events(MeterEvent), deadlines(Unread))]
struct Meter {
    milliunits: u64,
    broken: u64,
}

impl React<MeterEvent> for Meter {
    fn process(_: &MeterEvent, recorded: &RecordedEventRef<'_>) -> Option<String> {
        Some(recorded.stream.to_owned())
    }

    fn react(&mut self, event: MeterEvent, reactions: &mut Reactions<Self>) {
        match event {
            MeterEvent::Read(read) => self.milliunits += read.milliunits,
            MeterEvent::Broken(Broken) => self.broken += 1,
        }
        reactions.remind(Duration::ZERO, &Unread);
    }
}

impl Expire<Unread> for Meter {
    fn expired(&mut self, _: Unread, reactions: &mut Reactions<Self>) {
        let seen = ("first".to_owned(), self.milliunits, self.broken);
        SEEN.lock().unwrap().push(seen);
        reactions.complete();
    }
}

/// The next release: the same process manager, with a state that is more, and something else that follows.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "meter", id = String, events(MeterEvent), deadlines(Unread))]
struct NextMeter {
    milliunits: u64,
    most: u64,
}

impl React<MeterEvent> for NextMeter {
    fn process(_: &MeterEvent, recorded: &RecordedEventRef<'_>) -> Option<String> {
        Some(recorded.stream.to_owned())
    }

    fn react(&mut self, event: MeterEvent, reactions: &mut Reactions<Self>) {
        if let MeterEvent::Read(read) = event {
            self.milliunits += read.milliunits;
            self.most = self.most.max(read.milliunits);
        }
        let seen = ("next".to_owned(), self.milliunits, self.most);
        SEEN.lock().unwrap().push(seen);
        reactions.complete();
    }
}

impl Expire<Unread> for NextMeter {
    fn expired(&mut self, _: Unread, _: &mut Reactions<Self>) {}
}

fn seen() -> Vec<(String, u64, u64)> {
    std::mem::take(&mut SEEN.lock().unwrap())
}

#[test]
fn a_process_is_made_anew_from_old_versions_sets_and_null_and_by_the_next_release() {
    let store = MemoryStore::new();
    block_on(append(&store, "m", &ReadV1 { units: 2 }));
    block_on(append(&store, "m", &Broken));
    let first = || {
        let meters = Processes::<Meter>::new(StartFrom::Start);
        Midgard::new(store.clone()).process_manager(meters)
    };
    block_on(first().catch_up()).unwrap();
    // Made anew from its stream alone: each time the program runs, it knows nothing but that.
    block_on(first().catch_up()).unwrap();
    assert_eq!(seen().pop(), Some(("first".to_owned(), 2000, 1)));
    block_on(append(&store, "m", &Read { milliunits: 5 }));
    block_on(first().catch_up()).unwrap();
    block_on(first().catch_up()).unwrap();
    assert_eq!(seen().pop(), Some(("first".to_owned(), 2005, 1)));
    block_on(append(&store, "m", &Read { milliunits: 7 }));
    let meters = Processes::<NextMeter>::new(StartFrom::Start);
    let next = Midgard::new(store.clone()).process_manager(meters);
    let handle = next.handle();
    block_on(next.catch_up()).unwrap();
    assert_eq!(block_on(handle.dead_letters("meter")).unwrap(), []);
    assert_eq!(seen().pop(), Some(("next".to_owned(), 2012, 2000)));
}
