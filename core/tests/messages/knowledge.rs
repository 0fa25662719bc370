//! What one release of a service parks because it does not know it, and another release knows.

use super::kit::{
    Count, Counted, Feed, Noted, Running, Scene, Told, notes, parking, publish, start, told,
};
use midgard::bus::{Message, Purpose};
use midgard::consumer::{ConsumerState, FailurePolicy};
use midgard::event::{Codec, Encoded, NewEvent};
use midgard::inbox::{InboxOptions, ParkedCause};
use midgard::store::EntryWrite;
use midgard::store::ExpectedVersion;
use midgard::{
    Event, Handle, HandlerError, Inbox, MemoryStore, MessageContext, Midgard, RemoteCommand,
    Store as _, StreamName, Subscribe, block_on,
};
use serde::{Deserialize, Serialize};

/// What others tell, as the new release knows it.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "told", version = 2, upcast_from = Told)]
struct Retold {
    key: String,
    number: u64,
    name: String,
}

impl From<Told> for Retold {
    fn from(told: Told) -> Self {
        let (Told { key, number }, name) = (told, String::new());
        Retold { key, number, name }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "count", service = "service", version = 2, upcast_from = Count, reply = Counted)]
struct Recount {
    key: String,
    number: u64,
    politely: bool,
}

impl From<Count> for Recount {
    fn from(count: Count) -> Self {
        let Count { key, number } = count;
        Recount {
            key,
            number,
            politely: false,
        }
    }
}

/// Only the new release asks for it.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "retracted")]
struct Retracted {
    key: String,
    number: u64,
}

/// The new release of the service. What is in the streams is no riddle to it.
#[derive(Inbox)]
#[inbox(name = "service", events(Retold, Retracted), commands(Recount))]
struct NewService;

fn note(key: &str, number: u64, context: &mut MessageContext<'_>) -> Result<(), HandlerError> {
    let stream = StreamName::new(format!("notes-{key}"))?;
    context.record(stream, ExpectedVersion::Any, &Noted { number })
}

impl Subscribe<Retold> for NewService {
    async fn receive(
        &self,
        told: Retold,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        note(&told.key, told.number, context)
    }
}

impl Subscribe<Retracted> for NewService {
    async fn receive(
        &self,
        retracted: Retracted,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        note(&retracted.key, retracted.number, context)
    }
}

impl Handle<Recount> for NewService {
    async fn handle(
        &self,
        count: Recount,
        context: &mut MessageContext<'_>,
    ) -> Result<Counted, HandlerError> {
        note(&count.key, count.number, context)?;
        Ok(Counted { notes: 1 })
    }
}

fn old(scene: &Scene<MemoryStore>) -> Midgard<MemoryStore> {
    scene.midgard(parking())
}

fn new(scene: &Scene<MemoryStore>) -> Midgard<MemoryStore> {
    Midgard::new(scene.store.clone())
        .inbox_with(NewService, scene.bus.clone(), parking())
        .outbox_elsewhere()
}

fn retold(key: &str, number: u64) -> Message {
    let retold = Retold {
        key: key.to_owned(),
        number,
        name: "x".to_owned(),
    };
    let data = serde_json::to_vec(&retold).unwrap();
    let told = told(key, number);
    Message::event("orders", "told", 2, data)
        .with_id(told.id)
        .with_key(key)
}

fn recount(key: &str, number: u64) -> Message {
    let recount = Recount {
        key: key.to_owned(),
        number,
        politely: true,
    };
    let purpose = Purpose::Command {
        service: "service".to_owned(),
    };
    let data = serde_json::to_vec(&recount).unwrap();
    Message::new(purpose, "orders", Encoded::json(Count::NAME, 2, data)).with_key(key)
}

/// Records what the aggregate of the old release cannot read.
fn sign(scene: &Scene<MemoryStore>, key: &str) {
    let signed = NewEvent::json("signed", 1, b"{}".to_vec());
    super::kit::append(&scene.store, &format!("notes-{key}"), signed);
}

/// The numbers of a key, though there are other events.
fn written(scene: &Scene<MemoryStore>, key: &str) -> Vec<u64> {
    let stream = StreamName::new(format!("notes-{key}")).unwrap();
    let mut numbers = Vec::new();
    let read = midgard::store::ReadStream::forward(stream);
    let mut each = |event: midgard::event::RecordedEventRef<'_>| {
        if event.name == Noted::NAME {
            numbers.push(event.decode::<Noted>().unwrap().number);
        }
        std::ops::ControlFlow::Continue(())
    };
    block_on(scene.store.read_stream(&read, &mut each)).unwrap();
    numbers
}

fn causes(running: &Running) -> Vec<(ParkedCause, bool)> {
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    let parked = parked.iter();
    parked.map(|one| (one.cause, one.holds_key)).collect()
}

