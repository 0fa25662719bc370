//! A worker that was silent for so long that another has taken over.

use super::kit::{Balance, LONG, Paid, balances, pay, start};
use event_listener::{Event as Notify, EventListener};
use midgard::consumer::{ConsumerOptions, ConsumerState, FailurePolicy};
use midgard::{Context, HandlerError, MemoryStore, Midgard, Project, Projection, Views, block_on};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Sums what was paid. Where it has a gate, it says that it has an event, and waits until the gate is open.
#[derive(Default, Projection)]
#[projection(name = "balances", events(Paid), views(Balance))]
struct Gated {
    gate: Option<(Sender<()>, Mutex<Receiver<()>>)>,
}

impl Project<Paid> for Gated {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = event;
        let none = || Balance {
            account: account.clone(),
            cents: 0,
        };
        context.upsert::<Balance>(&account, none, |row| row.cents += cents)?;
        if let Some((entered, gate)) = &self.gate {
            entered.send(()).unwrap();
            // Open for good once the other end is dropped.
            let _ = gate.lock().unwrap().recv();
        }
        Ok(())
    }
}

#[test]
fn a_worker_that_was_too_slow_commits_nothing_after_another_has_taken_over() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let start_with = |projection| {
        let options = ConsumerOptions::new().lease(Duration::from_millis(60));
        let midgard = Midgard::new(store.clone());
        start(midgard.project_with(projection, views.clone(), options))
    };
    pay(&store, "ann", 1);
    let (entering, entered) = mpsc::channel();
    let (gate, closed) = mpsc::channel();
    let slow = start_with(Gated {
        gate: Some((entering, Mutex::new(closed))),
    });
    entered.recv().unwrap();
    let last = pay(&store, "ann", 1);
    let other = start_with(Gated::default());
    other.wait("balances", last);
    assert_eq!(balances(&views), [("ann".to_owned(), 2)]);

    drop(gate);
    let stands_by = |status: &midgard::consumer::Status| status.state == ConsumerState::Standby;
    block_on(slow.handle.wait_until("balances", LONG, stands_by)).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 2)]);
    let last = pay(&store, "ann", 1);
    other.wait("balances", last);
    slow.stop().unwrap();
    other.stop().unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 3)]);
}

/// Sums what was paid, in two halves. Where it has a gate, it says that it has an event, and waits between the two for the gate
/// to be opened.
#[derive(Default, Projection)]
#[projection(name = "balances", events(Paid), views(Balance))]
struct InHalves {
    gate: Mutex<Option<(Sender<()>, EventListener)>>,
}

impl Project<Paid> for InHalves {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = event;
        let none = || Balance {
            account: account.clone(),
            cents: 0,
        };
        context.upsert::<Balance>(&account, none, |row| row.cents += cents)?;
        let gate = self.gate.lock().unwrap().take();
        if let Some((entered, gate)) = gate {
            entered.send(()).unwrap();
            gate.await;
        }
        // A row that was not looked at before the wait.
        let all = |account: &str| Balance {
            account: account.to_owned(),
            cents: 0,
        };
        context.upsert::<Balance>("all", || all("all"), |row| row.cents += cents)?;
        Ok(())
    }
}

#[test]
fn a_handler_that_waited_until_another_had_taken_over_sees_no_rows_of_it_and_has_not_failed() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let start_with = |projection| {
        let options = ConsumerOptions::new()
            .lease(Duration::from_millis(60))
            .on_failure(FailurePolicy::retry(0));
        let midgard = Midgard::new(store.clone());
        start(midgard.project_with(projection, views.clone(), options))
    };
    pay(&store, "ann", 1);
    let (entering, entered) = mpsc::channel();
    let gate = Notify::new();
    let slow = start_with(InHalves {
        gate: Mutex::new(Some((entering, gate.listen()))),
    });
    entered.recv().unwrap();
    let last = pay(&store, "ann", 2);
    let other = start_with(InHalves::default());
    other.wait("balances", last);
    gate.notify(1);
    let stands_by = |status: &midgard::consumer::Status| status.state == ConsumerState::Standby;
    block_on(slow.handle.wait_until("balances", LONG, stands_by)).unwrap();
    let status = slow.handle.status_of("balances").unwrap();
    assert_eq!(status.last_error, None);
    assert!(
        block_on(slow.handle.dead_letters("balances"))
            .unwrap()
            .is_empty()
    );
    slow.stop().unwrap();
    other.stop().unwrap();
    let both = [("all".to_owned(), 3), ("ann".to_owned(), 3)];
    assert_eq!(balances(&views), both);
}
