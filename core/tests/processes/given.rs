//! `given_process`: what follows from what comes to a process manager, tested without a store.

use crate::shop::{
    CancelOrder, ConfirmOrder, CreditLate, CreditReserved, NoteLateGrant, Order, OrderCancelled,
    OrderConfirmed, OrderPlaced, Placement, ReleaseCredit, ReserveCredit,
};
use midgard::event::RecordedEventRef;
use midgard::testing::{GivenProcess, given_process, given_process_with};
use midgard::{
    Done, Event, Expire, Metadata, Position, ProcessManager, React, Reactions, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PLACED: OrderPlaced = OrderPlaced {
    order: 7,
    customer: 1,
    cents: 60,
    patience: 50,
};

fn placed() -> GivenProcess<Placement> {
    given_process::<Placement>().event(PLACED).then(|expected| {
        expected.send(&ReserveCredit {
            customer: 1,
            order: 7,
            cents: 60,
        });
        expected.remind(Duration::from_millis(50), &CreditLate { order: 7 });
    })
}

fn reserved() -> CreditReserved {
    CreditReserved {
        order: 7,
        cents: 60,
    }
}

#[test]
fn a_saga_is_told_step_by_step() {
    placed()
        .replied::<ReserveCredit>(reserved())
        .then(|expected| {
            expected.cancel::<CreditLate>();
            expected
                .execute::<Order, _>(7, ConfirmOrder(7))
                .or_execute::<Order, _>(7, NoteLateGrant(7));
            expected.complete();
        });
    placed()
        .expired::<CreditLate>()
        .then(|expected| {
            expected.execute::<Order, _>(7, CancelOrder(7, "too late"));
        })
        .event(OrderCancelled {
            order: 7,
            why: String::new(),
        })
        .then_nothing()
        .replied::<ReserveCredit>(reserved())
        .then(|expected| {
            expected.cancel::<CreditLate>();
            expected.send(&ReleaseCredit {
                customer: 1,
                order: 7,
            });
        })
        .replied::<ReleaseCredit>(Done {})
        .then(Reactions::complete)
        .then_state(|placement| assert!(placement.is_cancelled));
}

fn message(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(test).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_difference_is_told_line_by_line() {
    let told = message(|| {
        let refused = placed().refused::<ReserveCredit>("no credit");
        let _ = refused.then(|expected| {
            expected.execute::<Order, _>(7, CancelOrder(7, "no cash"));
            expected.complete();
        });
    });
    let wanted = "something else follows: expected (-), found (+)\n\
                  - execute on order-7: CancelOrder(7, \"no cash\")\n\
                  + execute on order-7: CancelOrder(7, \"no credit\")\n\
                  \x20 complete";
    assert_eq!(told, wanted);
}

#[test]
fn what_cannot_come_is_told() {
    let no_process = message(|| {
        let _ = placed().event(OrderConfirmed { order: 7 });
    });
    assert!(no_process.contains("belongs to no process"), "{no_process}");
    let other = message(|| {
        let _ = placed().event(OrderPlaced { order: 8, ..PLACED });
    });
    assert!(
        other.contains("process \"8\"") && other.contains("\"7\""),
        "{other}"
    );
    let no_answer = message(|| {
        let _ = placed().replied::<ReleaseCredit>(Done {});
    });
    assert!(
        no_answer.contains("credit.release") && no_answer.contains("credit.reserve"),
        "{no_answer}"
    );
    let twice = message(|| {
        let refused = placed().refused::<ReserveCredit>("no");
        let refused = refused.then(|expected| {
            expected.execute::<Order, _>(7, CancelOrder(7, "no credit"));
            expected.complete();
        });
        let _ = refused.refused::<ReserveCredit>("no");
    });
    assert!(twice.contains("no answer"), "{twice}");
    let cancelled = message(|| {
        let replied = placed().refused::<ReserveCredit>("no");
        let replied = replied.then(|expected| {
            expected.execute::<Order, _>(7, CancelOrder(7, "no credit"));
            expected.complete();
        });
        let _ = replied.expired::<CreditLate>();
    });
    assert!(cancelled.contains("is not set"), "{cancelled}");
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "dice.thrown")]
struct Thrown {}

static CHANCE: AtomicU64 = AtomicU64::new(0);

/// Depends on chance, as it must not.
#[derive(Default, ProcessManager)]
#[process_manager(name = "gambler", id = u64, events(Thrown), deadlines(Thrown2))]
struct Gambler;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "dice.due")]
struct Thrown2 {
    eyes: u64,
}

