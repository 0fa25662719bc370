//! Old events that have become none, one or several, by functions that see their records.

use crate::kit::{append_raw, at_version, recorded};
use midgard::event::{
    DecodeReason, Encoded, NewEvent, Registry, Split, SplitEvents, UpcastContext,
};
use midgard::store::{Append, ExpectedVersion, Query};
use midgard::{
    Aggregate, Apply, Command, Event, EventId, EventSet, Events, MemoryStore, Metadata, Repository,
    Store, StreamName, block_on, events,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::convert::Infallible;

/// Once, all items of an order stood in one event.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.items_added")]
pub(crate) struct ItemsAddedV1 {
    pub(crate) items: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "cart.items_added", version = 2, upcast_from = ItemsAddedV1, upcast_with = one_by_one)]
pub(crate) struct ItemAdded {
    pub(crate) item: u32,
    /// Of the header `user`.
    pub(crate) by: Option<String>,
}

fn one_by_one(old: ItemsAddedV1, context: &UpcastContext<'_>) -> Vec<ItemAdded> {
    let by = context.headers().get("user").map(ToOwned::to_owned);
    let items = old.items.into_iter();
    items
        .map(|item| ItemAdded {
            item,
            by: by.clone(),
        })
        .collect()
}

/// Once, it said too little to be of use.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.viewed")]
struct ViewedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.viewed", version = 2, upcast_from = ViewedV1, upcast_with = by_whom)]
struct Viewed {
    by: String,
}

fn by_whom(_: ViewedV1, context: &UpcastContext<'_>) -> Option<Viewed> {
    let by = context.headers().get("user")?.to_owned();
    Some(Viewed { by })
}

/// Once, two things were one event.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.registered")]
pub(crate) struct Registered {
    pub(crate) owner: String,
    pub(crate) email: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.opened", split_from(Registered))]
#[publish]
pub(crate) struct Opened {
    pub(crate) owner: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.email_set", split_from(Registered))]
#[publish]
pub(crate) struct EmailSet {
    pub(crate) email: String,
}

impl Split for Registered {
    fn split(self, _: &UpcastContext<'_>) -> SplitEvents<Self> {
        let mut events = SplitEvents::new();
        events.push(Opened { owner: self.owner });
        if let Some(email) = self.email {
            events.push(EmailSet { email });
        }
        events
    }
}

/// What was there before that, and had two versions.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.signed_up")]
struct SignedUpV1 {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.signed_up", version = 2, upcast_from = SignedUpV1)]
struct SignedUp {
    name: String,
    domain: String,
}

impl From<SignedUpV1> for SignedUp {
    fn from(old: SignedUpV1) -> Self {
        SignedUp {
            name: old.name,
            domain: "x.org".to_owned(),
        }
    }
}

/// It takes the place of an event, and another two take its own.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.joined", split_from(SignedUp))]
struct Joined {
    name: String,
    email: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.named", split_from(Joined))]
struct Named {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.reachable", split_from(Joined))]
struct Reachable {
    email: String,
}

impl Split for SignedUp {
    fn split(self, context: &UpcastContext<'_>) -> SplitEvents<Self> {
        assert_eq!(context.name(), "cart.signed_up");
        let mut events = SplitEvents::new();
        events.push(Joined {
            email: format!("{}@{}", self.name, self.domain),
            name: self.name,
        });
        events
    }
}

impl Split for Joined {
    fn split(self, _: &UpcastContext<'_>) -> SplitEvents<Self> {
        let mut events = SplitEvents::new();
        events.push(Reachable { email: self.email });
        events.push(Named { name: self.name });
        events
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "cart", id = u64, events(ItemAdded, Viewed, Opened, EmailSet, Named, Reachable))]
struct Cart {
    told: Vec<String>,
}

impl Apply<ItemAdded> for Cart {
    fn apply(&mut self, event: ItemAdded) {
        let by = event.by.unwrap_or_default();
        self.told.push(format!("item {} by {by}", event.item));
    }
}

impl Apply<Viewed> for Cart {
    fn apply(&mut self, event: Viewed) {
        self.told.push(format!("viewed by {}", event.by));
    }
}

impl Apply<Opened> for Cart {
    fn apply(&mut self, event: Opened) {
        self.told.push(format!("opened by {}", event.owner));
    }
}

impl Apply<EmailSet> for Cart {
    fn apply(&mut self, event: EmailSet) {
        self.told.push(format!("email {}", event.email));
    }
}

impl Apply<Named> for Cart {
    fn apply(&mut self, event: Named) {
        self.told.push(format!("name {}", event.name));
    }
}

impl Apply<Reachable> for Cart {
    fn apply(&mut self, event: Reachable) {
        self.told.push(format!("reachable {}", event.email));
    }
}

struct Add(u32);

impl Command<Cart> for Add {
    type Error = Infallible;

