//! Queues are created, change their topics, and are deleted.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use futures_timer::Delay;
use futures_util::future::join_all;
use std::time::Duration;

/// Publishes a message for which nobody waits.
async fn is_unheard<F: BusFixture>(scene: &Scene<'_, F>, event: &str) -> bool {
    let sent = scene.messages(event, [1_000]);
    let published = {
        let mut publish = std::pin::pin!(scene.bus.publish(&sent));
        if F::CONFIRMS_WHEN_HANDLED {
            match futures_util::poll!(publish.as_mut()) {
                std::task::Poll::Ready(published) => published,
                std::task::Poll::Pending => return false,
            }
        } else {
            publish.await
        }
    };
    let published = published.unwrap_or_else(|error| panic!("messages can be published: {error}"));
    published == Published::but(vec![0])
}

pub(super) async fn queue_can_be_declared_again<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed", "paid"]);
    scene.declare(&queue).await;
    scene.send(&scene.messages("placed", 0..3)).await;
    scene.declare(&queue).await;
    if let Err(error) = fixture.open().await.declare(&queue).await {
        panic!("another can declare it as well, but: {error}");
    }
    let mut deliveries = scene.subscribe(&queue).await;
    scene.declare(&queue).await;
    scene.send(&scene.messages("paid", 3..5)).await;
    assert_eq!(
        take_all(&mut deliveries, 5).await,
        [0, 1, 2, 3, 4],
        "what waits in it stays, and nothing comes twice"
    );
    nothing::<F>(&mut deliveries).await;
}

pub(super) async fn queue_is_declared_by_many_at_once<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed", "paid"]);
    let declare = async |_| {
        let bus = fixture.open().await;
        if let Err(error) = bus.declare(&queue).await {
            panic!("many can declare a queue at once, but: {error}");
        }
    };
    join_all((0..8).map(declare)).await;
    scene.send(&scene.messages("placed", 0..5)).await;
    let mut deliveries = scene.subscribe(&queue).await;
    assert_eq!(
        take_all(&mut deliveries, 5).await,
        [0, 1, 2, 3, 4],
        "there is one queue"
    );
    nothing::<F>(&mut deliveries).await;
}

pub(super) async fn topics_are_added<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    scene.declare(&scene.queue("one", &["placed"])).await;
    assert!(is_unheard(&scene, "paid").await, "nobody asks for it yet");
    scene.send(&scene.messages("placed", [0])).await;
    let queue = scene.queue("one", &["placed", "paid"]);
    scene.declare(&queue).await;
    scene.send(&scene.messages("paid", [1])).await;
    scene.send(&scene.messages("placed", [2])).await;
    let mut deliveries = scene.subscribe(&queue).await;
    assert_eq!(take_all(&mut deliveries, 3).await, [0, 1, 2], "both topics");
}

pub(super) async fn topics_are_removed<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    scene
        .declare(&scene.queue("one", &["placed", "paid"]))
        .await;
    scene.send(&scene.messages("paid", [0])).await;
    scene.send(&scene.messages("placed", [1])).await;
    let queue = scene.queue("one", &["placed"]);
    scene.declare(&queue).await;
    assert!(
        is_unheard(&scene, "paid").await,
        "nobody asks for it any more"
    );
    scene.send(&scene.messages("placed", [2])).await;
    let mut deliveries = scene.subscribe(&queue).await;
    let taken = take_all(&mut deliveries, 3).await;
    assert_eq!(taken, [0, 1, 2], "what was in the queue stays in it");
    nothing::<F>(&mut deliveries).await;
}

pub(super) async fn topics_change_under_a_receiver<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene
        .subscribe(&scene.queue("one", &["placed", "paid"]))
        .await;
    scene.send(&scene.messages("placed", [0])).await;
    assert_eq!(take(&mut deliveries).await, 0, "it asks for this");
    let other = fixture.open().await;
    let declared = other
        .declare(&scene.queue("one", &["placed", "sent"]))
        .await;
    declared.unwrap_or_else(|error| panic!("topics can be changed, but: {error}"));
    scene.send(&scene.messages("placed", [1])).await;
    scene.send(&scene.messages("sent", [2])).await;
    assert!(
        is_unheard(&scene, "paid").await,
        "nobody asks for it any more"
    );
    assert_eq!(
        take_all(&mut deliveries, 2).await,
        [1, 2],
        "it goes on, with the new topics"
    );
}

pub(super) async fn queue_stays_when_its_receiver_is_gone<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    drop(subscribe(&fixture.open().await, &queue).await);
    scene.send(&scene.messages("placed", 0..5)).await;
    let mut deliveries = scene.subscribe(&queue).await;
    assert_eq!(
        take_all(&mut deliveries, 5).await,
        [0, 1, 2, 3, 4],
        "it keeps what comes while nobody receives"
    );
}

pub(super) async fn temporary_queue_is_gone_after_its_receiver<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).temporary();
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..5)).await;
    assert_eq!(
        take_all(&mut deliveries, 4).await,
        [0, 1, 2, 3],
        "it is a queue as any other"
    );
    assert!(
        !is_unheard(&scene, "placed").await,
        "it is there with its receiver"
    );
    drop(deliveries);
    let gone = async {
        while !is_unheard(&scene, "placed").await {
            Delay::new(Duration::from_millis(100)).await;
        }
    };
    within("a temporary queue is gone after its receiver", gone).await;
    // It can be created again, and is empty.
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", [7])).await;
    assert_eq!(
        take(&mut deliveries).await,
        7,
        "nothing is left of the first one"
    );
}
