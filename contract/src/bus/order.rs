//! The messages of one key come in the order in which they were published.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use super::witness::Witness;
use crate::random::Random;
use futures_util::future::{join, join3};
use std::collections::HashMap;

/// Messages of many keys, numbered from 0 for each key.
fn mixed<F: BusFixture>(scene: &Scene<'_, F>, many: usize, random: &mut Random) -> Vec<Message> {
    let mut last = HashMap::new();
    let one = |_| {
        let key = format!("key-{}", random.below(37));
        let number = last.entry(key.clone()).or_insert(0);
        *number += 1;
        scene.message("placed", &key, *number - 1)
    };
    (0..many).map(one).collect()
}

pub(super) async fn messages_of_a_key_are_in_order<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let sent = mixed(&scene, 4_000, &mut Random(1));
    for batch in sent.chunks(900) {
        scene.send(batch).await;
    }
    let mut witness = Witness::default();
    for _ in 0..sent.len() {
        let received = next(&mut deliveries).await;
        witness.received(&received);
        witness.acknowledge(received).await;
    }
    witness.has_all_of(&sent);
}

pub(super) async fn messages_published_one_by_one_are_in_order<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    for message in scene.messages("placed", 0..50) {
        scene.send(&[message]).await;
    }
    assert_eq!(
        take_all(&mut deliveries, 50).await,
        Vec::from_iter(0..50),
        "one key is in order over many batches"
    );
}

pub(super) async fn two_publishers_at_once<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let other = fixture.open().await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let of_key = |key| {
        let numbers = 0..500;
        Vec::from_iter(numbers.map(|number| scene.message("placed", key, number)))
    };
    let (ann, bob) = (of_key("ann"), of_key("bob"));
    let publish = async |bus: &F::Bus, messages: &[Message]| {
        for batch in messages.chunks(60) {
            send::<F>(bus, batch).await;
        }
    };
    let receive = async {
        let mut witness = Witness::default();
        for _ in 0..1_000 {
            let received = next(&mut deliveries).await;
            witness.received(&received);
            witness.acknowledge(received).await;
        }
        witness
    };
    let (_, _, witness) = join3(publish(&scene.bus, &ann), publish(&other, &bob), receive).await;
    witness.has_all_of(&[ann, bob].concat());
}

pub(super) async fn one_connection_publishes_several_batches_at_once<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let of_key = |key| {
        let numbers = 0..200;
        Vec::from_iter(numbers.map(|number| scene.message("placed", key, number)))
    };
    let (ann, bob) = (of_key("ann"), of_key("bob"));
    join(scene.send(&ann), scene.send(&bob)).await;
    let mut witness = Witness::default();
    for _ in 0..400 {
        let received = next(&mut deliveries).await;
        witness.received(&received);
        witness.acknowledge(received).await;
    }
    witness.has_all_of(&[ann, bob].concat());
}

pub(super) async fn batch_that_is_published_again<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let batch = scene.messages("placed", 0..100);
    scene.send(&batch[..70]).await;
    scene.send(&batch).await;
    scene.send(&scene.messages("placed", [100])).await;
    let mut witness = Witness::default();
    loop {
        let received = next(&mut deliveries).await;
        let number = number(&received);
        witness.received(&received);
        witness.acknowledge(received).await;
        if number == 100 {
            break;
        }
    }
    witness.has_all_of(&scene.messages("placed", 0..101));
}

pub(super) async fn order_across_receivers_that_are_dropped<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut random = Random(2);
    let queue = scene.queue("one", &["placed"]).with_in_flight(16);
    scene.declare(&queue).await;
    let sent = mixed(&scene, 1_500, &mut random);
    for batch in sent.chunks(400) {
        scene.send(batch).await;
    }
    let mut witness = Witness::default();
    for round in 0.. {
        let mut deliveries = scene.subscribe(&queue).await;
        witness.new_receiver();
        let mut held = Vec::new();
        // Endless rounds would prove nothing more.
        let turns = if round < 15 {
            random.below(120)
        } else {
            u64::MAX
        };
        for _ in 0..turns {
            if witness.is_done_with(&sent) {
                return;
            }
            let is_time = held.len() == 16 || witness.has_seen(&sent) || random.one_in(3);
            if is_time && !held.is_empty() {
                // In whatever order.
                let index = random.below(held.len() as u64) as usize;
                witness.acknowledge(held.remove(index)).await;
            } else {
                let received = next(&mut deliveries).await;
                witness.received(&received);
                held.push(received);
            }
        }
        // Either may go first.
        if random.one_in(2) {
            drop(deliveries);
        }
    }
}