#[test]
fn what_is_written_with_a_codec_that_only_a_newer_release_may_know_is_not_overtaken() {
    let scene = Scene::<MemoryStore>::new();
    let running = start(old(&scene));
    let mut packed = told("ann", 1);
    packed.codec = Codec::from_code(200);
    publish(&scene.bus, &[packed, told("ann", 2), told("bob", 3)]);
    let expected = [(ParkedCause::Unread, true), (ParkedCause::Follows, true)];
    assert_eq!(causes(&running), expected);
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    let content = parked[0].content.as_ref().unwrap();
    assert_eq!(content.codec.code(), 200, "it is kept as it came");
    running.stop().unwrap();
    assert_eq!(written(&scene, "bob"), [3]);
}

#[test]
fn newer_versions_that_the_old_release_parked_are_handled_by_the_new_one_however_old_they_are() {
    let scene = Scene::<MemoryStore>::new();
    let running = start(old(&scene));
    publish(&scene.bus, &[retold("ann", 1), recount("bob", 2)]);
    // It waits for its turn, and others do not.
    publish(&scene.bus, &[told("ann", 3), told("cid", 4)]);
    let unread = (ParkedCause::Unread, true);
    assert_eq!(
        causes(&running),
        [unread, unread, (ParkedCause::Follows, true)]
    );
    running.stop().unwrap();
    assert_eq!(written(&scene, "cid"), [4]);
    // Days later.
    let prefix = "inbox/service/parked/";
    for (number, note) in notes(&scene.store, prefix) {
        let at = note.find("\"parked\":").unwrap() + 9;
        let note = format!("{}1{}", &note[..at], &note[at + 1..]);
        let long_ago = note.replacen(&note[at..at + 4], "1600", 1);
        let mut write = EntryWrite::new();
        write.set(
            format!("{prefix}{number}").into_bytes(),
            Some(long_ago.into_bytes()),
        );
        block_on(scene.store.write_entries(write)).unwrap();
    }
    let running = start(new(&scene));
    running.wait_until("service", |status| {
        status.handled == 3 && status.parked == 0
    });
    assert_eq!(written(&scene, "ann"), [1, 3]);
    assert_eq!(written(&scene, "bob"), [2]);
    running.stop().unwrap();
}

#[test]
fn an_aggregate_that_the_old_release_cannot_read_lets_its_key_wait_for_the_new_one() {
    let scene = Scene::<MemoryStore>::new();
    sign(&scene, "ann");
    let running = start(old(&scene));
    // The old one cannot read what the new one has recorded, and others go on.
    publish(
        &scene.bus,
        &[told("ann", 2), told("ann", 3), told("bob", 4)],
    );
    let wanted = [(ParkedCause::Unread, true), (ParkedCause::Follows, true)];
    assert_eq!(causes(&running), wanted);
    running.stop().unwrap();
    assert_eq!(written(&scene, "bob"), [4]);
    let running = start(new(&scene));
    running.wait_until("service", |status| {
        status.parked == 0 && status.handled == 2
    });
    publish(&scene.bus, &[told("ann", 5)]);
    assert_eq!(written(&scene, "ann"), [2, 3, 5]);
    running.stop().unwrap();
}

#[test]
fn what_the_old_release_cannot_read_is_not_skipped_whatever_the_policy() {
    let scene = Scene::<MemoryStore>::new();
    sign(&scene, "ann");
    let skips = InboxOptions::new().on_failure(FailurePolicy::retry(0).then_skip());
    let running = start(scene.midgard(skips));
    publish(&scene.bus, &[told("ann", 2)]);
    running.stop().unwrap();
    let running = start(new(&scene));
    running.wait_until("service", |status| {
        status.parked == 0 && status.handled == 1
    });
    assert_eq!(written(&scene, "ann"), [2]);
    running.stop().unwrap();
}

