//! A program in which an aggregate lists an old version of an event. In a binary of its own, because every
//! test of a program shares the one list of linked types.

use midgard::event::Registry;
use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[test]
fn an_old_version_in_an_aggregates_list_is_refused() {
    // In here, the test that users get for free is not run: it would fail, as it should.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "book.lent")]
    struct LentV1 {}

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "book.lent", version = 2, upcast_from = LentV1)]
    struct Lent {}

    impl From<LentV1> for Lent {
        fn from(_: LentV1) -> Self {
            Lent {}
        }
    }

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(name = "book", id = u64, events(LentV1))]
    struct Book;

    impl Apply<LentV1> for Book {
        fn apply(&mut self, _: LentV1) {}
    }

    assert_eq!(
        Registry::linked().unwrap_err().to_string(),
        "aggregate `registry_old_version::Book` lists `registry_old_version::LentV1`, version 1 of event \
         \"book.lent\", but the newest is version 2, `registry_old_version::Lent`; list that instead"
    );
}
