//! Records that stand for none or several events, as subscriptions, projections, process managers, outboxes and inboxes
//! read them.

use crate::kit::{append_raw, at_version, recorded};
use crate::records::{EmailSet, ItemAdded, Opened, Registered};
use futures_util::FutureExt as _;
use midgard::bus::{BusError, InProcessBus, Message, Published, Publisher};
use midgard::consumer::FailurePolicy;
use midgard::event::{NewEvent, RecordedEventRef};
use midgard::store::ReadLog;
use midgard::view::{Live, Select};
use midgard::{
    Context, Delivery, Event, EventSet, Expire, HandlerError, Inbox, MemoryStore, MessageContext,
    Midgard, MidgardHandle, Outbox, Place, Position, ProcessManager, Processes, Project,
    Projection, React, Reactions, StartFrom, Store, Subscribe, Subscription, View, Views, block_on,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(180);

fn items(items: &[u32]) -> NewEvent {
    at_version("cart.items_added", 1, json!({ "items": items }))
}

fn registered(owner: &str, email: Option<&str>) -> NewEvent {
    at_version(
        "cart.registered",
        1,
        json!({ "owner": owner, "email": email }),
    )
}

/// Runs a program until `check` has returned.
fn while_running(midgard: Midgard<MemoryStore>, check: impl FnOnce(&MidgardHandle)) {
    let handle = midgard.handle();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| block_on(midgard.run()));
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&handle)));
        handle.stop();
        running.join().unwrap().unwrap();
        checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn reached(handle: &MidgardHandle, name: &str, position: u64) {
    block_on(handle.wait_for(name, Place::main(Position(position)), LONG)).unwrap();
}

#[derive(Debug, Clone, EventSet)]
enum Told {
    Item(ItemAdded),
    Opened(Opened),
    Email(EmailSet),
}

fn text(event: &Told) -> String {
    match event {
        Told::Item(event) => event.item.to_string(),
        Told::Opened(event) => event.owner.clone(),
        Told::Email(event) => event.email.clone(),
    }
}

#[test]
fn a_subscription_is_handed_all_of_a_record_and_all_again_when_one_fails() {
    let store = MemoryStore::new();
    let records = vec![
        items(&[1, 2]),
        items(&[]),
        registered("ann", Some("a@x.org")),
    ];
    append_raw(&store, "cart-7", records);
    let handed = Arc::new(Mutex::new(Vec::new()));
    let has_failed = AtomicBool::new(false);
    let policy = FailurePolicy::retry(1).first_after(Duration::ZERO);
    let subscription = Subscription::<Told>::events("told", StartFrom::Start).on_failure(policy);
    let seen = handed.clone();
    let midgard = Midgard::new(store).subscribe(subscription, move |delivery: Delivery<Told>| {
        let told = text(&delivery.event);
        let fails = told == "2" && !has_failed.swap(true, Ordering::SeqCst);
        let position = delivery.recorded.position.get();
        seen.lock()
            .unwrap()
            .push((position, told, delivery.failures));
        async move { if fails { Err("not yet".into()) } else { Ok(()) } }
    });
    while_running(midgard, |handle| reached(handle, "told", 3));
    let expected = [
        (1, "1", 0),
        (1, "2", 0),
        (1, "1", 1),
        (1, "2", 1),
        (3, "ann", 0),
        (3, "a@x.org", 0),
    ];
    let expected = expected.map(|(position, told, failures)| (position, told.to_owned(), failures));
    assert_eq!(*handed.lock().unwrap(), expected);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = number)]
struct Line {
    number: u64,
    text: String,
}

/// Writes down what it is told, in order. Refuses one text as long as it is told to.
#[derive(Clone, Default, Projection)]
#[projection(name = "lines", events(EmailSet, Opened, ItemAdded), views(Line))]
struct Lines {
    refuses: Arc<AtomicBool>,
}

impl Lines {
    fn add(&self, text: String, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        if text == "refused" && self.refuses.load(Ordering::SeqCst) {
            return Err("it is refused".into());
        }
        let number = context.select::<Line>(Select::<Line>::keys(..))?.len() as u64;
        Ok(context.put(Line { number, text })?)
    }
}

impl Project<EmailSet> for Lines {
    async fn project(
        &self,
        event: EmailSet,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        self.add(event.email, context)
    }
}

impl Project<Opened> for Lines {
    async fn project(
        &self,
        event: Opened,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        self.add(event.owner, context)
    }
}

impl Project<ItemAdded> for Lines {
    async fn project(
        &self,
        event: ItemAdded,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        self.add(event.item.to_string(), context)
    }
}

