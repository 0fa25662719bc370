//! Who waits behind a message that is parked, and who does not.

use super::kit::{Count, Outlet, Scene, Told, noted, notes, parking, publish, start, told};
use midgard::bus::{Message, Purpose};
use midgard::event::Encoded;
use midgard::inbox::{InboxNotes, ParkedCause};
use midgard::notes::StoreNotes;
use midgard::store::EntryWrite;
use midgard::{
    HandlerError, Inbox, MemoryStore, MessageContext, Midgard, Outbox, Refused, RemoteCommand,
    Store as _, Subscribe, block_on,
};

fn count(key: &str, number: u64) -> Message {
    let command = Count {
        key: key.to_owned(),
        number,
    };
    let purpose = Purpose::Command {
        service: Count::SERVICE.to_owned(),
    };
    let data = serde_json::to_vec(&command).unwrap();
    let mut message = Message::new(purpose, "orders", Encoded::json(Count::NAME, 1, data));
    message.reply_to = Some("placement".to_owned());
    message.with_id(format!("count-{number}")).with_key(key)
}

/// A message under a key, about something else.
fn about(id: &str, number: u64, key: &str) -> Message {
    told(id, number).with_key(key)
}

#[test]
fn an_id_that_cannot_be_holds_up_nobody_and_is_not_tried_again() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(midgard::inbox::InboxOptions::new());
    let long = "x".repeat(600);
    publish(
        &scene.bus,
        &[
            about("\0", 1, "ann"),
            about("", 2, "ann"),
            about(&long, 3, "ann"),
            told("ann", 4),
        ],
    );
    assert_eq!(noted(&scene.store, "ann"), [4]);
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    assert_eq!(parked.len(), 3);
    for (parked, wanted) in parked.iter().zip(["U+0000", "empty", "600 bytes"]) {
        assert!(parked.error.contains(wanted), "{parked}");
        assert!(!parked.holds_key && parked.failures == 1, "{parked}");
    }
    running.stop().unwrap();
}

#[test]
fn what_another_service_sends_under_the_key_holds_up_nothing_of_others() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    let running = scene.start(parking());
    let mut forged = told("ann", 1);
    forged.source = "stranger".to_owned();
    let mut next = told("ann", 2);
    next.source = "stranger".to_owned();
    publish(&scene.bus, &[forged, next, told("ann", 3)]);
    assert_eq!(noted(&scene.store, "ann"), [3]);
    assert_eq!(running.parked_ids(), ["message-1", "message-2"]);
    let second = running.parked()[1].0.clone();
    block_on(running.handle.retry_message("service", &second)).unwrap();
    running.wait_until("service", |status| status.parked == 0);
    assert_eq!(noted(&scene.store, "ann"), [3, 1, 2]);
    assert!(notes(&scene.store, "inbox/service/held/").is_empty());
    assert!(notes(&scene.store, "inbox/service/behind/").is_empty());
    running.stop().unwrap();
}

#[test]
fn keys_of_any_length_can_be_parked_retried_and_evicted_and_who_sent_a_command_is_told() {
    for length in [440, 449, 480, 500, 700] {
        let scene = Scene::<MemoryStore>::new();
        scene.script.fail(1, 1);
        scene.script.fail(3, 1);
        let replies = Outlet::default();
        let midgard = scene.midgard(parking());
        let running = start(midgard.outbox(Outbox::new("customers"), replies.clone()));
        let key = "x".repeat(length);
        let (one, other) = (about("ann", 1, &key), about("ann", 2, &key));
        publish(&scene.bus, &[one, other]);
        assert_eq!(running.parked_ids(), ["message-1", "message-2"], "{length}");
        let first = running.parked()[0].0.clone();
        block_on(running.handle.retry_message("service", &first)).unwrap();
        running.wait_until("service", |status| status.parked == 0);
        assert_eq!(noted(&scene.store, "ann"), [1, 2]);

        publish(&scene.bus, &[count("ann", 3).with_key(&*key)]);
        let first = running.parked()[0].0.clone();
        block_on(running.handle.evict_message("service", &first)).unwrap();
        replies.wait_for(1);
        assert_eq!(
            replies.published()[0].name,
            <Refused as midgard::Event>::NAME
        );
        publish(&scene.bus, &[about("ann", 4, &key)]);
        assert_eq!(noted(&scene.store, "ann"), [1, 2, 4]);
        running.stop().unwrap();
    }
}

#[test]
fn ids_and_sources_of_any_length_are_remembered() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    let long = "i".repeat(2000);
    let mut other = told("ann", 2).with_id(&*long);
    other.source = "s".repeat(3000);
    let messages = [
        told("ann", 1).with_id(&*long),
        other,
        told("ann", 3).with_id(format!("{long}!")),
    ];
    publish(&scene.bus, &messages);
    publish(&scene.bus, &messages);
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 3]);
    assert_eq!(notes(&scene.store, "inbox/service/seen/").len(), 3);
    assert_eq!(notes(&scene.store, "inbox/service/seen-at/").len(), 3);
    running.stop().unwrap();
}

