//! A receiver gets no more messages than it may have unsettled, and a slow one slows nobody else.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use futures_util::future::join;

pub(super) async fn receiver_is_given_no_more_than_its_bound<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(5);
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..20)).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(next(&mut deliveries).await);
    }
    nothing::<F>(&mut deliveries).await;
    // Two are settled, two more come.
    acknowledge(held.remove(3)).await;
    acknowledge(held.remove(0)).await;
    for _ in 0..2 {
        held.push(next(&mut deliveries).await);
    }
    nothing::<F>(&mut deliveries).await;
    let numbers = Vec::from_iter(held.iter().map(number));
    assert_eq!(numbers, [1, 2, 4, 5, 6], "in order");
    for received in held {
        acknowledge(received).await;
    }
    assert_eq!(
        take_all(&mut deliveries, 13).await,
        Vec::from_iter(7..20),
        "and all the others"
    );
}

pub(super) async fn receiver_of_one_at_a_time<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(1);
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..10)).await;
    let received = next(&mut deliveries).await;
    nothing::<F>(&mut deliveries).await;
    acknowledge(received).await;
    assert_eq!(
        take_all(&mut deliveries, 9).await,
        Vec::from_iter(1..10),
        "one after the other"
    );
}

pub(super) async fn receiver_that_waits_already_is_given_more<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(1);
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..2)).await;
    let held = next(&mut deliveries).await;
    // The future waits first; it is settled then.
    let (taken, ()) = join(take(&mut deliveries), acknowledge(held)).await;
    assert_eq!(taken, 1, "who waits is woken when there is room");
}

pub(super) async fn set_aside_message_makes_room<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(1);
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..2)).await;
    let received = next(&mut deliveries).await;
    if let Err(error) = received.set_aside("unknown").await {
        panic!("a message can be set aside, but: {error}");
    }
    assert_eq!(
        take(&mut deliveries).await,
        1,
        "it is settled, and another comes"
    );
}

pub(super) async fn each_receiver_has_its_own_bound<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut narrow = scene.subscribe(&queue.clone().with_in_flight(2)).await;
    scene.send(&scene.messages("placed", 0..10)).await;
    let held = [next(&mut narrow).await, next(&mut narrow).await];
    nothing::<F>(&mut narrow).await;
    drop(held);
    drop(narrow);
    let mut wide = scene.subscribe(&queue.with_in_flight(10)).await;
    let mut held = Vec::new();
    for expected in 0..10 {
        let received = next(&mut wide).await;
        assert_eq!(number(&received), expected, "all at once, in order");
        held.push(received);
    }
}

pub(super) async fn slow_receiver_slows_no_other_queue<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let slow = scene.queue("slow", &["placed"]).with_in_flight(3);
    let mut slow = scene.subscribe(&slow).await;
    let mut fast = scene.subscribe(&scene.queue("fast", &["placed"])).await;
    scene.send(&scene.messages("placed", 0..100)).await;
    let held = next(&mut slow).await;
    assert_eq!(
        take_all(&mut fast, 100).await,
        Vec::from_iter(0..100),
        "the other queue is not held up"
    );
    // Publishing continues, too.
    scene.send(&scene.messages("placed", 100..1_100)).await;
    assert_eq!(
        take_all(&mut fast, 1_000).await,
        Vec::from_iter(100..1_100),
        "the other queue is not held up"
    );
    assert_eq!(number(&held), 0, "the slow one has the first");
    acknowledge(held).await;
    assert_eq!(
        take_all(&mut slow, 1_099).await,
        Vec::from_iter(1..1_100),
        "the slow one gets all of them in the end"
    );
}