#[test]
fn both_releases_at_once_hand_to_each_other_what_only_one_knows() {
    let scene = Scene::<MemoryStore>::new();
    let old = start(old(&scene));
    old.wait_until("service", |status| status.state == ConsumerState::Live);
    // It stands by, as the old one is at work.
    let new = start(new(&scene));
    publish(&scene.bus, &[retold("ann", 1), told("bob", 2)]);
    new.wait_until("service", |status| status.handled == 1);
    sign(&scene, "ann");
    publish(&scene.bus, &[told("ann", 3)]);
    new.wait_until("service", |status| status.handled == 2);
    assert_eq!(written(&scene, "ann"), [1, 3]);
    new.stop().unwrap();
    old.stop().unwrap();
    let left = notes(&scene.store, "inbox/service/parked/");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_an_earlier_release_parked_alone_is_taken_up_once_a_failure_is_out_of_its_way() {
    let scene = Scene::<MemoryStore>::new();
    // It could not be read, and let later ones pass.
    let message = serde_json::to_string(&retold("ann", 1).to_json()).unwrap();
    let note = format!(
        r#"{{"format":1,"message":{message},"attributes":[],"data":"","key":null,"place":0,"error":"it cannot be read","failures":0,"parked":1700000000000000,"tried":1700000000000000}}"#
    );
    let key = "inbox/service/parked/0190163d-8694-739b-aea5-966c26f8ad91";
    let mut write = EntryWrite::new();
    write.set(key.into(), Some(note.into_bytes()));
    block_on(scene.store.write_entries(write)).unwrap();
    // A later one of its key fails.
    scene.script.fail(2, 1);
    let running = start(old(&scene));
    publish(&scene.bus, &[told("ann", 2)]);
    let number = running.parked()[1].0.clone();
    running.stop().unwrap();
    let running = start(new(&scene));
    // It waits behind the one that has failed.
    publish(&scene.bus, &[told("bob", 3)]);
    assert_eq!(running.parked().len(), 2);
    block_on(running.handle.retry_message("service", &number)).unwrap();
    running.wait_until("service", |status| status.parked == 0);
    assert_eq!(written(&scene, "ann"), [2, 1]);
    running.stop().unwrap();
}

/// The old release, with what still waits in its queue from when the new one asked for it.
fn old_after_new(scene: &Scene<MemoryStore>, messages: &[Message]) -> Running {
    let feed = Feed::default();
    feed.put(messages.iter().cloned().map(Ok));
    let service = super::kit::Service(scene.script.clone());
    let midgard = Midgard::new(scene.store.clone())
        .inbox_with(service, feed.clone(), parking())
        .outbox_elsewhere();
    let running = start(midgard);
    for message in messages {
        feed.wait_for_acknowledged(&message.id);
    }
    running
}

fn retracted(key: &str, number: u64) -> Message {
    let retracted = Retracted {
        key: key.to_owned(),
        number,
    };
    let data = serde_json::to_vec(&retracted).unwrap();
    let told = told(key, number);
    Message::event(told.source, Retracted::NAME, 1, data)
        .with_id(told.id)
        .with_key(key)
}

#[test]
fn an_event_that_the_old_release_has_no_handler_for_is_not_overtaken_by_its_key() {
    let scene = Scene::<MemoryStore>::new();
    let messages = [
        told("ann", 1),
        retracted("ann", 2),
        told("ann", 3),
        told("bob", 4),
        retracted("ann", 5),
    ];
    let running = old_after_new(&scene, &messages);
    let follows = (ParkedCause::Follows, true);
    assert_eq!(
        causes(&running),
        [(ParkedCause::Unread, true), follows, follows]
    );
    // Who asks for it where it is not known changes nothing.
    let number = running.parked()[0].0.clone();
    block_on(running.handle.retry_message("service", &number)).unwrap();
    running.stop().unwrap();
    assert_eq!(written(&scene, "bob"), [4]);
    let running = start(new(&scene));
    running.wait_until("service", |status| status.parked == 0);
    publish(&scene.bus, &[told("ann", 6)]);
    assert_eq!(written(&scene, "ann"), [1, 2, 3, 5, 6]);
    running.stop().unwrap();
    assert!(notes(&scene.store, "inbox/service/held/").is_empty());
    assert!(notes(&scene.store, "inbox/service/behind/").is_empty());
}

#[test]
fn of_what_cannot_be_read_a_newer_version_alone_holds_up_its_key_and_that_of_its_source_alone() {
    let scene = Scene::<MemoryStore>::new();
    let mut broken = told("ann", 1);
    broken.payload = b"{".to_vec();
    let mut unversioned = told("ann", 2);
    unversioned.schema_version = 0;
    let mut forged = retold("ann", 3);
    forged.source = "stranger".to_owned();
    let running = old_after_new(&scene, &[broken, unversioned, forged, told("ann", 4)]);
    let alone = (ParkedCause::Unread, false);
    assert_eq!(
        causes(&running),
        [alone, alone, (ParkedCause::Unread, true)]
    );
    assert_eq!(written(&scene, "ann"), [4]);
    running.stop().unwrap();
}

#[test]
fn what_follows_one_that_no_release_knows_is_handled_without_being_asked_once_that_is_evicted() {
    let scene = Scene::<MemoryStore>::new();
    let messages = [retracted("ann", 1), told("ann", 2), told("ann", 3)];
    let running = old_after_new(&scene, &messages);
    let number = running.parked()[0].0.clone();
    block_on(running.handle.evict_message("service", &number)).unwrap();
    running.wait_until("service", |status| status.parked == 2);
    // It may be killed here: whoever comes next goes on.
    running.stop().unwrap();
    let running = start(old(&scene));
    running.wait_until("service", |status| status.parked == 0);
    publish(&scene.bus, &[told("ann", 4)]);
    assert_eq!(written(&scene, "ann"), [2, 3, 4]);
    running.stop().unwrap();
}
