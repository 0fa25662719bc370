//! Commands, replies, deadlines and public forms that have changed since a process began: it goes on.

use crate::kit::{NEVER, outbox, soon, start, until};
use crate::shop::append;
use midgard::bus::InProcessBus;
use midgard::event::RecordedEventRef;
use midgard::{
    Done, Event, Expire, Handle, HandlerError, Inbox, MemoryStore, MessageContext, Midgard,
    ProcessManager, Processes, React, Reactions, RemoteCommand, Resolve, StartFrom, block_on,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "tour.planned")]
struct Planned {
    stops: Vec<u64>,
    /// In milliseconds.
    patience: u64,
}

/// Is answered with `Done`.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "stop.visit", service = "drivers")]
struct VisitV1 {
    stop: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "stop.visited")]
struct VisitedV1 {
    minutes: Option<u64>,
}

/// Is answered with what it took.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "stop.visit",
    service = "drivers",
    version = 2,
    upcast_from = VisitV1,
    reply = VisitedV1
)]
struct VisitV2 {
    stop: u64,
    driver: String,
}

impl From<VisitV1> for VisitV2 {
    fn from(old: VisitV1) -> Self {
        VisitV2 {
            stop: old.stop,
            driver: "anyone".to_owned(),
        }
    }
}

impl From<Done> for VisitedV1 {
    fn from(_: Done) -> Self {
        VisitedV1 { minutes: None }
    }
}

/// Its reply is a newer version of the reply before.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "stop.visit",
    service = "drivers",
    version = 3,
    upcast_from = VisitV2,
    reply = Visited
)]
struct Visit {
    stop: u64,
    drivers: Vec<String>,
}

impl From<VisitV2> for Visit {
    fn from(old: VisitV2) -> Self {
        Visit {
            stop: old.stop,
            drivers: vec![old.driver],
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "stop.visited", version = 2, upcast_from = VisitedV1)]
struct Visited {
    seconds: u64,
}

impl From<VisitedV1> for Visited {
    fn from(old: VisitedV1) -> Self {
        Visited {
            seconds: old.minutes.unwrap_or_default() * 60,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "tour.late")]
struct LateV1 {
    tour: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "tour.late", version = 2, upcast_from = LateV1)]
struct Late {
    tour: String,
}

impl From<LateV1> for Late {
    fn from(old: LateV1) -> Self {
        Late {
            tour: format!("tour {}", old.tour),
        }
    }
}

/// What releases have seen.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn see(line: String) {
    SEEN.lock().unwrap().insert(line);
}

/// A release of the process manager, with what it does with an answer.
macro_rules! release {
    ($release:ident, $visit:ty, $reply:ty, $send:expr, $late:ty, $deadline:expr, $seen:expr) => {
        #[derive(Debug, Default, ProcessManager)]
        #[process_manager(
                                                                            name = "tour",
                                                                            id = String,
                                                                            events(Planned),
                                                                            commands($visit),
                                                                            deadlines($late)
                                                                        )]
        struct $release {
            answered: u64,
        }

        impl React<Planned> for $release {
            fn process(_: &Planned, recorded: &RecordedEventRef<'_>) -> Option<String> {
                Some(recorded.stream.to_owned())
            }

            fn react(&mut self, event: Planned, reactions: &mut Reactions<Self>) {
                for stop in event.stops {
                    reactions.send(&$send(stop));
                }
                reactions.remind(Duration::from_millis(event.patience), &$deadline);
            }
        }

        impl Resolve<$visit> for $release {
            fn replied(&mut self, command: $visit, reply: $reply, _: &mut Reactions<Self>) {
                self.answered += 1;
                $seen(self.answered, command, reply);
            }

            fn refused(&mut self, _: $visit, _: &str, _: &mut Reactions<Self>) {}
        }

        impl Expire<$late> for $release {
            fn expired(&mut self, deadline: $late, reactions: &mut Reactions<Self>) {
                let release = stringify!($release);
                assert!(release != "OldTour", "the old release cannot");
                see(format!("{release} {deadline:?}"));
                reactions.complete();
            }
        }
    };
}

release!(
    OldTour,
    VisitV1,
    Done,
    |stop| VisitV1 { stop },
    LateV1,
    LateV1 { tour: 7 },
    |_, _, _| {}
);
release!(
    NewTour,
    Visit,
    Visited,
    |stop| Visit {
        stop,
        drivers: Vec::new()
    },
    Late,
    Late {
        tour: "new".to_owned()
    },
    |answered, command: Visit, reply: Visited| see(format!(
        "{answered}: {} by {:?} in {} s",
        command.stop, command.drivers, reply.seconds
    ))
);

fn tours<P: ProcessManager<Config = ()>>(
    store: &MemoryStore,
    bus: &InProcessBus,
) -> Midgard<MemoryStore> {
    let processes = Processes::<P>::new(StartFrom::Start)
        .options(soon())
        .replies_from(bus.clone());
    Midgard::new(store.clone())
        .process_manager(processes)
        .outbox(outbox("tours"), bus.clone())
}

