//! What an inbox and an outbox write down, word by word: it must stay readable, so that whatever changes here is a new
//! format.

use super::kit::{Count, Outlet, Scene, Told, notes, parking, publish, start, told};
use midgard::bus::{ForeignMessage, Message, Purpose, Topic};
use midgard::consumer::{ConsumerNotes, ConsumerOptions};
use midgard::event::{Encoded, RecordedEventRef, Registry};
use midgard::notes::StoreNotes;
use midgard::store::ReadLog;
use midgard::{MemoryStore, Midgard, Outbox, RemoteCommand, Store, block_on};
use std::ops::ControlFlow;

/// Replaces what is another each time: numbers of parked messages, and times.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\"at\":").or_else(|| rest.find("\"parked\":")) {
        let from = rest[at..]
            .find(':')
            .map_or(rest.len(), |colon| at + colon + 1);
        plain.push_str(&rest[..from]);
        let after = rest[from..].trim_start_matches(|c: char| c.is_ascii_digit());
        assert_eq!(
            rest.len() - from - after.len(),
            16,
            "microseconds since 1970"
        );
        plain.push_str("TIME");
        rest = after;
        if let Some(tried) = rest.strip_prefix(",\"tried\":") {
            plain.push_str(",\"tried\":TIME");
            rest = tried.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    plain.push_str(rest);
    plain
}

