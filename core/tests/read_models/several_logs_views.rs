//! Projections on a store with several logs: rows are made of the events of all of them, and none is lost.

use super::kit::{Balance, Balances, LONG, Paid, balances, start};
use super::several_logs::pay;
use crate::logs::{WEST, two_logs};
use event_listener::{Event as Notify, EventListener};
use midgard::consumer::{ConsumerOptions, ConsumerState, Status};
use midgard::store::give_way;
use midgard::view::Live;
use midgard::{
    Context, HandlerError, MemoryStore, Midgard, Place, Position, Project, Projection, StreamName,
    Views, block_on,
};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

/// Sums what was paid, and lets others have a turn while it does.
#[derive(Clone, Default, Projection)]
#[projection(name = "balances", events(Paid), views(Balance))]
struct Slow;

impl Project<Paid> for Slow {
    async fn project(
        &self,
        paid: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = paid;
        let new = || Balance {
            account: account.clone(),
            cents: 0,
        };
        context.upsert::<Balance>(&account, new, |row| row.cents += cents)?;
        give_way().await;
        Ok(())
    }
}

#[test]
fn a_row_made_of_events_of_both_logs_loses_none_of_them() {
    let (store, views) = (two_logs(), Views::new(MemoryStore::new()));
    let program = || Midgard::new(store.clone()).project(Slow, views.clone());
    let workers = [start(program()), start(program())];
    let (mut main, mut west) = (Position::ZERO, Position::ZERO);
    for _ in 0..300 {
        main = pay(&store, "account-ann", "ann", 1);
        west = pay(&store, "west-ann", "ann", 1000);
    }
    let [first, second] = workers;
    for place in [Place::main(main), Place::new(WEST, west)] {
        block_on(first.handle.wait_for("balances", place, LONG)).unwrap();
    }
    assert_eq!(balances(&views), [("ann".to_owned(), 300_300)]);
    let owned = [&first, &second].map(|worker| {
        let status = worker.handle.status_of("balances").unwrap();
        status.partitions
    });
    assert!(owned == [2, 0] || owned == [0, 2], "{owned:?}");

    first.stop().unwrap();
    let main = pay(&store, "account-ann", "ann", 1);
    let west = pay(&store, "west-ann", "ann", 1000);
    for place in [Place::main(main), Place::new(WEST, west)] {
        block_on(second.handle.wait_for("balances", place, LONG)).unwrap();
    }
    assert_eq!(balances(&views), [("ann".to_owned(), 301_301)]);
    second.stop().unwrap();
}

#[test]
fn a_projection_says_how_far_it_is_in_each_log_and_goes_on_there() {
    let (store, views) = (two_logs(), Views::new(MemoryStore::new()));
    let catch_up = || {
        let balances = Balances::<1>::default();
        let midgard = Midgard::new(store.clone()).project(balances, views.clone());
        block_on(midgard.catch_up()).unwrap();
    };
    pay(&store, "account-ann", "ann", 1);
    catch_up();
    for cents in [10, 20] {
        pay(&store, "west-bob", "bob", cents);
        catch_up();
    }
    let wanted = vec![("ann".to_owned(), 1), ("bob".to_owned(), 30)];
    assert_eq!(balances(&views), wanted);
    let (main, west) = (Place::main(Position(1)), Place::new(WEST, Position(2)));
    let snapshot = views.snapshot().unwrap();
    assert_eq!(snapshot.place_of::<Balances<1>>().unwrap(), main);
    assert_eq!(snapshot.place_in::<Balances<1>>(WEST).unwrap(), west);
    let kept = block_on(views.projections()).unwrap();
    assert_eq!((kept[0].place, &*kept[0].other_places), (main, &[west][..]));
    let live = Live::new(Balances::<1>::default(), store.clone());
    let folded = block_on(live.views()).unwrap();
    assert_eq!(folded.place_of::<Balances<1>>().unwrap(), main);
    assert_eq!(folded.place_in::<Balances<1>>(WEST).unwrap(), west);
    let rows = folded
        .select(midgard::view::Select::<Balance>::all())
        .unwrap();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (row.account, row.cents))
        .collect();
    assert_eq!(rows, wanted);
    pay(&store, "west-bob", "bob", 5);
    let bob = block_on(live.views()).unwrap().get::<Balance>("bob");
    assert_eq!(bob.unwrap().unwrap().cents, 35);
}

#[test]
fn a_live_projection_of_a_stream_in_the_second_log_knows_its_place() {
    let store = two_logs();
    pay(&store, "west-other", "ann", 1);
    pay(&store, "west-bob", "bob", 5);
    let stream = StreamName::new("west-bob").unwrap();
    let live = Live::of_stream(Balances::<1>::default(), store, stream);
    let folded = block_on(live.views()).unwrap();
    let place = folded.place_in::<Balances<1>>(WEST).unwrap();
    assert_eq!(place, Place::new(WEST, Position(2)));
}

