//! A worker that was silent for so long that another has taken over.

use super::kit::{Balance, LONG, Paid, balances, pay, start};
use midgard::projection::ProjectError;
use midgard::view::{ViewDefinition, Views};
use midgard::{
    ConsumerOptions, ConsumerState, Context, Event, EventDescriptor, MemoryStore, Midgard,
    Projection, RecordedEventRef, block_on,
};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Sums what was paid. Where it has a gate, it says that it has an event, and waits until the gate is open.
#[derive(Default)]
struct Gated {
    gate: Option<(Sender<()>, Mutex<Receiver<()>>)>,
}

impl Projection for Gated {
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    const EVENTS: &'static [&'static EventDescriptor] = &[Paid::DESCRIPTOR];
    type Store = Views;

    fn views() -> Vec<ViewDefinition> {
        vec![ViewDefinition::of::<Balance>()]
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let Paid { account, cents } = event.decode()?;
        let none = || Balance {
            account: account.clone(),
            cents: 0,
        };
        let transaction = context.transaction();
        let upserted = transaction.upsert::<Balance>(&account, none, |row| row.cents += cents);
        upserted.map_err(|error| ProjectError::Handler(error.into()))?;
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
    let stands_by = |status: &midgard::Status| status.state == ConsumerState::Standby;
    block_on(slow.handle.wait_until("balances", LONG, stands_by)).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 2)]);
    let last = pay(&store, "ann", 1);
    other.wait("balances", last);
    slow.stop().unwrap();
    other.stop().unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 3)]);
}
