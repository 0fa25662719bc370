//! Both services are killed at any moment, everything comes twice, the bus comes and goes: every order is decided
//! once, and no credit is lost or given twice.

use crate::kit::{LONG, NEVER, Rough, customers, orders, until};
use crate::random::Random;
use crate::shop::{CancelOrder, Fate, Order, fates, open, place};
use crate::stores::Slow;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use midgard::{Midgard, Repository, block_on};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

const ORDERS: u64 = 24;
/// Which runs there are; `MIDGARD_TEST_SEED` picks one.
const SEEDS: u64 = 24;

/// Runs a program until its future is dropped, after a random number of polls or some time, and again. The times become
/// longer, so that a busy machine gets to the end, too.
fn run_and_kill(make: impl Fn() -> Midgard<Slow>, seed: u64, is_over: &AtomicBool) {
    let mut random = Random(seed);
    let mut kills = 0;
    while !is_over.load(Ordering::SeqCst) {
        kills += 1;
        let calm = 1 + kills / 30;
        let mut left = calm * (random.below(700) + 1);
        let time = Duration::from_millis(calm * (random.below(150) + 5));
        let run = pin!(make().run());
        let polls = std::future::poll_fn(move |_| {
            left -= 1;
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let killed = pin!(async {
            select(pin!(polls), Delay::new(time)).await;
        });
        if let Either::Left((outcome, _)) = block_on(select(run, killed)) {
            panic!("the program ended by itself: {outcome:?}");
        }
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("MIDGARD_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    }
}

#[test]
fn every_order_is_decided_once_whenever_either_side_is_killed() {
    thread::scope(|scope| {
        let runs: Vec<_> = seeds()
            .into_iter()
            .map(|seed| scope.spawn(move || one_run(seed)))
            .collect();
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

/// Ends the programs, also when the test fails.
struct EndsAll<'a>(&'a AtomicBool);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn one_run(seed: u64) {
    let mut random = Random(seed);
    let (orders_store, customers_store) = (Slow::default(), Slow::default());
    for customer in 0..3 {
        block_on(open(&customers_store, customer, 400));
    }
    let bus = Rough {
        doubles: seed.is_multiple_of(2),
        fails_one_of: if seed.is_multiple_of(3) { 5 } else { 0 },
        ..Rough::default()
    };
    let is_over = AtomicBool::new(false);
    let mut cancelled = Vec::new();
    thread::scope(|scope| {
        let ends = EndsAll(&is_over);
        // One run in four has two workers of each.
        for worker in 0..if seed % 4 == 1 { 2 } else { 1 } {
            let (orders_store, customers_store, bus) = (&orders_store, &customers_store, &bus);
            let is_over = &is_over;
            let seed = seed * 10 + worker;
            scope.spawn(move || {
                run_and_kill(|| orders(orders_store, bus.clone()), seed, is_over);
            });
            scope.spawn(move || {
                run_and_kill(
                    || customers(customers_store, bus.clone()),
                    seed + 5,
                    is_over,
                );
            });
        }
        let repository = Repository::<Order, _>::new(orders_store.clone());
        for order in 0..ORDERS {
            let patience = [NEVER, NEVER, 1, 40][random.below(4) as usize];
            let cents = random.below(120) + 1;
            block_on(place(
                &orders_store,
                order,
                order as u32 % 3,
                cents,
                patience,
            ));
            if random.below(4) == 0 {
                let cancel = CancelOrder(order / 2, "changed my mind");
                if block_on(repository.execute(&(order / 2), &cancel)).is_ok() {
                    cancelled.push(order / 2);
                }
            }
            thread::sleep(Duration::from_millis(random.below(8)));
        }
        let handle = orders(&orders_store, bus.clone()).handle();
        let began = Instant::now();
        let mut stuck = None;
        until("all to be decided", || {
            let fates = block_on(fates(&orders_store, &customers_store));
            let open = block_on(handle.processes("placement")).unwrap();
            let is_done = fates.values().all(|fate| fate.is_sound()) && open.is_empty();
            if began.elapsed() > LONG - Duration::from_secs(3) {
                stuck = Some((fates, open));
                return Some(());
            }
            is_done.then_some(())
        });
        drop(ends);
        assert!(stuck.is_none(), "MIDGARD_TEST_SEED={seed} {stuck:?}");
    });
    let fates = block_on(fates(&orders_store, &customers_store));
    assert_eq!(fates.len() as u64, ORDERS, "MIDGARD_TEST_SEED={seed}");
    for (order, fate) in &fates {
        assert!(
            fate.is_sound(),
            "MIDGARD_TEST_SEED={seed}: {order} {fate:?}"
        );
        if cancelled.contains(order) {
            assert_ne!(fate.confirmed, Fate::CONFIRMED.confirmed, "{order}");
        }
    }
}
