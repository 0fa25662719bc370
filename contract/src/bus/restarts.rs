//! Confirmed messages survive a kill of the broker, and everyone continues when it is back.

use super::kit::*;
use super::witness::Witness;
use futures_timer::Delay;
use futures_util::future::join;
use std::time::Duration;

/// Connects to a broker that no other case uses.
pub(super) fn fixture<F: BusFixture>(case: &str) -> Option<F> {
    let fixture = F::alone(case);
    if fixture.is_none() {
        leave_out(case, "there is no broker that could be killed");
    }
    fixture
}

async fn restart<F: BusFixture>(fixture: &F) {
    fixture.kill().await;
    fixture.start_again().await;
}

/// Publishes a batch repeatedly until it is confirmed.
async fn publish<B: Publisher>(bus: &B, batch: &[Message]) {
    let attempts = async {
        loop {
            match bus.publish(batch).await {
                Ok(published) => return published,
                Err(BusError::Unavailable { .. }) => Delay::new(Duration::from_millis(20)).await,
                Err(error) => panic!("a broker that was killed is unavailable, and not: {error}"),
            }
        }
    };
    let published = within(
        "messages can be published when the broker is back",
        attempts,
    )
    .await;
    assert_eq!(
        published,
        Published::all(),
        "queues and their topics survive"
    );
}

/// Receives the next message, however often the broker is unavailable; returns whether a connection was lost.
async fn receive(deliveries: &mut impl Deliveries) -> (Received, bool) {
    let mut was_lost = false;
    let attempts = async {
        loop {
            match deliveries.next().await {
                Ok(received) => return received,
                Err(BusError::Unavailable { .. }) => was_lost = true,
                Err(error) => panic!("a broker that was killed is unavailable, and not: {error}"),
            }
        }
    };
    let received = within("messages can be received when the broker is back", attempts).await;
    (received, was_lost)
}

/// Receives until all of these are acknowledged.
async fn receive_all(deliveries: &mut impl Deliveries, sent: &[Message], witness: &mut Witness) {
    while !witness.is_done_with(sent) {
        let (received, was_lost) = receive(deliveries).await;
        if was_lost {
            witness.new_receiver();
        }
        witness.received(&received);
        witness.acknowledge(received).await;
    }
}

pub(super) async fn confirmed_messages_survive_a_kill<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    scene.declare(&queue).await;
    let sent = scene.messages("placed", 0..500);
    scene.send(&sent).await;
    restart(fixture).await;
    let bus = fixture.open().await;
    let subscribed = async {
        loop {
            match bus.subscribe(&queue).await {
                Ok(deliveries) => return deliveries,
                Err(BusError::Unavailable { .. }) => Delay::new(Duration::from_millis(50)).await,
                Err(error) => panic!("a broker that was killed is unavailable, and not: {error}"),
            }
        }
    };
    let mut deliveries = within("the broker comes back", subscribed).await;
    receive_all(&mut deliveries, &sent, &mut Witness::default()).await;
}

pub(super) async fn receiving_goes_on_after_a_kill<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let sent = scene.messages("placed", 0..200);
    scene.send(&sent[..100]).await;
    let mut witness = Witness::default();
    for _ in 0..50 {
        let received = next(&mut deliveries).await;
        witness.received(&received);
        witness.acknowledge(received).await;
    }
    restart(fixture).await;
    let receive = receive_all(&mut deliveries, &sent, &mut witness);
    join(publish(&scene.bus, &sent[100..]), receive).await;
}

pub(super) async fn publishing_goes_on_after_an_outage<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let sent = scene.messages("placed", 0..100);
    scene.send(&sent[..50]).await;
    fixture.kill().await;
    let back = async {
        // Long enough for a failed attempt.
        Delay::new(Duration::from_millis(300)).await;
        fixture.start_again().await;
    };
    join(publish(&scene.bus, &sent[50..]), back).await;
    receive_all(&mut deliveries, &sent, &mut Witness::default()).await;
}

pub(super) async fn what_was_not_settled_comes_again_after_a_kill<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(10);
    let mut deliveries = scene.subscribe(&queue).await;
    let sent = scene.messages("placed", 0..20);
    scene.send(&sent).await;
    let mut witness = Witness::default();
    let mut held = Vec::new();
    for _ in 0..10 {
        let received = next(&mut deliveries).await;
        witness.received(&received);
        held.push(received);
    }
    restart(fixture).await;
    // A message received over a connection that is lost: no verdict on it panics, or hits another message.
    for (index, received) in held.into_iter().enumerate() {
        let verdict = async {
            match index % 3 {
                0 => witness.acknowledge(received).await,
                1 => drop(received.set_aside("late").await),
                _ => drop(received),
            }
        };
        within("a late verdict comes to an end", verdict).await;
    }
    let mut last = Vec::new();
    while !last.contains(&19) {
        let (received, _) = receive(&mut deliveries).await;
        last.push(number(&received));
        witness.acknowledge(received).await;
    }
    for number in [2, 5, 8] {
        assert!(
            last.contains(&number),
            "{number} was never settled: {last:?}"
        );
    }
    for number in 10..20 {
        assert!(
            last.contains(&number),
            "{number} was not given yet: {last:?}"
        );
    }
}

pub(super) async fn set_aside_messages_survive_a_kill<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", 0..2)).await;
    let received = next(&mut deliveries).await;
    if let Err(error) = received.set_aside("no such customer").await {
        panic!("a message can be set aside, but: {error}");
    }
    restart(fixture).await;
    let (mut received, _) = receive(&mut deliveries).await;
    let comes_again = !F::CONFIRMS_VERDICTS && number(&received) == 0;
    if comes_again {
        drop(received.acknowledge().await);
        (received, _) = receive(&mut deliveries).await;
    }
    assert_eq!(
        number(&received),
        1,
        "what was set aside does not come again"
    );
    let expected = SetAside {
        reason: "no such customer".to_owned(),
        payload: b"0".to_vec(),
    };
    assert_eq!(scene.set_aside(&queue, 1).await, [expected], "it is kept");
}

pub(super) async fn order_across_kills_of_the_broker<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(32);
    let mut deliveries = scene.subscribe(&queue).await;
    let keys = ["ann", "bob", "cid", "dan", "eve"];
    let numbers = 0..2_000;
    let sent = numbers.map(|number| scene.message("placed", keys[number % 5], number / 5));
    let sent = Vec::from_iter(sent);
    let publish_all = async {
        for batch in sent.chunks(100) {
            publish(&scene.bus, batch).await;
        }
    };
    let mut witness = Witness::default();
    let receive_all = async {
        let mut held = std::collections::VecDeque::new();
        let (mut turns, mut kills) = (0, 0);
        while !witness.is_done_with(&sent) {
            turns += 1;
            if turns % 400 == 0 && kills < 4 {
                kills += 1;
                restart(fixture).await;
            }
            let is_time = held.len() == 8 || witness.has_seen(&sent);
            if is_time && let Some(received) = held.pop_front() {
                witness.acknowledge(received).await;
                continue;
            }
            let (received, was_lost) = receive(&mut deliveries).await;
            if was_lost {
                witness.new_receiver();
            }
            witness.received(&received);
            held.push_back(received);
        }
        assert_eq!(
            kills, 4,
            "the broker was killed while messages went through"
        );
    };
    join(publish_all, receive_all).await;
    witness.has_all_of(&sent);
}