impl React<Thrown> for Gambler {
    fn process(_: &Thrown, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(1)
    }

    fn react(&mut self, _: Thrown, reactions: &mut Reactions<Self>) {
        let eyes = CHANCE.fetch_add(1, Ordering::SeqCst);
        reactions.remind(Duration::ZERO, &Thrown2 { eyes });
    }
}

impl Expire<Thrown2> for Gambler {
    fn expired(&mut self, _: Thrown2, _: &mut Reactions<Self>) {}
}

#[test]
fn reactions_that_depend_on_chance_are_found() {
    let told = message(|| {
        let _ = given_process::<Gambler>().event(Thrown {});
    });
    assert!(
        told.contains("chance") && told.contains("\n-   \"eyes\": 0\n+   \"eyes\": 1"),
        "{told}"
    );
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "loan.made")]
struct Lent {
    book: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "loan.due")]
struct LoanDue {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "loan.overdue")]
struct LoanOverdue {
    book: u64,
    by: String,
}

#[derive(Debug, Clone, Copy)]
struct Terms {
    days: u64,
    grace: Duration,
}

const TERMS: Terms = Terms {
    days: 14,
    grace: Duration::from_secs(3600),
};

/// Uses all that a reaction knows.
#[derive(Default, ProcessManager)]
#[process_manager(name = "loan", id = u64, config = Terms, events(Lent), deadlines(LoanDue, LoanOverdue))]
struct Loan {
    by: String,
}

impl React<Lent> for Loan {
    fn process(event: &Lent, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.book)
    }

    fn react(&mut self, _: Lent, reactions: &mut Reactions<Self>) {
        let by = reactions.metadata().headers().get("by").unwrap_or("nobody");
        let place = reactions.event().unwrap();
        self.by = format!("{by}, {}, {}", place.stream, place.version);
        let days = reactions.config().days;
        let due = reactions.time() + Duration::from_secs(days * 24 * 3600);
        reactions.remind_at(due, &LoanDue {});
    }
}

impl Expire<LoanDue> for Loan {
    fn expired(&mut self, _: LoanDue, reactions: &mut Reactions<Self>) {
        let (book, by) = (
            *reactions.id(),
            format!("{} at {}", self.by, reactions.time()),
        );
        let grace = reactions.config().grace;
        reactions.remind_from_now(grace, &LoanOverdue { book, by });
    }
}

impl Expire<LoanOverdue> for Loan {
    fn expired(&mut self, _: LoanOverdue, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

#[test]
fn a_process_is_given_a_configuration_and_events_with_times_and_metadata() {
    let by_ann = Metadata::new().with_header("by", "ann");
    let noon: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
    given_process_with::<Loan>(TERMS)
        .then_state(|loan| assert_eq!(loan.by, ""))
        .at(noon)
        .event_of("shelf-1", Lent { book: 7 })
        .then(|expected| expected.remind_at("2026-11-15T12:00:00Z".parse().unwrap(), &LoanDue {}))
        .event_with("shelf-1", Lent { book: 7 }, by_ann)
        .then(|expected| {
            // The expectation knows what the reaction knows.
            assert_eq!((*expected.id(), expected.time()), (7, noon));
            assert_eq!(expected.event().unwrap().position, Position(2));
            let days = u32::try_from(expected.config().days).unwrap();
            expected.remind_at(noon + days * Duration::from_secs(24 * 3600), &LoanDue {});
        })
        .expired::<LoanDue>()
        .then(|expected| {
            // The time has moved on to the deadline.
            let by = "ann, shelf-1, 2 at 2026-11-15T12:00:00.000000Z".to_owned();
            expected.remind_from_now(TERMS.grace, &LoanOverdue { book: 7, by });
        })
        .at("2026-11-20T12:00:00Z".parse().unwrap())
        .expired::<LoanOverdue>()
        .then(Reactions::complete);
}

#[test]
fn how_a_deadline_counts_is_part_of_what_follows() {
    let told = message(|| {
        let lent = given_process_with::<Loan>(TERMS)
            .at("2026-11-01T12:00:00Z".parse().unwrap())
            .event(Lent { book: 7 });
        let _ = lent.then(|expected| {
            expected.remind(Duration::from_secs(TERMS.days * 24 * 3600), &LoanDue {});
        });
    });
    let wanted = "\n- remind in 1209600s of loan.due: {}\n+ remind at 2026-11-15T12:00:00.000000Z of loan.due: {}";
    assert!(told.contains(wanted), "{told}");
}
