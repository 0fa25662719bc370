//! A bus that keeps nothing beyond its process confirms handled messages.

use super::kit::*;
use futures_util::poll;
use std::pin::pin;
use std::task::Poll;

/// Connects to a bus that confirms handled messages; skips other buses.
pub(super) fn fixture<F: BusFixture>(case: &str) -> Option<F> {
    if F::CONFIRMS_WHEN_HANDLED {
        return F::new(case);
    }
    leave_out(case, "this bus confirms what is safe, handled or not");
    None
}

fn confirmed(outcome: Poll<Result<Published, BusError>>) -> bool {
    match outcome {
        Poll::Pending => false,
        Poll::Ready(Ok(published)) => published == Published::all(),
        Poll::Ready(Err(error)) => panic!("messages can be published, but: {error}"),
    }
}

pub(super) async fn confirmed_once_every_queue_has_settled<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut one = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let mut two = scene.subscribe(&scene.queue("two", &["placed"])).await;
    let sent = scene.messages("placed", 0..2);
    let mut publish = pin!(scene.bus.publish(&sent));
    assert!(
        !confirmed(poll!(publish.as_mut())),
        "nobody has handled any"
    );
    assert_eq!(take_all(&mut one, 2).await, [0, 1], "in order");
    assert!(
        !confirmed(poll!(publish.as_mut())),
        "the other queue has not handled any"
    );
    let (first, second) = (next(&mut two).await, next(&mut two).await);
    acknowledge(second).await;
    assert!(!confirmed(poll!(publish.as_mut())), "one is left");
    if let Err(error) = first.set_aside("unknown").await {
        panic!("a message can be set aside, but: {error}");
    }
    assert!(
        confirmed(poll!(publish.as_mut())),
        "all are acknowledged or set aside"
    );
}

pub(super) async fn message_that_is_given_back_is_not_confirmed<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    let sent = scene.messages("placed", 0..2);
    let mut publish = pin!(scene.bus.publish(&sent));
    assert!(
        !confirmed(poll!(publish.as_mut())),
        "nobody has handled any"
    );
    let held = [next(&mut first).await, next(&mut first).await];
    drop(held);
    drop(first);
    assert!(
        !confirmed(poll!(publish.as_mut())),
        "they are to be handled by another"
    );
    let mut second = scene.subscribe(&queue).await;
    assert_eq!(take_all(&mut second, 2).await, [0, 1], "in order");
    assert!(confirmed(poll!(publish.as_mut())), "now they are handled");
}

pub(super) async fn nobody_waits_for_a_temporary_queue_that_is_gone<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).temporary();
    let mut deliveries = scene.subscribe(&queue).await;
    let sent = scene.messages("placed", 0..2);
    let mut publish = pin!(scene.bus.publish(&sent));
    assert!(
        !confirmed(poll!(publish.as_mut())),
        "nobody has handled any"
    );
    let held = next(&mut deliveries).await;
    drop(deliveries);
    assert!(
        confirmed(poll!(publish.as_mut())),
        "there is nobody left to handle them"
    );
    let _ = held.acknowledge().await;
}

pub(super) async fn messages_stay_when_nobody_waits_for_them<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    {
        let sent = scene.messages("placed", 0..5);
        let mut publish = pin!(scene.bus.publish(&sent));
        assert!(
            !confirmed(poll!(publish.as_mut())),
            "nobody has handled any"
        );
    }
    assert_eq!(
        take_all(&mut deliveries, 5).await,
        [0, 1, 2, 3, 4],
        "they are delivered"
    );
}
