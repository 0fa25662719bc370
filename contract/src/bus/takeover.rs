//! Among all receivers of one queue, one is at work; another takes over when it is gone.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use super::witness::Witness;
use crate::random::Random;
use futures_util::future::select_all;
use std::collections::VecDeque;

pub(super) async fn one_of_two_receivers_is_at_work<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let other = fixture.open().await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    let mut second = subscribe(&other, &queue).await;
    scene.send(&scene.messages("placed", 0..100)).await;
    assert_eq!(
        take_all(&mut first, 100).await,
        Vec::from_iter(0..100),
        "who came first is at work"
    );
    nothing::<F>(&mut second).await;
}

pub(super) async fn other_receiver_takes_over<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let other = fixture.open().await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(10);
    let mut first = scene.subscribe(&queue).await;
    let mut second = subscribe(&other, &queue).await;
    scene.send(&scene.messages("placed", 0..40)).await;
    assert_eq!(
        take_all(&mut first, 7).await,
        Vec::from_iter(0..7),
        "in order"
    );
    let held = [next(&mut first).await, next(&mut first).await];
    nothing::<F>(&mut second).await;
    drop(held);
    drop(first);
    assert_eq!(
        take_all(&mut second, 33).await,
        Vec::from_iter(7..40),
        "what was not settled comes first, and nothing is lost"
    );
}

pub(super) async fn receiver_that_waits_already_takes_over<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let other = fixture.open().await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    let mut second = subscribe(&other, &queue).await;
    scene.send(&scene.messages("placed", [0])).await;
    let held = next(&mut first).await;
    let wait = take(&mut second);
    let leave = async move {
        drop(held);
        drop(first);
    };
    let (taken, ()) = futures_util::future::join(wait, leave).await;
    assert_eq!(taken, 0, "who waits is woken when it is its turn");
}

pub(super) async fn takeovers_again_and_again<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut random = Random(3);
    let queue = scene.queue("one", &["placed"]).with_in_flight(6);
    let mut standing = VecDeque::new();
    for _ in 0..3 {
        standing.push_back(subscribe(&fixture.open().await, &queue).await);
    }
    let sent = scene.messages("placed", 0..300);
    scene.send(&sent).await;
    let mut witness = Witness::default();
    let mut held = Vec::new();
    let mut takeovers = 0;
    while !witness.has_seen(&sent) {
        if takeovers < 15 && random.one_in(12) {
            // The working receiver is gone, with everything that it holds; another joins.
            takeovers += 1;
            let at_work = standing.pop_front();
            held.clear();
            drop(at_work);
            witness.new_receiver();
            standing.push_back(subscribe(&fixture.open().await, &queue).await);
        } else if held.len() == 6 || (!held.is_empty() && random.one_in(2)) {
            witness.acknowledge(held.remove(0)).await;
        } else {
            let all = standing
                .iter_mut()
                .map(|deliveries| Box::pin(next(deliveries)));
            let (received, at_work, _) = select_all(all).await;
            witness.received(&received);
            if at_work > 0 {
                // The bus decides which of the waiting receivers is next.
                assert!(held.is_empty(), "only one of them is at work");
                standing.swap(0, at_work);
            }
            held.push(received);
        }
    }
    for received in held {
        witness.acknowledge(received).await;
    }
    witness.has_all_of(&sent);
}