#[test]
fn what_an_earlier_release_took_for_a_strangers_is_handled_when_it_can_be_read() {
    let scene = Scene::<MemoryStore>::new();
    // As it was parked for its long key.
    let message = about("ann", 1, &"x".repeat(470)).to_json();
    let data = base64(message.as_bytes());
    let note = format!(
        r#"{{"format":1,"message":null,"attributes":[],"data":"{data}","key":null,"place":0,"error":"its key has 470 bytes, and at most 442 can be remembered","failures":0,"parked":1700000000000000,"tried":1700000000000000}}"#
    );
    let key = "inbox/service/parked/0190163d-8694-739b-aea5-966c26f8ad91";
    let mut write = EntryWrite::new();
    write.set(key.into(), Some(note.into_bytes()));
    block_on(scene.store.write_entries(write)).unwrap();
    let running = scene.start(parking());
    running.wait_until("service", |status| status.handled == 1);
    assert_eq!(noted(&scene.store, "ann"), [1]);
    publish(&scene.bus, &[about("ann", 1, &"x".repeat(470))]);
    assert_eq!(noted(&scene.store, "ann"), [1]);
    running.stop().unwrap();
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, at| {
            (number << 8) | usize::from(part.get(at).copied().unwrap_or_default())
        });
        for at in 0..4 {
            if at <= part.len() {
                text.push(LETTERS[(number >> (18 - 6 * at)) & 63].into());
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[test]
fn one_that_is_too_large_to_be_parked_is_not_overtaken_and_is_set_aside_each_time_it_comes() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, u32::MAX);
    let replies = Outlet::default();
    let midgard = scene.midgard(parking());
    let running = start(midgard.outbox(Outbox::new("customers"), replies.clone()));
    // As JSON in JSON, each quote of it takes four bytes.
    let filling = "\\\"".repeat(5 << 20);
    let huge = |mut message: Message| {
        message.payload.pop();
        let filling = format!(",\"filling\":\"{filling}\"}}");
        message.payload.extend(filling.into_bytes());
        message
    };
    let command = huge(count("ann", 1));
    publish(&scene.bus, &[command.clone(), count("ann", 2)]);
    assert_eq!(noted(&scene.store, "ann"), [] as [u64; 0]);
    replies.wait_for(1);
    let refused: Refused = replies.published()[0].decode().unwrap();
    assert!(refused.reason.contains("too large"), "{}", refused.reason);
    assert_eq!(scene.bus.set_aside("service").len(), 1);
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    let causes: Vec<_> = parked.iter().map(|parked| parked.cause).collect();
    assert_eq!(causes, [ParkedCause::TooLarge, ParkedCause::Follows]);
    assert!(parked[0].error.contains("evict"), "{}", parked[0].error);
    let foreign = parked[0].content.as_ref().unwrap_err();
    let id = ("id".to_owned(), "count-1".to_owned());
    assert!(foreign.attributes.contains(&id));

    // It may not have arrived there: nothing is acknowledged that is nowhere else.
    publish(&scene.bus, &[command]);
    assert_eq!(scene.bus.set_aside("service").len(), 2);
    assert_eq!(running.parked().len(), 2);
    // A retry changes nothing: it is not here.
    block_on(running.handle.retry_message("service", &parked[1].number)).unwrap();
    publish(&scene.bus, &[told("bob", 7)]);
    block_on(running.handle.evict_message("service", &parked[0].number)).unwrap();
    running.wait_until("service", |status| status.parked == 1);
    block_on(running.handle.retry_message("service", &parked[1].number)).unwrap();
    replies.wait_for(2);
    assert_eq!(noted(&scene.store, "ann"), [2]);
    running.stop().unwrap();
}

/// Fails at length.
#[derive(Inbox)]
#[inbox(name = "service", events(Told))]
struct Verbose;

impl Subscribe<Told> for Verbose {
    async fn receive(&self, _: Told, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Err("ä".repeat(20 << 20).into())
    }
}

#[test]
fn an_error_of_any_length_is_parked_with_its_beginning() {
    let scene = Scene::<MemoryStore>::new();
    let midgard = Midgard::new(scene.store.clone());
    let running = start(midgard.inbox_with(Verbose, scene.bus.clone(), parking()));
    publish(&scene.bus, &[told("ann", 1)]);
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    assert_eq!(parked.len(), 1);
    assert!(parked[0].content.is_ok() && parked[0].holds_key);
    let error = &parked[0].error;
    assert!(
        error.len() < 20_000 && error.ends_with("bytes in all)"),
        "{}",
        error.len()
    );
    running.stop().unwrap();
}

#[test]
fn parked_messages_come_in_pages_and_are_retried_by_what_they_failed_for() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    let messages: Vec<_> = (0..250)
        .map(|number| told(&format!("key-{number}"), number))
        .collect();
    for number in 0..250 {
        scene.script.fail(number, 1);
    }
    publish(&scene.bus, &messages);
    let all = block_on(running.handle.parked_messages("service")).unwrap();
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = running.handle.parked_messages_page("service", &after, 100);
        let page = block_on(page).unwrap();
        let is_last = page.len() < 100;
        paged.extend(page);
        if is_last {
            break;
        }
        after.clone_from(&paged.last().unwrap().number);
    }
    assert_eq!((paged.len(), &paged), (250, &all));
    // A tool that has no handler reads the same.
    let notes = StoreNotes::of(scene.store.clone());
    let read = |inbox, after: &str, limit| {
        let notes = InboxNotes::of(&notes, inbox);
        block_on(notes.parked_messages_after(after, limit)).unwrap()
    };
    assert_eq!(read("service", "", 1000), all);
    assert_eq!(read("service", &all[99].number, 2), all[100..102]);
    assert!(read("servic", "", 1000).is_empty());
    // Of the numbers 200 to 249.
    let retried = running.handle.retry_all_messages("service", |parked| {
        parked.cause == ParkedCause::Failed
            && parked.error.starts_with("no 2")
            && parked.error.len() == 12
    });
    assert_eq!(block_on(retried).unwrap(), 50);
    running.wait_until("service", |status| status.parked == 200);
    assert_eq!(noted(&scene.store, "key-249"), [249]);
    assert!(noted(&scene.store, "key-2").is_empty());
    let retried = running.handle.retry_all_messages("service", |_| true);
    assert_eq!(block_on(retried).unwrap(), 200);
    running.wait_until("service", |status| status.parked == 0);
    running.stop().unwrap();
}