/// A release of the service that handles the command, in the form that it knows.
macro_rules! drivers {
    ($release:ident, $visit:ty, $reply:ty, $answer:expr) => {
        #[derive(Inbox)]
        #[inbox(name = "drivers", commands($visit))]
        struct $release;

        impl Handle<$visit> for $release {
            async fn handle(
                &self,
                command: $visit,
                _: &mut MessageContext<'_>,
            ) -> Result<$reply, HandlerError> {
                see(format!("{} {command:?}", stringify!($release)));
                Ok($answer)
            }
        }
    };
}

drivers!(FirstDrivers, VisitV1, Done, Done {});
drivers!(
    SecondDrivers,
    VisitV2,
    VisitedV1,
    VisitedV1 { minutes: Some(2) }
);
drivers!(ThirdDrivers, Visit, Visited, Visited { seconds: 9 });

/// Lets a release of the drivers handle what waits, and the tours take in what comes back.
fn drive<P: ProcessManager<Config = ()>>(
    (store, drivers_store): (&MemoryStore, &MemoryStore),
    bus: &InProcessBus,
    drivers: impl Inbox,
) {
    let drivers = Midgard::new(drivers_store.clone())
        .inbox(drivers, bus.clone())
        .outbox(outbox("drivers"), bus.clone());
    let (drivers, tours) = (start(drivers), start(tours::<P>(store, bus)));
    until("all answers", || {
        let processes = block_on(tours.handle.processes("tour")).unwrap();
        let is_parked = processes.iter().any(|process| process.is_parked);
        assert!(!is_parked, "{processes:?}");
        let mut waiting = processes.iter().map(|process| &process.waiting_for);
        (!processes.is_empty() && waiting.all(Vec::is_empty)).then_some(())
    });
    tours.stop();
    drivers.stop();
}

/// What was seen, each line once: a process that is made anew sees all again.
fn seen() -> BTreeSet<String> {
    std::mem::take(&mut SEEN.lock().unwrap())
}

/// Lets the old release send another command, which is not answered while it runs.
fn send(store: &MemoryStore, bus: &InProcessBus) {
    let old = start(tours::<OldTour>(store, bus));
    until("another command", || {
        let processes = block_on(old.handle.processes("tour")).unwrap();
        let mut waiting = processes.iter().map(|process| &process.waiting_for);
        waiting.any(|waiting| waiting.len() == 1).then_some(())
    });
    old.stop();
}

#[test]
fn a_process_goes_on_whose_commands_replies_and_deadlines_have_new_versions() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    // What comes again after a stop is known to all releases of the drivers.
    let stores = (&store, &MemoryStore::new());
    let plan = |tour: &str, stops: &[u64], patience| {
        let stops = stops.to_vec();
        block_on(append(&store, tour, &Planned { stops, patience }));
    };
    let assert_seen = |lines: &[&str]| {
        let lines = lines.iter().map(|line| (*line).to_owned());
        assert_eq!(seen(), lines.collect());
    };
    // The old release sends two commands, of which one is answered while it runs.
    plan("a", &[1], NEVER);
    drive::<OldTour>(stores, &bus, FirstDrivers);
    plan("a", &[2], NEVER);
    send(&store, &bus);
    assert_seen(&["FirstDrivers VisitV1 { stop: 1 }"]);

    // The new one takes in the answer of an old service, and what was answered before, in its own form.
    drive::<NewTour>(stores, &bus, FirstDrivers);
    assert_seen(&[
        "FirstDrivers VisitV1 { stop: 2 }",
        r#"1: 1 by ["anyone"] in 0 s"#,
        r#"2: 2 by ["anyone"] in 0 s"#,
    ]);

    // So it does when the service is newer than what was sent, and when all are new.
    plan("b", &[3], NEVER);
    send(&store, &bus);
    drive::<NewTour>(stores, &bus, SecondDrivers);
    assert_seen(&[
        r#"SecondDrivers VisitV2 { stop: 3, driver: "anyone" }"#,
        r#"1: 3 by ["anyone"] in 120 s"#,
    ]);
    plan("c", &[4], NEVER);
    send(&store, &bus);
    drive::<NewTour>(stores, &bus, ThirdDrivers);
    assert_seen(&[
        r#"ThirdDrivers Visit { stop: 4, drivers: ["anyone"] }"#,
        r#"1: 4 by ["anyone"] in 9 s"#,
    ]);

    // A deadline that the old release has set, and could not meet.
    plan("d", &[], 0);
    let old = start(tours::<OldTour>(&store, &bus));
    until("the deadline", || {
        let status = old.handle.status_of("tour").unwrap();
        let error = status.last_error?.message;
        error.contains("the old release cannot").then_some(())
    });
    old.stop();
    let new = start(tours::<NewTour>(&store, &bus));
    let late = r#"NewTour Late { tour: "tour 7" }"#;
    until("the end", || {
        SEEN.lock().unwrap().contains(late).then_some(())
    });
    new.stop();
    assert_seen(&[late]);
}
