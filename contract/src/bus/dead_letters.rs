//! A message that is set aside is kept, with its reason, and blocks nobody.

pub(super) use super::kit::shared as fixture;
use super::kit::*;

/// Receives a message and sets it aside; returns its number.
async fn put_aside(deliveries: &mut impl Deliveries, reason: &str) -> usize {
    let received = next(deliveries).await;
    let number = number(&received);
    if let Err(error) = received.set_aside(reason).await {
        panic!("a message can be set aside, but: {error}");
    }
    number
}

fn aside(reason: &str, payload: &[u8]) -> SetAside {
    SetAside {
        reason: reason.to_owned(),
        payload: payload.to_vec(),
    }
}

pub(super) async fn poison_message_is_set_aside<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut first = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..5)).await;
    assert_eq!(take(&mut first).await, 0, "in order");
    assert_eq!(
        put_aside(&mut first, "no such customer").await,
        1,
        "in order"
    );
    assert_eq!(take(&mut first).await, 2, "what comes later goes on");
    assert_eq!(
        scene.set_aside(&queue, 1).await,
        [aside("no such customer", b"1")],
        "it is kept, with its reason"
    );
    drop(first);
    let mut second = scene.subscribe(&queue).await;
    assert_eq!(
        take_all(&mut second, 2).await,
        [3, 4],
        "it does not come again"
    );
    nothing::<F>(&mut second).await;
    assert_eq!(
        scene.set_aside(&queue, 1).await.len(),
        1,
        "it is still there"
    );
}

pub(super) async fn reasons_are_any_texts<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut deliveries = scene.subscribe(&queue).await;
    let long = "the customer is not known; ".repeat(150);
    let reasons = [
        "größe: \"4\"\nis too large: 100%",
        "a=b: c\r\n",
        "日本 🦀",
        &long,
    ];
    scene.send(&scene.messages("placed", 0..4)).await;
    for (index, reason) in reasons.into_iter().enumerate() {
        assert_eq!(put_aside(&mut deliveries, reason).await, index, "in order");
    }
    let expected = reasons.into_iter().enumerate();
    let expected = expected.map(|(index, reason)| aside(reason, index.to_string().as_bytes()));
    assert_eq!(
        scene.set_aside(&queue, 4).await,
        Vec::from_iter(expected),
        "each is kept with its reason, the oldest first"
    );
}

pub(super) async fn queues_set_aside_for_themselves<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let (one, two) = (
        scene.queue("one", &["placed"]),
        scene.queue("two", &["placed"]),
    );
    let (mut first, mut second) = (scene.subscribe(&one).await, scene.subscribe(&two).await);
    scene.send(&scene.messages("placed", 0..2)).await;
    assert_eq!(put_aside(&mut first, "not for me").await, 0, "in order");
    assert_eq!(
        take_all(&mut second, 2).await,
        [0, 1],
        "another queue has its own copy"
    );
    assert_eq!(take(&mut first).await, 1, "what comes later goes on");
    let expected = [aside("not for me", b"0")];
    assert_eq!(
        scene.set_aside(&one, 1).await,
        expected,
        "it is kept for this queue"
    );
    assert_eq!(fixture.set_aside(two.name()).await, [], "and for no other");
}