    fn decide(&self, _: &Cart) -> Result<Events<Cart>, Infallible> {
        Ok(events![ItemAdded {
            item: self.0,
            by: None
        }])
    }
}

fn cart(records: Vec<NewEvent>) -> (MemoryStore, Repository<Cart, MemoryStore>) {
    let store = MemoryStore::new();
    append_raw(&store, "cart-7", records);
    (store.clone(), Repository::new(store))
}

fn by_ann(event: NewEvent) -> NewEvent {
    event.with_metadata(Metadata::new().with_header("user", "ann"))
}

fn items(items: &[u32]) -> NewEvent {
    at_version("cart.items_added", 1, json!({ "items": items }))
}

fn registered(email: Option<&str>) -> NewEvent {
    at_version(
        "cart.registered",
        1,
        json!({ "owner": "ann", "email": email }),
    )
}

#[test]
fn an_aggregate_applies_all_that_a_record_stands_for() {
    let (_, carts) = cart(vec![
        registered(Some("a@x.org")),
        by_ann(items(&[1, 2])),
        items(&[]),
        at_version("cart.viewed", 1, json!({})),
        by_ann(at_version("cart.viewed", 1, json!({}))),
        registered(None),
    ]);
    let cart = block_on(carts.load(&7)).unwrap();
    assert_eq!(
        cart.state().told,
        [
            "opened by ann",
            "email a@x.org",
            "item 1 by ann",
            "item 2 by ann",
            "viewed by ann",
            "opened by ann",
        ]
    );
}

#[test]
fn a_record_is_one_version_and_one_position_whatever_it_stands_for() {
    let (store, carts) = cart(vec![items(&[1, 2, 3]), items(&[])]);
    let cart = block_on(carts.load(&7)).unwrap();
    assert_eq!(cart.version().get(), 2);
    assert_eq!(cart.place().unwrap().position.get(), 2);
    let executed = block_on(carts.execute(&7, &Add(4))).unwrap();
    assert_eq!(executed.version().get(), 3);
    let earlier = block_on(carts.load_at(&7, midgard::Version(1))).unwrap();
    assert_eq!(earlier.state().told.len(), 3);
    assert_eq!(recorded(&store).len(), 3);
}

#[test]
fn an_upcast_sees_the_record() {
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "seen")]
    struct SeenV1 {}

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "seen", version = 2, upcast_from = SeenV1, upcast_with = seen)]
    struct Seen {
        text: String,
    }

    fn seen(_: SeenV1, context: &UpcastContext<'_>) -> Seen {
        let text = format!(
            "{} v{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            context.name(),
            context.schema_version(),
            context.id(),
            context.time(),
            context.stream(),
            context.version().map(midgard::Version::get),
            context.position().map(midgard::Position::get),
            context.correlation_id(),
            context.causation_id(),
            context.headers().get("user"),
        );
        Seen { text }
    }

    let store = MemoryStore::new();
    let (correlation, cause) = (EventId::new(), EventId::new());
    let metadata = Metadata::new()
        .with_correlation_id(correlation)
        .with_causation_id(cause)
        .with_header("user", "ann");
    let event = at_version("seen", 1, json!({})).with_metadata(metadata);
    append_raw(&store, "other", vec![items(&[1])]);
    append_raw(&store, "seen-1", vec![items(&[1]), event]);
    let record = recorded(&store).pop().unwrap();
    let expected = format!(
        "seen v1 {:?} {:?} Some(\"seen-1\") Some(2) Some(3) {:?} {:?} Some(\"ann\")",
        Some(record.id),
        Some(record.time),
        Some(correlation),
        Some(cause),
    );
    assert_eq!(record.decode::<Seen>().unwrap().text, expected);

