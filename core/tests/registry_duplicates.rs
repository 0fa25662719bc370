//! A program in which two types claim one name. In a binary of its own, because every test of a program
//! shares the one list of linked events.

use midgard::Event;
use midgard::event::Registry;
use serde::{Deserialize, Serialize};

mod users {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "created")]
    pub(crate) struct Created {}
}

mod orders {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "created")]
    pub(crate) struct Created {}
}

const SENTENCE: &str = "event name \"created\" is claimed by both \
     `registry_duplicates::orders::Created` and `registry_duplicates::users::Created`; \
     give one of them another name, or make it a version of the other with `upcast_from`";

#[test]
fn linked_events_with_one_name_are_refused() {
    assert_eq!(Registry::linked().unwrap_err().to_string(), SENTENCE);
}

#[test]
fn named_events_with_one_name_are_refused() {
    let named = Registry::new().with::<orders::Created>().unwrap();
    let error = named.clone().with::<users::Created>().unwrap_err();
    assert_eq!(error.to_string(), SENTENCE);
    // The same type twice is no mistake.
    assert!(named.with::<orders::Created>().is_ok());
}

#[test]
fn the_test_that_users_get_for_free_says_so() {
    let panic = std::panic::catch_unwind(midgard::__private::assert_linked_events_are_consistent);
    let said = panic.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*said, SENTENCE);
}
