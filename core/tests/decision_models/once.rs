//! Commands on models that take effect once for each key.

use super::courses::{
    Define, Refused, Subscribe, contended, defined, log, rival, seats, subscribed, subscription,
    with_course,
};
use midgard::repository::{ExecuteError, Repositories};
use midgard::{MemoryStore, Metadata, Place, Position, Store, Timestamp, block_on};

#[test]
fn a_command_takes_effect_once_and_a_repeat_is_answered_as_the_first_time() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let metadata = Metadata::new();
        let once = |key| courses.execute_once(key, subscription(1, "ann"), &Subscribe, &metadata);
        let first = once("request-1").await.unwrap();
        store
            .append(rival(&subscribed(1, "ben"), "s-2"))
            .await
            .unwrap();
        let again = once("request-1").await.unwrap();
        assert_eq!(
            (again.model(), again.place()),
            (first.model(), first.place())
        );
        assert_eq!(again.place(), Some(Place::main(Position(2))));
        assert_eq!(log(&store).await.len(), 3);

        let other = once("request-2").await;
        assert!(matches!(other, Err(ExecuteError::Rejected(Refused::Full))));
    });
}

#[test]
fn a_command_without_events_is_done_once_too() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let metadata = Metadata::new();
        let once = || courses.execute_once("request-1", seats(1), &Define(2), &metadata);
        once().await.unwrap();
        let changed = rival(&defined(1, 7), "course:1");
        store.append(changed).await.unwrap();
        let again = once().await.unwrap();
        assert_eq!((again.model().capacity, again.place()), (2, None));
    });
}

#[test]
fn a_key_that_was_used_meanwhile_is_answered_with_what_the_other_did() {
    block_on(async {
        let other = contended([]);
        let metadata = Metadata::new();
        let courses = with_course(other.clone()).await;
        let first = courses
            .execute_once("request-1", subscription(1, "ann"), &Subscribe, &metadata)
            .await
            .unwrap();
        // The model is read past what the key stands for.
        let late = rival(&subscribed(1, "ben"), "s-2");
        other.layer().inner.append(late).await.unwrap();
        let again = Repositories::new(other)
            .execute_once("request-1", subscription(1, "ann"), &Subscribe, &metadata)
            .await
            .unwrap();
        assert_eq!(again.model(), first.model());
    });
}

#[test]
fn a_key_that_is_forgotten_has_an_effect_again() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let metadata = Metadata::new();
        let once =
            || courses.execute_once("request-1", subscription(1, "ann"), &Subscribe, &metadata);
        once().await.unwrap();
        let later = Timestamp::from_micros(Timestamp::now().as_micros() + 1_000_000);
        assert_eq!(courses.forget_keys(later).await.unwrap(), 1);
        once().await.unwrap();
        assert_eq!(log(&store).await.len(), 3);
    });
}