    let encoded = Encoded::json("seen", 1, b"{}".to_vec());
    let without = encoded.view().read::<Seen>().unwrap().text;
    assert_eq!(without, "seen v1 None None None None None None None None");
}

#[test]
fn who_asks_for_one_event_is_told_when_there_are_others() {
    let (store, _) = cart(vec![
        items(&[1]),
        items(&[1, 2]),
        items(&[]),
        registered(None),
    ]);
    let all = recorded(&store);
    assert_eq!(all[0].decode::<ItemAdded>().unwrap().item, 1);
    for (record, events) in [(&all[1], 2), (&all[2], 0)] {
        let error = record.decode::<ItemAdded>().unwrap_err();
        assert!(matches!(error.reason, DecodeReason::NotOne { events: told } if told == events));
        assert!(
            error
                .to_string()
                .contains(&format!("make {events} events of it")),
            "{error}"
        );
        assert_eq!(record.decode_all::<ItemAdded>().unwrap().len(), events);
    }
    let registry = Registry::new().with::<CartEvent>().unwrap();
    let items = registry.decode_all(&all[1].view()).unwrap();
    let items: Vec<_> = items
        .into_iter()
        .map(|event| format!("{event:?}"))
        .collect();
    assert_eq!(items.len(), 2);
    assert!(items[0].starts_with("ItemAdded { item: 1"), "{items:?}");
    assert!(registry.decode(&all[2].view()).is_err());
}

#[test]
fn what_takes_the_place_of_an_event_may_be_replaced_itself() {
    let (store, carts) = cart(vec![at_version(
        "cart.signed_up",
        1,
        json!({ "name": "ann" }),
    )]);
    let cart = block_on(carts.load(&7)).unwrap();
    assert_eq!(
        cart.state().told,
        ["reachable ann@x.org", "name ann"],
        "in the order of the split"
    );
    let record = recorded(&store).pop().unwrap();
    let joined: Vec<Joined> = record.decode_all().unwrap().into_iter().collect();
    assert_eq!(joined.len(), 1, "a reader that lists it is given it");
    assert_eq!(
        record.decode::<Named>().unwrap().name,
        "ann",
        "one of them alone"
    );
    assert_eq!(
        record.decode::<SignedUp>().unwrap().domain,
        "x.org",
        "the event itself"
    );
}

#[test]
fn a_set_within_a_set_is_read_in_the_order_of_the_split() {
    #[derive(Debug, Clone, EventSet)]
    enum Inner {
        Email(EmailSet),
    }

    #[derive(Debug, Clone, EventSet)]
    enum Outer {
        Inner(Inner),
        Opened(Opened),
    }

    let (store, _) = cart(vec![registered(Some("a@x.org"))]);
    let record = recorded(&store).pop().unwrap();
    let all: Vec<Outer> = record.decode_all().unwrap().into_iter().collect();
    assert!(
        matches!(&all[..], [Outer::Opened(_), Outer::Inner(Inner::Email(_))]),
        "{all:?}"
    );
    let inner: Vec<Inner> = record.decode_all().unwrap().into_iter().collect();
    assert_eq!(inner.len(), 1);
}

#[test]
fn a_query_for_events_asks_for_those_that_they_take_the_place_of() {
    let names = |query: Query| query.items()[0].names().to_vec();
    let both = ["cart.opened".to_owned(), "cart.registered".to_owned()];
    assert_eq!(names(Query::events::<Opened>()), both);
    let all = ["cart.named", "cart.joined", "cart.signed_up"].map(ToOwned::to_owned);
    assert_eq!(names(Query::events::<Named>()), all);
    assert_eq!(
        names(Query::events::<Registered>()),
        ["cart.registered".to_owned()]
    );
}

#[test]
fn an_old_event_that_cannot_be_read_fails_the_load() {
    let broken = at_version("cart.registered", 1, json!({ "owner": 7 }));
    let newer = at_version("cart.registered", 2, json!({}));
    for (record, reason) in [(broken, "a string"), (newer, "versions 1 to 1")] {
        let (_, carts) = cart(vec![record]);
        let error = block_on(carts.load(&7)).unwrap_err().to_string();
        assert!(error.contains("\"cart.registered\""), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn what_is_written_is_the_newest_version_of_one_event() {
    let (store, carts) = cart(vec![items(&[1])]);
    block_on(carts.execute(&7, &Add(2))).unwrap();
    let last = recorded(&store).pop().unwrap();
    assert_eq!((&*last.name, last.schema_version), ("cart.items_added", 2));
    let stream = StreamName::new("cart-8").unwrap();
    let opened = NewEvent::encode(&Opened {
        owner: "bob".into(),
    })
    .unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::NoStream, [opened]))).unwrap();
    assert_eq!(recorded(&store).pop().unwrap().name, "cart.opened");
}
