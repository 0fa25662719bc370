//! Published messages reach the queues that want them, and no other.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use futures_util::future::join;
use midgard::event::Encoded;

pub(super) async fn published_message_is_delivered<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let sent = scene.message("placed", "key", 7);
    scene.send(std::slice::from_ref(&sent)).await;

    let received = next(&mut deliveries).await;
    assert_eq!(message(&received), &sent, "it is received as it was sent");
    assert!(
        !received.is_redelivered,
        "nobody has been given it before, so it is not said to be redelivered"
    );
    acknowledge(received).await;
}

pub(super) async fn message_is_delivered_to_every_queue_that_asks<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut all = Vec::new();
    for name in ["one", "two", "three"] {
        all.push(scene.subscribe(&scene.queue(name, &["placed"])).await);
    }
    scene.send(&scene.messages("placed", 0..50)).await;
    for deliveries in &mut all {
        let taken = take_all(deliveries, 50).await;
        assert_eq!(
            taken,
            Vec::from_iter(0..50),
            "every queue gets every message"
        );
    }
}

pub(super) async fn queue_gets_only_what_it_asks_for<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut placed = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let mut paid = scene.subscribe(&scene.queue("two", &["placed.paid"])).await;
    let sent = [
        scene.message("placed.paid", "key", 0),
        scene.message("placed", "key", 1),
        scene.message("placed.paid", "key", 2),
        scene.message("placed", "key", 3),
    ];
    scene.send(&sent).await;
    assert_eq!(
        take_all(&mut placed, 2).await,
        [1, 3],
        "its topic, and no other"
    );
    assert_eq!(
        take_all(&mut paid, 2).await,
        [0, 2],
        "its topic, and no other"
    );
    nothing::<F>(&mut placed).await;
    nothing::<F>(&mut paid).await;
}

pub(super) async fn queue_of_several_topics_gets_all_of_them<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let events = ["placed", "paid", "sent"];
    let mut deliveries = scene.subscribe(&scene.queue("one", &events)).await;
    let numbers = 0..30;
    let sent = numbers.map(|number| scene.message(events[number % 3], "key", number));
    scene.send(&Vec::from_iter(sent)).await;
    assert_eq!(
        take_all(&mut deliveries, 30).await,
        Vec::from_iter(0..30),
        "messages of one key are in order over all topics"
    );
}

pub(super) async fn queue_keeps_what_comes_before_its_receiver<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]);
    scene.declare(&queue).await;
    scene.send(&scene.messages("placed", 0..100)).await;
    let other = fixture.open().await;
    let mut deliveries = subscribe(&other, &queue).await;
    assert_eq!(
        take_all(&mut deliveries, 100).await,
        Vec::from_iter(0..100),
        "what was published waits for the first receiver"
    );
}

pub(super) async fn unheard_messages_are_named_by_their_index<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let events = ["other", "placed", "placed", "another", "placed", "other"];
    let sent = (0..6).map(|number| scene.message(events[number], "key", number));
    let sent = Vec::from_iter(sent);
    let (published, taken) = join(
        within(
            "a bus confirms what was published",
            scene.bus.publish(&sent),
        ),
        take_all(&mut deliveries, 3),
    )
    .await;
    let published = published.unwrap_or_else(|error| panic!("messages can be published: {error}"));
    assert_eq!(
        published,
        Published::but(vec![0, 3, 5]),
        "nobody asks for these"
    );
    assert_eq!(taken, [1, 2, 4], "the others of the batch are delivered");

    let unheard = scene.bus.publish(&sent[..1]).await;
    let unheard = unheard.unwrap_or_else(|error| panic!("messages can be published: {error}"));
    assert_eq!(unheard, Published::but(vec![0]), "nobody asks for it");
}

pub(super) async fn batch_of_no_messages<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let published = within("nothing is published at once", scene.bus.publish(&[])).await;
    let published = published.unwrap_or_else(|error| panic!("no messages, no error: {error}"));
    assert_eq!(
        published,
        Published::all(),
        "of no messages, none is unheard"
    );
}

pub(super) async fn commands_and_replies_go_to_whom_they_are_for<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let (service, asker) = (scene.name("customers"), scene.name("placement"));
    let commands = Topic::command(&service, "credit.reserve");
    let mut served = scene
        .subscribe(&Queue::new(scene.name("served"), [commands]))
        .await;
    let replies = Queue::new(scene.name("replies"), [Topic::replies(&asker)]);
    let mut answered = scene.subscribe(&replies).await;

    let purpose = |service: &str| Purpose::Command {
        service: service.to_owned(),
    };
    let mut command = Message::new(
        purpose(&service),
        "orders",
        Encoded::json("credit.reserve", 1, b"1".to_vec()),
    );
    command.reply_to = Some(asker.clone());
    let reply = Purpose::Reply { to: asker };
    let reply = Message::new(
        reply,
        "customers",
        Encoded::json("credit.reserved", 1, b"2".to_vec()),
    );
    scene.send(&[command.clone(), reply.clone()]).await;

    let received = next(&mut served).await;
    assert_eq!(
        message(&received),
        &command,
        "the command, with who waits for the reply"
    );
    acknowledge(received).await;
    let received = next(&mut answered).await;
    assert_eq!(message(&received), &reply, "the reply, to whoever asked");
    acknowledge(received).await;

    let elsewhere = purpose(&scene.name("nobody"));
    let elsewhere = Message::new(
        elsewhere,
        "orders",
        Encoded::json("credit.reserve", 1, b"3".to_vec()),
    );
    let published = scene.bus.publish(&[elsewhere]).await;
    let published = published.unwrap_or_else(|error| panic!("messages can be published: {error}"));
    assert_eq!(
        published,
        Published::but(vec![0]),
        "it is for a service that is not there"
    );
}