#[test]
fn the_notes_of_an_inbox_are_these_texts() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(2, 1);
    let running = scene.start(parking());
    let mut shapeless = told("ann", 4).with_id("message-4");
    shapeless.payload = b"{}".to_vec();
    let foreign = ForeignMessage::new(
        "it has no id",
        vec![("a".into(), "b".into())],
        b"hi".to_vec(),
    );
    publish(
        &scene.bus,
        &[told("ann", 1), told("bob", 2), told("bob", 3)],
    );
    publish(&scene.bus, &[shapeless]);
    scene.bus.send_foreign(&Topic::event("told"), foreign);
    running.wait_until("service", |status| status.parked == 4);
    let first = running.parked()[0].0.clone();
    running.stop().unwrap();
    // Left for the one that runs it.
    let handle = scene.midgard(parking()).handle();
    block_on(handle.retry_message("service", &first)).unwrap();

    let seen: Vec<_> = notes(&scene.store, "inbox/service/seen/");
    let seen: Vec<_> = seen
        .iter()
        .map(|(key, note)| (&**key, plain(note)))
        .collect();
    let note = r#"{"format":1,"at":TIME}"#.to_owned();
    let keys = [
        "6/orders/message-1",
        "6/orders/message-2",
        "6/orders/message-3",
        "6/orders/message-4",
    ];
    assert_eq!(seen, keys.map(|key| (key, note.clone())));

    let at = notes(&scene.store, "inbox/service/seen-at/");
    assert_eq!(at.len(), 4);
    for (key, text) in &at {
        let (time, message) = key.split_once('/').unwrap();
        assert_eq!((time.len(), plain(text)), (16, note.clone()));
        assert!(keys.contains(&message), "{message}");
        let micros = u64::from_str_radix(time, 16).unwrap();
        assert_eq!(*text, format!(r#"{{"format":1,"at":{micros}}}"#));
    }

    // The hash of the source and the key, which never changes.
    let hashed = "24b4b643-f2f0-55ea-87b7-c840c72bc49c";
    let held = notes(&scene.store, "inbox/service/held/");
    let wanted = r#"{"format":1,"source":"orders","key":"bob","messages":2,"next":2}"#;
    assert_eq!(held, [(hashed.to_owned(), wanted.to_owned())]);
    let numbers = notes(&scene.store, "inbox/service/parked/");
    let behind = notes(&scene.store, "inbox/service/behind/");
    let wanted = [0, 1].map(|place: usize| {
        (
            format!("{hashed}/{place:020}"),
            format!(r#"{{"format":1,"number":"{}"}}"#, numbers[place].0),
        )
    });
    assert_eq!(behind, wanted);

    let request = notes(&scene.store, "inbox/service/request/");
    assert_eq!(
        request,
        [(first, r#"{"format":1,"is_eviction":false}"#.to_owned())]
    );

    let parked = notes(&scene.store, "inbox/service/parked/");
    let parked: Vec<_> = parked.iter().map(|(_, note)| plain(note)).collect();
    let wanted = [
        r#"{"format":1,"cause":"failed","message":"{\"datacontenttype\":\"application/json\",\"id\":\"message-2\",\"partitionkey\":\"bob\",\"schemaversion\":\"1\",\"source\":\"orders\",\"specversion\":\"1.0\",\"type\":\"told\",\"data\":{\"key\":\"bob\",\"number\":2}}","attributes":[],"data":"","key":"bob","source":"orders","place":0,"error":"no 2 today","failures":1,"parked":TIME,"tried":TIME}"#,
        r#"{"format":1,"cause":"follows","message":"{\"datacontenttype\":\"application/json\",\"id\":\"message-3\",\"partitionkey\":\"bob\",\"schemaversion\":\"1\",\"source\":\"orders\",\"specversion\":\"1.0\",\"type\":\"told\",\"data\":{\"key\":\"bob\",\"number\":3}}","attributes":[],"data":"","key":"bob","source":"orders","place":1,"error":"an earlier message of key \"bob\" is parked","failures":0,"parked":TIME,"tried":TIME}"#,
    ];
    assert_eq!(parked[..2], wanted);
    assert!(parked[2].starts_with(r#"{"format":1,"cause":"unread","message":"#));
    assert!(
        parked[2].contains(r#""key":null,"place":0,"error":"message message-4 "#),
        "{}",
        parked[2]
    );
    let stranger = r#"{"format":1,"cause":"foreign","message":null,"attributes":[["a","b"]],"data":"aGk=","key":null,"place":0,"error":"it has no id","failures":0,"parked":TIME,"tried":TIME}"#;
    assert_eq!(parked[3], stranger);
}

#[test]
fn an_answer_stands_in_the_log_in_these_words_and_the_outbox_writes_down_these() {
    let scene = Scene::<MemoryStore>::new();
    let replies = Outlet::default();
    let known = Registry::new().with::<Told>().unwrap();
    let outbox = Outbox::new("customers").options(ConsumerOptions::new().knows(&known));
    let running = start(scene.midgard(parking()).outbox(outbox, replies.clone()));
    let purpose = Purpose::Command {
        service: Count::SERVICE.to_owned(),
    };
    let data = br#"{"key":"ann","number":1}"#.to_vec();
    let id = "0190163d-8694-739b-aea5-966c26f8ad91";
    let mut command = Message::new(purpose, "orders", Encoded::json(Count::NAME, 1, data))
        .with_id(id)
        .with_subject("placement-7")
        .with_key("ann");
    command.reply_to = Some("placement".to_owned());
    publish(&scene.bus, &[command]);
    replies.wait_for(1);
    running.stop().unwrap();
    let (mut found, mut last) = (Vec::new(), String::new());
    let mut each = |event: RecordedEventRef<'_>| {
        let payload = String::from_utf8(event.payload.to_vec()).unwrap();
        found.push((event.stream.to_owned(), event.name.to_owned(), payload));
        last = event.id.to_string();
        ControlFlow::Continue(())
    };
    block_on(scene.store.read_log(&ReadLog::forward(), &mut each)).unwrap();
    let wanted = (
        "service.replies".to_owned(),
        "midgard.command_answered".to_owned(),
        format!(
            r#"{{"command":"{id}","subject":"placement-7","to":"placement","name":"counted","version":1,"data":{{"notes":1}}}}"#
        ),
    );
    assert_eq!(found[1], wanted);
    let wanted = [
        (
            "0000000000/checkpoint/0/00000",
            r#"{"format":1,"position":2,"event":"ID"}"#,
        ),
        (
            "0000000000/lease/00000",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
        (
            "about",
            r#"{"format":1,"partitions":1,"start":0,"coverage":{"events":{}}}"#,
        ),
        ("known", r#"{"format":1,"names":["told"]}"#),
    ];
    let written = notes(&scene.store, "outbox/outbox/");
    let written: Vec<_> = written
        .iter()
        .map(|(key, note)| (key.clone(), note.replace(&last, "ID")))
        .collect();
    let written: Vec<_> = written
        .iter()
        .map(|(key, note)| (&**key, &**note))
        .collect();
    assert_eq!(written, wanted);
}

#[test]
fn outboxes_of_a_bus_with_an_id_are_listed_with_all_others() {
    let store = MemoryStore::new();
    for outbox in [
        Outbox::new("orders"),
        Outbox::new("orders").named("far").bus_id("west"),
    ] {
        let midgard = Midgard::new(store.clone()).outbox(outbox, Outlet::default());
        block_on(midgard.catch_up()).unwrap();
    }
    let stored = StoreNotes::of(store);
    let all = block_on(ConsumerNotes::all(&stored)).unwrap();
    let names: Vec<_> = all.iter().map(ConsumerNotes::name).collect();
    assert_eq!(names, ["outbox", "far"]);
}