fn lines(views: &Views) -> Vec<String> {
    let rows = views.select(Select::<Line>::keys(..)).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

#[test]
fn a_projection_takes_in_all_of_a_record_or_nothing() {
    let store = MemoryStore::new();
    let views = Views::new(store.clone());
    append_raw(
        &store,
        "cart-7",
        vec![registered("ann", Some("refused")), items(&[])],
    );
    append_raw(
        &store,
        "cart-8",
        vec![registered("bob", Some("b@x.org")), items(&[1, 2])],
    );
    let projection = Lines::default();
    projection.refuses.store(true, Ordering::SeqCst);
    let policy = FailurePolicy::retry(0).then_park();
    let options = midgard::consumer::ConsumerOptions::new().on_failure(policy);
    let midgard = Midgard::new(store).project_with(projection.clone(), views.clone(), options);
    while_running(midgard, |handle| {
        reached(handle, "lines", 4);
        assert_eq!(
            lines(&views),
            ["bob", "b@x.org", "1", "2"],
            "in the order of the split"
        );
        let letters = block_on(handle.dead_letters("lines")).unwrap();
        let parked: Vec<_> = letters
            .iter()
            .map(|letter| letter.place.position.get())
            .collect();
        assert_eq!(parked, [1, 2], "a record is one letter");
        projection.refuses.store(false, Ordering::SeqCst);
        block_on(handle.retry_all("lines", |_| true)).unwrap();
        while !block_on(handle.dead_letters("lines")).unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(
            lines(&views),
            ["bob", "b@x.org", "1", "2", "ann", "refused"]
        );
    });
}

#[test]
fn a_projection_on_demand_reads_them_too() {
    let store = MemoryStore::new();
    append_raw(
        &store,
        "cart-7",
        vec![registered("ann", None), items(&[1, 2])],
    );
    let live = Live::new(Lines::default(), store.clone());
    let stream = midgard::StreamName::new("cart-7").unwrap();
    let of_stream = Live::of_stream(Lines::default(), store, stream);
    for live in [live, of_stream] {
        let views = block_on(live.views()).unwrap();
        let rows = views.select(Select::<Line>::keys(..)).unwrap();
        let texts: Vec<_> = rows.into_iter().map(|row| row.text).collect();
        assert_eq!(texts, ["ann", "1", "2"]);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "greeting.due")]
struct GreetingDue {}

/// One process for each item, and one for each owner.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "greeter", id = String, events(ItemAdded, Opened, EmailSet), deadlines(GreetingDue))]
struct Greeter {
    told: Vec<String>,
}

impl React<ItemAdded> for Greeter {
    fn process(event: &ItemAdded, _: &RecordedEventRef<'_>) -> Option<String> {
        (event.item != 0).then(|| event.item.to_string())
    }

    fn react(&mut self, event: ItemAdded, _: &mut Reactions<Self>) {
        self.told.push(event.by.unwrap_or_default());
    }
}

impl React<Opened> for Greeter {
    fn process(_: &Opened, recorded: &RecordedEventRef<'_>) -> Option<String> {
        Some(recorded.stream.to_owned())
    }

    fn react(&mut self, event: Opened, reactions: &mut Reactions<Self>) {
        self.told.push(event.owner);
        reactions.remind(Duration::from_secs(3600), &GreetingDue {});
    }
}

impl React<EmailSet> for Greeter {
    fn process(_: &EmailSet, recorded: &RecordedEventRef<'_>) -> Option<String> {
        Some(recorded.stream.to_owned())
    }

    fn react(&mut self, event: EmailSet, reactions: &mut Reactions<Self>) {
        // What came before, also where the process was made again from its stream.
        assert_eq!(self.told.len(), 1, "{:?}", self.told);
        self.told.push(event.email);
        reactions.complete();
    }
}

impl Expire<GreetingDue> for Greeter {
    fn expired(&mut self, _: GreetingDue, _: &mut Reactions<Self>) {}
}

#[test]
fn processes_react_to_what_upcasts_have_made_and_are_made_of_it_again() {
    let store = MemoryStore::new();
    let by_ann = midgard::Metadata::new().with_header("user", "ann");
    append_raw(
        &store,
        "cart-7",
        vec![
            registered("ann", None),
            items(&[4, 0, 5]).with_metadata(by_ann),
        ],
    );
    let program =
        || Midgard::new(store.clone()).process_manager(Processes::<Greeter>::new(StartFrom::Start));
    while_running(program(), |handle| reached(handle, "greeter", 2));
    let reacted = |stream: &str| {
        let mut reacted = Vec::new();
        let mut each = |event: RecordedEventRef<'_>| {
            if event.stream == stream {
                let payload: serde_json::Value = serde_json::from_slice(event.payload).unwrap();
                reacted.push(format!(
                    "{} v{} {}",
                    payload["name"].as_str().unwrap(),
                    payload["version"],
                    payload["data"]
                ));
            }
            ControlFlow::Continue(())
        };
        block_on(store.read_log(&ReadLog::forward(), &mut each)).unwrap();
        reacted
    };
    assert_eq!(
        reacted("greeter-4"),
        [r#"cart.items_added v2 {"by":"ann","item":4}"#]
    );
    assert_eq!(reacted("greeter-5").len(), 1);
    assert_eq!(reacted("greeter-0").len(), 0);
    assert_eq!(
        reacted("greeter-cart-7"),
        [r#"cart.opened v1 {"owner":"ann"}"#]
    );

    // By another program, which knows of the process by its stream alone.
    let email = NewEvent::encode(&EmailSet {
        email: "a@x.org".into(),
    })
    .unwrap();
    append_raw(&store, "cart-7", vec![email]);
    let last = block_on(store.last_position(midgard::LogId::MAIN)).unwrap();
    while_running(program(), |handle| {
        block_on(handle.wait_for("greeter", Place::main(last), LONG)).unwrap();
        assert_eq!(block_on(handle.dead_letters("greeter")).unwrap(), []);
    });
    assert_eq!(reacted("greeter-cart-7").len(), 2);
}

/// Writes down what other services tell.
#[derive(Inbox)]
#[inbox(name = "reader", events(EmailSet, Opened, ItemAdded))]
struct Reader(Arc<Mutex<Vec<String>>>);

impl Reader {
    #[allow(clippy::needless_pass_by_value)] // Calls read as they should.
    fn note(&self, told: impl ToString) {
        self.0.lock().unwrap().push(told.to_string());
    }
}

impl Subscribe<EmailSet> for Reader {
    async fn receive(
        &self,
        event: EmailSet,
        _: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        self.note(event.email);
        Ok(())
    }
}

impl Subscribe<Opened> for Reader {
    async fn receive(&self, event: Opened, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        self.note(event.owner);
        Ok(())
    }
}

impl Subscribe<ItemAdded> for Reader {
    async fn receive(
        &self,
        event: ItemAdded,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        let by = event.by.unwrap_or_default();
        self.note(format!("{} {by} {}", event.item, context.message().id));
        Ok(())
    }
}

#[test]
fn an_inbox_receives_what_an_older_service_still_tells() {
    let bus = InProcessBus::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let midgard = Midgard::new(MemoryStore::new())
        .inbox(Reader(told.clone()), bus.clone())
        .outbox(Outbox::new("reader"), bus.clone());
    block_on(midgard.declare()).unwrap();
    let old = |name: &str, payload: serde_json::Value| {
        let payload = payload.to_string().into_bytes();
        Message::event("carts", name.to_owned(), 1, payload).with_key("7")
    };
    let mut items = old("cart.items_added", json!({ "items": [1, 2] })).with_id("m-2");
    items.headers.insert("user", "ann");
    let messages = [
        old(
            "cart.registered",
            json!({ "owner": "ann", "email": "a@x.org" }),
        ),
        items,
        old("cart.items_added", json!({ "items": [] })),
    ];
    // They are in the queue from then on.
    assert!(bus.publish(&messages).now_or_never().is_none());
    while_running(midgard, |handle| {
        let is_done = || {
            handle
                .status_of("reader")
                .is_ok_and(|status| status.handled == 3)
        };
        while !is_done() {
            std::thread::yield_now();
        }
    });
    assert_eq!(
        *told.lock().unwrap(),
        ["ann", "a@x.org", "1 ann m-2", "2 ann m-2"]
    );
}

/// A bus that keeps what is published.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Message>>>);

impl Publisher for Kept {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        self.0.lock().unwrap().extend_from_slice(messages);
        Ok(Published::default())
    }
}

#[test]
fn an_outbox_sends_a_message_for_each_and_always_the_same_ones() {
    let store = MemoryStore::new();
    append_raw(
        &store,
        "cart-7",
        vec![registered("ann", Some("a@x.org")), registered("bob", None)],
    );
    let sent = |outbox: Outbox| {
        let bus = Kept::default();
        let midgard = Midgard::new(store.clone()).outbox(outbox, bus.clone());
        while_running(midgard, |handle| reached(handle, "outbox", 2));
        bus.0.lock().unwrap().clone()
    };
    let outbox = |bus: &str| Outbox::new("carts").bus_id(bus);
    let both = |bus: &str| outbox(bus).publish::<EmailSet>().publish::<Opened>();
    let all = sent(both("one"));
    let told: Vec<_> = all
        .iter()
        .map(|message| (&*message.name, &*message.payload))
        .collect();
    assert_eq!(
        told,
        [
            ("cart.opened", &br#"{"owner":"ann"}"#[..]),
            ("cart.email_set", br#"{"email":"a@x.org"}"#),
            ("cart.opened", br#"{"owner":"bob"}"#),
        ]
    );
    let ids: HashSet<_> = all.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), 3, "each is a message of its own");
    assert_eq!(all, sent(both("two")), "published again, they are the same");
    let only = sent(outbox("three").publish::<EmailSet>());
    assert_eq!(only, [all[1].clone()], "whatever else leaves");
    let itself = outbox("four").map(|old: Registered, _| Some(Opened { owner: old.owner }));
    let itself = sent(itself.publish::<EmailSet>());
    assert_eq!(itself.len(), 2, "nothing leaves in its place");
    let ids: Vec<_> = itself.iter().map(|message| message.id.clone()).collect();
    let records = recorded(&store)
        .into_iter()
        .map(|record| record.id.to_string());
    assert_eq!(
        ids,
        records.collect::<Vec<_>>(),
        "it has the id of its record"
    );
}
