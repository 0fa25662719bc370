//! What is done after commits: each by itself, whatever becomes of the others.

use super::kit::{Counted, Seen, at_once, count};
use midgard::Views;
use midgard::consumer::{ConsumerOptions, Status};
use midgard::{
    Context, HandlerError, MemoryStore, Midgard, Place, Position, Project, Projection, block_on,
};
use std::future::pending;
use std::time::Duration;

/// Notes each number after its commit. That of 1 panics, or never ends; the handler of 7 fails while it is to.
#[derive(Projection)]
#[projection(name = "effects", events(Counted))]
struct Effects {
    done: Seen,
    is_endless: bool,
    refuses: bool,
}

impl Project<Counted> for Effects {
    async fn project(
        &self,
        event: Counted,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let (done, is_endless) = (self.done.clone(), self.is_endless);
        context.after_commit(async move {
            if event.number == 1 && is_endless {
                pending::<()>().await;
            }
            assert_ne!(event.number, 1, "on purpose");
            done.note(event.number);
        });
        if event.number == 7 && self.refuses {
            return Err("no 7 today".into());
        }
        Ok(())
    }
}

fn run(store: &MemoryStore, effects: Effects, options: ConsumerOptions) -> Status {
    let views = Views::new(store.clone());
    let midgard = Midgard::new(store.clone()).project_with(effects, views, options);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    handle.status_of("effects").unwrap()
}

#[test]
fn an_effect_that_panics_takes_none_of_the_others_of_its_commit_along() {
    let (store, done) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..5);
    let effects = Effects {
        done: done.clone(),
        is_endless: false,
        refuses: false,
    };
    let status = run(&store, effects, ConsumerOptions::new());
    assert_eq!(done.all(), [0, 2, 3, 4]);
    assert_eq!(status.handled, 5);
    let error = status.last_error.unwrap();
    assert_eq!(error.place, Some(Place::main(Position(2))));
    assert_eq!(
        error.message,
        "an effect after the commit of event \"counted\" at position 2 panicked: assertion `left != right` failed: \
         on purpose\n  left: 1\n right: 1; it is not run again"
    );
}

#[test]
fn an_effect_that_takes_too_long_is_given_up_and_the_others_are_done() {
    let (store, done) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..5);
    let effects = Effects {
        done: done.clone(),
        is_endless: true,
        refuses: false,
    };
    let limit = Duration::from_millis(30);
    let status = run(
        &store,
        effects,
        ConsumerOptions::new().handler_timeout(limit),
    );
    assert_eq!(done.all(), [0, 2, 3, 4]);
    let message = status.last_error.unwrap().message;
    assert!(
        message.ends_with("had not ended after 30ms, and was given up; it is not run again"),
        "{message}"
    );
}

#[test]
fn so_is_one_of_a_dead_letter_that_is_retried() {
    let (store, done) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [7, 1, 2]);
    let effects = |refuses| Effects {
        done: done.clone(),
        is_endless: false,
        refuses,
    };
    let options = || ConsumerOptions::new().on_failure(at_once().then_park());
    run(&store, effects(true), options());
    assert_eq!(done.all(), [0; 0]);
    let views = Views::new(store.clone());
    let again = Midgard::new(store).project_with(effects(false), views, options());
    let handle = again.handle();
    block_on(handle.retry("effects", "a")).unwrap();
    block_on(again.catch_up()).unwrap();
    assert_eq!(done.all(), [7, 2]);
    assert!(block_on(handle.dead_letters("effects")).unwrap().is_empty());
}
