//! Unsettled messages come again; settled ones do not.

pub(super) use super::kit::shared as fixture;
use super::kit::*;

pub(super) async fn what_was_not_settled_comes_again<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..20)).await;
    let mut held = Vec::new();
    for expected in 0..10 {
        let received = next(&mut first).await;
        assert_eq!(number(&received), expected, "in order");
        held.push(received);
    }
    drop(held);
    drop(first);
    let mut second = scene.subscribe(&queue).await;
    assert_eq!(
        take_all(&mut second, 20).await,
        Vec::from_iter(0..20),
        "all of them come again, in their place"
    );
}

pub(super) async fn what_was_acknowledged_does_not_come_again<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..10)).await;
    assert_eq!(
        take_all(&mut first, 6).await,
        [0, 1, 2, 3, 4, 5],
        "in order"
    );
    drop(first);
    let mut second = scene.subscribe(&queue).await;
    assert_eq!(
        take_all(&mut second, 4).await,
        [6, 7, 8, 9],
        "those that were not acknowledged"
    );
    nothing::<F>(&mut second).await;
}

pub(super) async fn received_message_that_is_dropped_comes_again<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..3)).await;
    let dropped = next(&mut first).await;
    assert_eq!(number(&dropped), 0, "in order");
    drop(dropped);
    // At the latest when its receiver is gone.
    drop(first);
    let mut second = scene.subscribe(&queue).await;
    assert_eq!(take_all(&mut second, 3).await, [0, 1, 2], "it is not lost");
}

pub(super) async fn redelivered_message_says_so<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..2)).await;
    let received = next(&mut first).await;
    assert!(!received.is_redelivered, "nobody was given it before");
    drop((received, first));
    let mut second = scene.subscribe(&queue).await;
    let received = next(&mut second).await;
    assert_eq!(number(&received), 0, "it comes again");
    assert!(received.is_redelivered, "someone was given it before");
    acknowledge(received).await;
}

pub(super) async fn message_comes_again_as_often_as_it_takes<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    scene.declare(&queue).await;
    scene.send(&scene.messages("placed", 0..3)).await;
    for _ in 0..12 {
        let mut deliveries = scene.subscribe(&queue).await;
        let received = next(&mut deliveries).await;
        assert_eq!(number(&received), 0, "until it is settled, it comes first");
    }
    let mut deliveries = scene.subscribe(&queue).await;
    assert_eq!(
        take_all(&mut deliveries, 3).await,
        [0, 1, 2],
        "then the others"
    );
}

pub(super) async fn acknowledging_in_another_order<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..5)).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(next(&mut first).await);
    }
    // 1 and 3 are left.
    for index in [4, 2, 0] {
        acknowledge(held.remove(index)).await;
    }
    drop((held, first));
    scene.send(&scene.messages("placed", [5])).await;
    let mut second = scene.subscribe(&queue).await;
    let mut again = Vec::new();
    // A bus may redeliver an acknowledged message that came after an unsettled one.
    while again.last() != Some(&5) {
        again.push(take(&mut second).await);
    }
    assert!(again.is_sorted(), "in their place: {again:?}");
    for number in [1, 3] {
        assert!(
            again.contains(&number),
            "{number} was not acknowledged: {again:?}"
        );
    }
    assert!(
        !again.contains(&0),
        "all up to 0 was acknowledged: {again:?}"
    );
}

pub(super) async fn acknowledging_after_the_receiver_is_gone<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..3)).await;
    let (late, aside) = (next(&mut first).await, next(&mut first).await);
    drop(first);
    let mut second = scene.subscribe(&queue).await;
    // It is too late. Whatever the outcome, it does not panic, and the last message is not lost.
    let _ = within("a late verdict comes to an end", late.acknowledge()).await;
    let _ = within("a late verdict comes to an end", aside.set_aside("late")).await;
    while take(&mut second).await != 2 {}
}

pub(super) async fn waiting_can_be_given_up_at_any_moment<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(8);
    let mut deliveries = scene.subscribe(&queue).await;
    let mut taken = Vec::new();
    for batch in 0..30 {
        let numbers = batch * 10..(batch + 1) * 10;
        scene.send(&scene.messages("placed", numbers.clone())).await;
        while taken.len() < numbers.end {
            // Polled once and dropped, often in the middle of something.
            let polled = futures_util::poll!(std::pin::pin!(deliveries.next()));
            let received = match polled {
                std::task::Poll::Ready(Ok(received)) => received,
                std::task::Poll::Ready(Err(error)) => panic!("messages can be received: {error}"),
                std::task::Poll::Pending => match briefly(deliveries.next()).await {
                    Some(Ok(received)) => received,
                    Some(Err(error)) => panic!("messages can be received: {error}"),
                    None => continue,
                },
            };
            taken.push(number(&received));
            acknowledge(received).await;
        }
    }
    assert_eq!(
        taken,
        Vec::from_iter(0..300),
        "nothing is lost, and nothing comes twice"
    );
}
