//! A message is received as it was sent.

pub(super) use super::kit::shared as fixture;
use super::kit::*;
use midgard::event::Headers;
use midgard::{EventId, LogId, Place, Position, Timestamp};

/// Texts that are difficult for formats of headers.
const TEXTS: [&str; 24] = [
    "ann",
    "Grüße aus Köln",
    "日本語のキー",
    "🦀",
    "e\u{301}",
    "a b",
    " leading and trailing ",
    "\ttab\t",
    "two\nlines",
    "carriage\r\nreturn",
    "\"quoted\"",
    "it's",
    "back\\slash",
    "100%",
    "%41%zz%",
    "a=b;c=d,e",
    "a: b",
    "+plus+",
    "{\"json\":[1]}",
    "null",
    "true",
    "0042",
    "nul\0 and \u{1f} and \u{7f}",
    "*.>#/?&<",
];

/// Sends messages and receives them; each must be unchanged.
async fn survive<F: BusFixture>(scene: &Scene<'_, F>, sent: Vec<Message>) {
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    scene.send(&sent).await;
    for sent in sent {
        let received = next(&mut deliveries).await;
        assert_eq!(message(&received), &sent, "it is received as it was sent");
        acknowledge(received).await;
    }
}

pub(super) async fn every_attribute_survives<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let mut full = scene.message("placed", "customer-4", 7);
    full = full.with_subject("order-7").with_id("id of its own");
    full.schema_version = 41;
    full.time = Some(Timestamp::from_micros(1_764_000_000_123_456));
    full.expires = Some(Timestamp::from_micros(1_765_000_000_123_456));
    full.reply_to = Some("placement".to_owned());
    full.correlation_id = Some(EventId::new());
    full.causation_id = Some(EventId::new());
    full.place = Some(Place::main(Position(u64::MAX)));
    full.headers = [("user", "jun"), ("trace", "00-4bf9-01")]
        .into_iter()
        .collect();
    let bare = scene.message("placed", "key", 8);
    let mut some = scene.message("placed", "key", 9);
    some.place = Some(Place::main(Position(0)));
    let mut elsewhere = scene.message("placed", "key", 10);
    elsewhere.place = Some(Place::new(LogId(u32::MAX), Position(7)));
    survive(&scene, vec![full, bare, some, elsewhere]).await;
}

pub(super) async fn texts_that_headers_dislike_survive<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let with_text = |text: &str| {
        let mut sent = scene.message("placed", text, 0).with_subject(text);
        sent.id = format!("{} {text}", sent.id);
        sent.source = text.to_owned();
        sent.reply_to = Some(text.to_owned());
        sent.headers = [(text, text), ("key", text)].into_iter().collect();
        sent
    };
    let sent = TEXTS.into_iter().map(with_text).collect();
    survive(&scene, sent).await;
}

pub(super) async fn long_texts_survive<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let long = "long and ünïcödé; ".repeat(60);
    let mut sent = scene.message("placed", &long, 0).with_subject(&*long);
    let mut headers = Headers::new();
    for number in 0..20 {
        headers.insert(&format!("header-{number}"), &long);
    }
    sent.headers = headers;
    survive(&scene, vec![sent]).await;
}

pub(super) async fn payloads_of_any_bytes_survive<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let payloads: [&[u8]; 7] = [
        b"",
        b"{}",
        b"{\"text\": \"two\\nlines\"}\n",
        "{\"text\": \"Grüße 🦀\"}".as_bytes(),
        b" {\"spaces\" :  1 } ",
        b"\r\n\r\n",
        &[0, 1, 127, 128, 254, 255],
    ];
    let with_payload = |data: &[u8]| {
        let mut changed = scene.message("placed", "key", 0);
        changed.payload = data.to_vec();
        changed
    };
    let sent = payloads.into_iter().map(with_payload).collect();
    survive(&scene, sent).await;
}

pub(super) async fn large_messages_survive<F: BusFixture>(fixture: &F) {
    let scene = Scene::new(fixture).await;
    let of_size = |size: usize| {
        let pattern = (0..size).map(|at| b'a' + u8::try_from(at % 23).unwrap_or(0));
        {
            let mut changed = scene.message("placed", "key", 0);
            changed.payload = pattern.collect();
            changed
        }
    };
    let sizes = [1 << 20, 10, 200_000, 65_535, 65_536, 1 << 20];
    survive(&scene, sizes.into_iter().map(of_size).collect()).await;
}

pub(super) async fn message_that_is_too_large_is_refused<F: BusFixture>(fixture: &F) {
    let Some(size) = F::TOO_LARGE else {
        let case = "message_that_is_too_large_is_refused";
        return leave_out(case, "no message is too large for this bus");
    };
    let scene = Scene::new(fixture).await;
    let mut deliveries = scene.subscribe(&scene.queue("one", &["placed"])).await;
    let mut sent = scene.messages("placed", 0..3);
    sent[1].payload = vec![b'x'; size];
    match scene.bus.publish(&sent).await {
        Err(BusError::Refused { id, .. }) => assert_eq!(id, sent[1].id, "it is the large one"),
        other => panic!("a message of {size} bytes is refused, and not: {other:?}"),
    }
    let later = scene.messages("placed", 3..5);
    scene.send(&later).await;
    loop {
        let received = next(&mut deliveries).await;
        let number = number(&received);
        acknowledge(received).await;
        assert_ne!(number, 1, "what was refused is not delivered");
        if number == 4 {
            break;
        }
    }
}
