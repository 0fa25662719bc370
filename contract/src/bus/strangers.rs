//! Messages of strangers are handed over as what they are, and block nobody.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use midgard::bus::ForeignMessage;

const STRUCTURED: &str = "application/cloudevents+json";

/// Sends a stranger's message between two messages of Midgard's; returns the messages received in between.
async fn between<F: BusFixture>(
    scene: &Scene<'_, F>,
    stranger: &Stranger,
) -> (Received, <F::Bus as Subscriber>::Deliveries) {
    let queue = scene.queue("one", &["placed"]);
    let mut deliveries = scene.subscribe(&queue).await;
    scene.send(&scene.messages("placed", [1])).await;
    scene
        .fixture
        .send(&scene.topic("placed"), stranger.clone())
        .await;
    scene.send(&scene.messages("placed", [2])).await;
    assert_eq!(take(&mut deliveries).await, 1, "what comes before it");
    let between = next(&mut deliveries).await;
    assert_eq!(take(&mut deliveries).await, 2, "what comes after it");
    (between, deliveries)
}

/// Asserts that the message is handed over as foreign, with its payload.
async fn is_foreign<F: BusFixture>(fixture: &F, stranger: Stranger) -> ForeignMessage {
    let scene = Scene::new(fixture).await;
    let (received, _deliveries) = between(&scene, &stranger).await;
    let foreign = match &received.content {
        Err(foreign) => foreign.clone(),
        Ok(message) => panic!("it is no message of Midgard's, but was received as {message:?}"),
    };
    assert_eq!(
        foreign.payload, stranger.body,
        "its payload is handed over as it is"
    );
    assert!(!foreign.reason.is_empty(), "it says what is wrong with it");
    // It can be kept, for someone to inspect.
    if let Err(error) = received.set_aside(&foreign.reason).await {
        panic!("what a stranger sent can be set aside, but: {error}");
    }
    let aside = scene.set_aside(&scene.queue("one", &[]), 1).await;
    let expected = SetAside {
        reason: foreign.reason.clone(),
        payload: stranger.body,
    };
    assert_eq!(aside, [expected], "it is kept");
    foreign
}

/// Asserts that the message is handed over as a message of Midgard's.
async fn is_message<F: BusFixture>(scene: &Scene<'_, F>, stranger: &Stranger) -> Message {
    let (received, _deliveries) = between(scene, stranger).await;
    let message = message(&received).clone();
    acknowledge(received).await;
    message
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(super) async fn stranger_without_attributes<F: BusFixture>(fixture: &F) {
    let stranger = Stranger {
        body: b"hello".to_vec(),
        ..Stranger::default()
    };
    is_foreign(fixture, stranger).await;
}

pub(super) async fn stranger_of_nothing_at_all<F: BusFixture>(fixture: &F) {
    is_foreign(fixture, Stranger::default()).await;
}

pub(super) async fn stranger_of_another_version<F: BusFixture>(fixture: &F) {
    let attributes = [
        ("specversion", "9.9"),
        ("id", "1"),
        ("source", "stranger"),
        ("type", "placed"),
    ];
    let stranger = Stranger {
        content_type: Some("application/json".to_owned()),
        attributes: pairs(&attributes),
        body: b"{}".to_vec(),
        ..Stranger::default()
    };
    let foreign = is_foreign(fixture, stranger).await;
    assert!(
        foreign.reason.contains("9.9"),
        "it names the version: {}",
        foreign.reason
    );
    for attribute in pairs(&attributes) {
        let given = &foreign.attributes;
        assert!(given.contains(&attribute), "{attribute:?} is in {given:?}");
    }
}

pub(super) async fn stranger_with_bytes_that_are_no_text<F: BusFixture>(fixture: &F) {
    let stranger = Stranger {
        content_type: Some("text/plain".to_owned()),
        body: vec![0xff, 0xfe, 0, 0xc3, 0x28],
        ..Stranger::default()
    };
    is_foreign(fixture, stranger).await;
}

pub(super) async fn stranger_of_another_content_type<F: BusFixture>(fixture: &F) {
    let attributes = [
        ("specversion", "1.0"),
        ("id", "1"),
        ("source", "stranger"),
        ("type", "placed"),
    ];
    let stranger = Stranger {
        content_type: Some("application/xml".to_owned()),
        attributes: pairs(&attributes),
        body: b"<order/>".to_vec(),
        ..Stranger::default()
    };
    let foreign = is_foreign(fixture, stranger).await;
    assert!(
        foreign.reason.contains("application/xml"),
        "it names the content type: {}",
        foreign.reason
    );
}

pub(super) async fn stranger_with_a_huge_header<F: BusFixture>(fixture: &F) {
    let stranger = Stranger {
        headers: vec![("x-huge".to_owned(), "huge ".repeat(6_000))],
        body: b"{}".to_vec(),
        ..Stranger::default()
    };
    is_foreign(fixture, stranger).await;
}

pub(super) async fn stranger_as_large_as_can_be<F: BusFixture>(fixture: &F) {
    let stranger = Stranger {
        body: vec![b'7'; F::LARGEST_STRANGER],
        ..Stranger::default()
    };
    is_foreign(fixture, stranger).await;
}

pub(super) async fn stranger_with_broken_json<F: BusFixture>(fixture: &F) {
    let stranger = Stranger {
        content_type: Some(STRUCTURED.to_owned()),
        body: b"{\"specversion\":\"1.0\",\"id\":".to_vec(),
        ..Stranger::default()
    };
    is_foreign(fixture, stranger).await;
}

pub(super) async fn stranger_with_a_batch_of_events<F: BusFixture>(fixture: &F) {
    let stranger = Stranger {
        content_type: Some("application/cloudevents-batch+json".to_owned()),
        body: b"[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\"}]".to_vec(),
        ..Stranger::default()
    };
    is_foreign(fixture, stranger).await;
}

pub(super) async fn event_as_one_json_text_is_read<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut sent = scene
        .message("placed", "customer-4", 7)
        .with_subject("größe \"7\"");
    sent.headers = [("user", "jun")].into_iter().collect();
    let stranger = |content_type: &str| Stranger {
        content_type: Some(content_type.to_owned()),
        body: sent.to_json().into_bytes(),
        ..Stranger::default()
    };
    assert_eq!(
        is_message(&scene, &stranger(STRUCTURED)).await,
        sent,
        "it is CloudEvents"
    );
    let with_charset = stranger("application/cloudevents+json; charset=UTF-8");
    assert_eq!(
        is_message(&scene, &with_charset).await,
        sent,
        "it is CloudEvents"
    );
}