#[test]
fn a_rebuild_has_a_target_in_each_log_before_readers_see_it() {
    let (store, views) = (two_logs(), Views::new(MemoryStore::new()));
    // Many more in the second log, so that the first is built long before.
    pay(&store, "account-ann", "ann", 1);
    for _ in 0..500 {
        pay(&store, "west-ann", "ann", 10);
    }
    let old = Balances::<1>::default();
    let midgard = Midgard::new(store.clone()).project(old, views.clone());
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 5001)]);
    let new = Balances::<2>::default();
    let midgard = Midgard::new(store).project(new, views.clone());
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 10_002)]);
}

#[test]
fn a_rebuild_is_shown_although_one_log_has_nothing_to_build() {
    let (store, views) = (two_logs(), Views::new(MemoryStore::new()));
    let main = pay(&store, "account-ann", "ann", 13);
    let old = Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone());
    block_on(old.catch_up()).unwrap();
    let (entering, entered) = mpsc::channel();
    let gate = Notify::new();
    let new = Gated {
        gate: Mutex::new(Some((entering, gate.listen()))),
    };
    let running = start(Midgard::new(store).project(new, views.clone()));
    entered.recv().unwrap();
    let is_rebuilding = |status: &Status| status.state == ConsumerState::Rebuilding;
    block_on(running.handle.wait_until("balances", LONG, is_rebuilding)).unwrap();
    block_on(running.handle.ready()).unwrap();
    gate.notify(1);
    running.wait("balances", main);
    running.stop().unwrap();
}

#[test]
fn a_rebuild_alongside_a_projection_at_work_shows_no_reader_less_than_before() {
    let (store, views) = (two_logs(), Views::new(MemoryStore::new()));
    for _ in 0..200 {
        pay(&store, "account-ann", "ann", 1);
        pay(&store, "west-ann", "ann", 1);
    }
    let running = start(Midgard::new(store.clone()).project(Slow, views.clone()));
    let at = |main, west| [Place::main(main), Place::new(WEST, west)];
    for place in at(Position(200), Position(200)) {
        block_on(running.handle.wait_for("balances", place, LONG)).unwrap();
    }
    block_on(running.handle.rebuild("balances")).unwrap();
    let mut sum = 400;
    let is_rebuilding = |status: &Status| status.rebuild.is_some();
    block_on(running.handle.wait_until("balances", LONG, is_rebuilding)).unwrap();
    let is_over = || {
        let status = running.handle.status_of("balances").unwrap();
        let others = status.other_logs.iter();
        let mut rebuilds = others.map(|log| log.rebuild).chain([status.rebuild]);
        rebuilds.all(|rebuild| rebuild.is_none())
    };
    let mut rounds = 0;
    while !is_over() || rounds < 20 {
        rounds += 1;
        let main = pay(&store, "account-ann", "ann", 1);
        let west = pay(&store, "west-ann", "ann", 1);
        sum += 2;
        for place in at(main, west) {
            block_on(running.handle.wait_for("balances", place, LONG)).unwrap();
        }
        assert_eq!(balances(&views), [("ann".to_owned(), sum)]);
    }
    running.stop().unwrap();
}

/// Sums what was paid. At 13 cents it says so, and waits until its gate is opened.
#[derive(Default, Projection)]
#[projection(name = "balances", version = 2, events(Paid), views(Balance))]
struct Gated {
    gate: Mutex<Option<(Sender<()>, EventListener)>>,
}

impl Project<Paid> for Gated {
    async fn project(
        &self,
        paid: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = paid;
        let new = || Balance {
            account: account.clone(),
            cents: 0,
        };
        context.upsert::<Balance>(&account, new, |row| row.cents += cents)?;
        if cents == 13 {
            let gate = self.gate.lock().unwrap().take();
            if let Some((entered, gate)) = gate {
                entered.send(()).unwrap();
                gate.await;
            }
        }
        Ok(())
    }
}

#[test]
fn a_handler_that_hangs_in_one_log_loses_all_logs_although_the_other_is_at_rest() {
    let (store, views) = (two_logs(), Views::new(MemoryStore::new()));
    let start_with = |projection| {
        let options = ConsumerOptions::new().lease(Duration::from_millis(300));
        let midgard = Midgard::new(store.clone());
        start(midgard.project_with(projection, views.clone(), options))
    };
    let west = pay(&store, "west-ann", "ann", 1000);
    let (entering, entered) = mpsc::channel();
    let gate = Notify::new();
    let slow = start_with(Gated {
        gate: Mutex::new(Some((entering, gate.listen()))),
    });
    block_on(
        slow.handle
            .wait_for("balances", Place::new(WEST, west), LONG),
    )
    .unwrap();
    let main = pay(&store, "account-ann", "ann", 13);
    entered.recv().unwrap();
    let other = start_with(Gated::default());
    other.wait("balances", main);
    assert_eq!(balances(&views), [("ann".to_owned(), 1013)]);

    // What it has handled since is not committed: nothing counts twice.
    gate.notify(1);
    slow.stop().unwrap();
    other.stop().unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 1013)]);
}
