//! Handlers and effects that never end: the status says at what they are, and limits end them.

use super::kit::{Counted, LONG, Seen, at_once, count, start};
use midgard::Views;
use midgard::consumer::{ConsumerOptions, ConsumerState, HandlingStage, RunError, Status};
use midgard::{
    Context, Delivery, HandlerError, MemoryStore, Midgard, Place, Position, Project, Projection,
    StartFrom, Subscription, Timestamp, block_on,
};
use std::future::pending;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(50);

/// Waits until a handler is at something.
fn at_work(handle: &midgard::MidgardHandle, name: &str) -> Status {
    let began = std::time::Instant::now();
    loop {
        let status = handle.status_of(name).unwrap();
        if status.handling.is_some() {
            return status;
        }
        assert!(began.elapsed() < LONG, "{status}");
        std::thread::yield_now();
    }
}

/// Never ends with 1.
async fn endless(delivery: Delivery<Counted>, seen: Seen) -> Result<(), HandlerError> {
    if delivery.event.number == 1 {
        pending::<()>().await;
    }
    seen.note(delivery.event.number);
    Ok(())
}

#[test]
fn the_status_names_the_event_that_a_handler_is_at_and_stopping_has_a_limit() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..3);
    let before = Timestamp::now();
    let noted = seen.clone();
    let endless = move |delivery| endless(delivery, noted.clone());
    let midgard = Midgard::new(store)
        .stop_within(SOON)
        .subscribe(Subscription::events("endless", StartFrom::Start), endless)
        .subscribe(
            Subscription::events("well", StartFrom::Start),
            Seen::default().collect(),
        );
    let running = start(midgard);
    let is_at = |status: &Status| status.place == Place::main(Position(1));
    block_on(running.handle.wait_until("endless", LONG, is_at)).unwrap();
    let status = at_work(&running.handle, "endless");
    let handling = status.handling.clone().unwrap();
    assert_eq!(handling.stage, HandlingStage::Handler);
    assert_eq!(
        (&*handling.name, handling.place),
        ("counted", Some(Place::main(Position(2))))
    );
    assert!(handling.since >= before && handling.since <= Timestamp::now());
    let shown = format!(
        "handling \"counted\" at position 2 since {}",
        handling.since
    );
    assert!(status.to_string().ends_with(&shown), "{status}");
    let handle = running.handle.clone();
    let error = running.stop().unwrap_err();
    let RunError::NotStopped { consumers, .. } = &error else {
        panic!("{error}")
    };
    let [left] = &**consumers else {
        panic!("{error}")
    };
    assert_eq!(left.name, "endless");
    let said = error.to_string();
    assert!(
        said.starts_with("50ms after they were told to stop, these consumers had not ended")
            && said.contains("subscription endless: ")
            && said.contains("handling \"counted\" at position 2"),
        "{said}"
    );
    let states: Vec<_> = handle.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [ConsumerState::Dropped, ConsumerState::Stopped]);
    assert_eq!(handle.status_of("endless").unwrap().handling, None);
    assert_eq!(seen.all(), [0]);
}

#[test]
fn a_handler_that_takes_too_long_has_failed_and_its_policy_decides() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0, 1]);
    count(&store, "b", [2]);
    let noted = seen.clone();
    let options = ConsumerOptions::new()
        .handler_timeout(SOON)
        .on_failure(at_once().then_park());
    let endless = move |delivery| endless(delivery, noted.clone());
    let subscription = Subscription::events("endless", StartFrom::Start).options(options);
    let midgard = Midgard::new(store).subscribe(subscription, endless);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [0, 2]);
    let letters = block_on(handle.dead_letters("endless")).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        letters[0].error,
        "the handler had not ended after 50ms, and was given up"
    );
}

/// Its handler never ends with 1, and what follows never ends with 2.
#[derive(Projection)]
#[projection(name = "endless", events(Counted))]
struct Endless(Seen);

impl Project<Counted> for Endless {
    async fn project(
        &self,
        event: Counted,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        if event.number == 1 {
            pending::<()>().await;
        }
        self.0.note(event.number);
        if event.number == 2 {
            context.after_commit(pending());
        }
        Ok(())
    }
}

#[test]
fn so_has_a_handler_of_a_projection_and_nothing_of_it_is_left() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0, 1]);
    count(&store, "b", [3]);
    let options = ConsumerOptions::new()
        .handler_timeout(SOON)
        .on_failure(at_once().then_skip());
    let views = Views::new(store.clone());
    let midgard = Midgard::new(store).project_with(Endless(seen.clone()), views, options);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let status = handle.status_of("endless").unwrap();
    assert_eq!((status.handled, status.skipped), (2, 1));
    assert_eq!(seen.all().last(), Some(&3));
}

#[test]
fn the_status_names_the_event_whose_effect_never_ends() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let last = count(&store, "a", [2]);
    let views = Views::new(store.clone());
    let midgard = Midgard::new(store)
        .stop_within(SOON)
        .project(Endless(seen), views);
    let running = start(midgard);
    running.wait("endless", last);
    let is_effect = |status: &Status| {
        let stage = status.handling.as_ref().map(|handling| handling.stage);
        stage == Some(HandlingStage::AfterCommit)
    };
    let began = std::time::Instant::now();
    while !is_effect(&running.handle.status_of("endless").unwrap()) {
        assert!(began.elapsed() < LONG);
        std::thread::yield_now();
    }
    let status = running.handle.status_of("endless").unwrap().to_string();
    assert!(
        status.contains(
            "at 1 of 1, running effects after the commit of \"counted\" at position 1 since "
        ),
        "{status}"
    );
    let error = running.stop().unwrap_err();
    assert!(matches!(error, RunError::NotStopped { .. }), "{error}");
}

#[test]
fn the_status_names_the_event_of_a_handler_that_blocks_its_thread() {
    let (store, (open, opened)) = (MemoryStore::new(), mpsc::channel::<()>());
    count(&store, "a", [0]);
    let opened = Arc::new(Mutex::new(opened));
    let blocking = move |_: Delivery<Counted>| {
        let opened = opened.clone();
        async move { Ok(opened.lock().unwrap().recv()?) }
    };
    let running = start(
        Midgard::new(store).subscribe(Subscription::events("blocking", StartFrom::Start), blocking),
    );
    let handling = at_work(&running.handle, "blocking").handling.unwrap();
    assert_eq!(handling.place, Some(Place::main(Position(1))));
    open.send(()).unwrap();
    running.wait("blocking", Position(1));
    running.stop().unwrap();
}