pub(super) async fn event_in_headers_is_read<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let name = scene.name("placed");
    let attributes = [
        ("specversion", "1.0"),
        ("id", "A234-1234-1234"),
        ("source", "https://example.com/cloudevents/pull"),
        ("type", &*name),
        ("subject", "123"),
        ("time", "2018-04-05T17:31:00Z"),
        ("comexampleextension1", "a value"),
    ];
    let stranger = Stranger {
        content_type: Some("application/json; charset=utf-8".to_owned()),
        attributes: pairs(&attributes),
        headers: pairs(&[("x-other", "1")]),
        body: b"{\"order\":7}".to_vec(),
    };
    let message = is_message(&scene, &stranger).await;
    assert_eq!(message.id, "A234-1234-1234");
    assert_eq!(message.source, "https://example.com/cloudevents/pull");
    assert_eq!(message.name, name);
    assert_eq!(
        (&*message.key, message.subject.as_deref()),
        ("123", Some("123"))
    );
    assert_eq!(
        message.time.map(|time| time.to_string()).as_deref(),
        Some("2018-04-05T17:31:00.000000Z")
    );
    assert_eq!(
        (message.schema_version, message.purpose),
        (1, Purpose::Event)
    );
    assert_eq!(message.payload, b"{\"order\":7}");
}

pub(super) async fn many_strangers_are_in_nobodys_way<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let queue = scene.queue("one", &["placed"]).with_in_flight(4);
    let mut deliveries = scene.subscribe(&queue).await;
    for number in 0..30 {
        let stranger = Stranger {
            headers: pairs(&[("x-garbage", "%zz\"=;")]),
            body: vec![b'?'; number * 100],
            ..Stranger::default()
        };
        fixture.send(&scene.topic("placed"), stranger).await;
        scene.send(&scene.messages("placed", [number])).await;
    }
    let (mut numbers, mut strangers) = (Vec::new(), 0);
    while numbers.len() < 30 {
        let received = next(&mut deliveries).await;
        if received.content.is_ok() {
            numbers.push(number(&received));
        } else {
            strangers += 1;
        }
        acknowledge(received).await;
    }
    assert_eq!(numbers, Vec::from_iter(0..30), "all messages, in order");
    assert_eq!(strangers, 30, "and what the strangers sent");
}
