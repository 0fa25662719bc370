//! `given(..).when(..).then(..)`: what passes, and what a failure says.

use crate::common::{Account, AccountEvent, Deposit, Deposited, Open, Opened, Refused};
use midgard::testing::given;
use midgard::{Events, events};
use std::cell::Cell;
use std::panic::{Location, UnwindSafe};
use std::sync::Once;

fn opened() -> Opened {
    Opened {
        owner: "ann".into(),
    }
}

const OPEN: Open = Open {
    owner: "ann",
    cents: 5,
};

/// What the test panicked with, and at which line of this file.
fn failure(test: impl FnOnce() + UnwindSafe) -> (String, u32) {
    thread_local! {
        /// The line of the last panic, on a thread whose panics are expected.
        static LINE: Cell<Option<u32>> = const { Cell::new(None) };
    }
    // The hook belongs to the whole program, and tests run side by side.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match LINE.get() {
            Some(_) => LINE.set(Some(info.location().map_or(0, Location::line))),
            None => before(info),
        }));
    });
    LINE.set(Some(0));
    let outcome = std::panic::catch_unwind(test);
    let line = LINE.take().unwrap();
    let panic = outcome.expect_err("the test should have failed");
    let message = panic.downcast::<String>().expect("a message");
    (*message, line)
}

#[test]
fn events_of_several_types_are_given_and_expected() {
    given(events![opened(), Deposited { cents: 2 }])
        .when(Deposit(3))
        .then(events![Deposited { cents: 3 }])
        .then_state(|account| assert_eq!(account.balance, 5));
    given(events![])
        .when(OPEN)
        .then(events![opened(), Deposited { cents: 5 }]);
}

#[test]
fn events_are_given_in_every_form() {
    given([opened()])
        .when(Deposit(1))
        .then([Deposited { cents: 1 }]);
    given([AccountEvent::from(opened()), Deposited { cents: 1 }.into()])
        .when(Deposit(1))
        .then(vec![AccountEvent::from(Deposited { cents: 1 })]);
    given(vec![AccountEvent::from(opened())])
        .when(Deposit(0))
        .then_nothing();
    given::<Account>(Events::none())
        .when(Deposit(1))
        .then_error(Refused::NotOpen);
}

#[test]
fn a_state_is_checked_without_naming_events() {
    given(events![]).when(OPEN).then_state(|account| {
        assert_eq!(account.owner.as_deref(), Some("ann"));
        assert_eq!(account.balance, 5);
    });
}

#[test]
fn a_refusal_is_checked_by_value_or_by_pattern() {
    let owner = "ann".to_owned();
    given([opened()])
        .when(OPEN)
        .then_error(Refused::AlreadyOpen { owner });
    given([opened()])
        .when(OPEN)
        .then_error_matches(|error| matches!(error, Refused::AlreadyOpen { .. }));
}

#[test]
fn another_payload_is_shown_line_by_line_at_the_line_of_the_test() {
    let here = line!() + 4;
    let (message, line) = failure(|| {
        given(events![])
            .when(OPEN)
            .then(events![opened(), Deposited { cents: 7 }]);
    });
    let expected = r#"event 2 (account.deposited) differs: expected (-) 2 events, decided (+) 2 events
  account.opened {
    "owner": "ann"
  }
  account.deposited {
-   "cents": 7
+   "cents": 5
  }"#;
    assert_eq!((message.as_str(), line), (expected, here));
}

#[test]
fn another_event_is_named() {
    let (message, _) = failure(|| {
        given([opened()]).when(Deposit(1)).then([opened()]);
    });
    let expected = r#"event 1 is account.deposited, not account.opened: expected (-) 1 event, decided (+) 1 event
- account.opened {
-   "owner": "ann"
+ account.deposited {
+   "cents": 1
  }"#;
    assert_eq!(message, expected);
}

#[test]
fn a_missing_event_is_named() {
    let (message, _) = failure(|| {
        let twice = [Deposited { cents: 1 }, Deposited { cents: 1 }];
        given([opened()]).when(Deposit(1)).then(twice);
    });
    let expected = r#"event 2 (account.deposited) is missing: expected (-) 2 events, decided (+) 1 event
  account.deposited {
    "cents": 1
  }
- account.deposited {
-   "cents": 1
- }"#;
    assert_eq!(message, expected);
}

#[test]
fn an_event_too_many_is_named() {
    let here = line!() + 2;
    let (message, line) = failure(|| {
        given([opened()]).when(Deposit(1)).then_nothing();
    });
    let expected = r#"event 1 (account.deposited) is one too many: expected (-) no events, decided (+) 1 event
+ account.deposited {
+   "cents": 1
+ }"#;
    assert_eq!((message.as_str(), line), (expected, here));
}

#[test]
fn an_unexpected_refusal_is_shown_with_what_was_expected() {
    let here = line!() + 4;
    let (message, line) = failure(|| {
        given(events![])
            .when(Deposit(1))
            .then([Deposited { cents: 1 }]);
    });
    let expected = r#"the command was refused: NotOpen
expected 1 event:
  account.deposited {
    "cents": 1
  }"#;
    assert_eq!((message.as_str(), line), (expected, here));
    let (message, _) = failure(|| {
        given(events![]).when(Deposit(1)).then_state(|_| {});
    });
    assert_eq!(message, "the command was refused: NotOpen");
}

#[test]
fn an_unexpected_acceptance_is_shown_with_what_was_decided() {
    let here = line!() + 4;
    let (message, line) = failure(|| {
        given([opened()])
            .when(Deposit(1))
            .then_error(Refused::NotOpen);
    });
    let expected = r#"the command was accepted, expected NotOpen; it decided 1 event:
  account.deposited {
    "cents": 1
  }"#;
    assert_eq!((message.as_str(), line), (expected, here));
    let (message, _) = failure(|| {
        given([opened()])
            .when(Deposit(0))
            .then_error_matches(|_| true);
    });
    let expected = "the command was accepted, expected an error; it decided no events";
    assert_eq!(message, expected);
}

#[test]
fn another_refusal_is_shown_beside_the_expected_one() {
    let (message, _) = failure(|| {
        given([opened()]).when(OPEN).then_error(Refused::NotOpen);
    });
    let expected =
        "the command was refused with another error\n- NotOpen\n+ AlreadyOpen { owner: \"ann\" }";
    assert_eq!(message, expected);
    let (message, _) = failure(|| {
        given([opened()])
            .when(OPEN)
            .then_error_matches(|error| *error == Refused::NotOpen);
    });
    let expected =
        "the command was refused with an error that does not match: AlreadyOpen { owner: \"ann\" }";
    assert_eq!(message, expected);
}
