//! A program in which two aggregates claim one name. In a binary of its own, because every test of a
//! program shares the one list of linked types.

use midgard::event::Registry;
use midgard::repository::LoadError;
use midgard::{Aggregate, Apply, Event, MemoryStore, Repository};
use serde::{Deserialize, Serialize};

#[test]
fn aggregates_with_one_name_are_refused_before_one_reads_the_streams_of_the_other() {
    // In here, the test that users get for free is not run: it would fail, as it should.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "named")]
    struct Named {}

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(name = "thing", id = u64, events(Named))]
    struct Book;

    impl Apply<Named> for Book {
        fn apply(&mut self, _: Named) {}
    }

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(name = "thing", id = u64, events(Named))]
    struct Member;

    impl Apply<Named> for Member {
        fn apply(&mut self, _: Named) {}
    }

    let sentence = "aggregate name \"thing\" is claimed by both `registry_aggregates::Book` and \
                    `registry_aggregates::Member`; give one of them another name";
    assert_eq!(Registry::linked().unwrap_err().to_string(), sentence);
    let books = Repository::<Book, _>::new(MemoryStore::new());
    let error = midgard::block_on(books.load(&1)).unwrap_err();
    assert!(matches!(&error, LoadError::Registry(_)), "{error:?}");
    assert_eq!(error.to_string(), sentence);
}
