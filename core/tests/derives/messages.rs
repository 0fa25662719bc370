//! What the derives of published events, commands, inboxes and process managers generate, at run time. What
//! they refuse is in `compile.rs`.

use crate::common::{AccountEvent, Audited, Deposited, DepositedV1, Opened};
use futures_util::TryStreamExt;
use midgard::bus::Topic;
use midgard::event::{Codec, EncodedRef};
use midgard::event::{NewEvent, RecordedEvent, RecordedEventRef};
use midgard::outbox::Publish;
use midgard::process::Concerned;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{
    Done, Event, Expire, Handle, HandlerError, Inbox, MemoryStore, MessageContext, ProcessManager,
    React, Reactions, RemoteCommand, Resolve, Store, StreamName, Subscribe, block_on,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "shop.order_placed")]
#[publish(key = customer)]
struct OrderPlaced {
    order: u64,
    customer: Customer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Customer(u32);

impl std::fmt::Display for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "customer-{}", self.0)
    }
}

/// Has a key of its own where it knows one.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.viewed")]
#[publish(key = r#type)]
struct OrderViewed {
    r#type: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
#[publish]
struct OrderCancelled {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.counted")]
#[publish(key = 1)]
struct OrderCounted(u64, String);

#[test]
fn the_key_of_a_published_event_is_the_text_of_the_field() {
    let customer = Customer(4);
    let placed = OrderPlaced { order: 7, customer };
    assert_eq!(placed.key().as_deref(), Some("customer-4"));
    let counted = OrderCounted(7, "north".to_owned());
    assert_eq!(counted.key().as_deref(), Some("north"));
    let viewed = |r#type: Option<&str>| OrderViewed {
        r#type: r#type.map(str::to_owned),
    };
    assert_eq!(viewed(Some("web")).key().as_deref(), Some("web"));
    assert_eq!(viewed(None).key(), None);
    assert_eq!(OrderCancelled { order: 7 }.key(), None);
    let have_keys = [
        OrderPlaced::HAS_KEY,
        OrderCounted::HAS_KEY,
        OrderViewed::HAS_KEY,
        OrderCancelled::HAS_KEY,
    ];
    assert_eq!(have_keys, [true, true, true, false]);
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCreditV1 {
    customer: Customer,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "credit.reserve",
    service = "customers",
    version = 2,
    upcast_from = ReserveCreditV1,
    reply = CreditReserved
)]
struct ReserveCreditV2 {
    customer: Customer,
    dollars: u64,
}

impl From<ReserveCreditV1> for ReserveCreditV2 {
    fn from(old: ReserveCreditV1) -> Self {
        ReserveCreditV2 {
            customer: old.customer,
            dollars: 1,
        }
    }
}

/// The first version was answered with no more than that it is done.
impl From<Done> for CreditReserved {
    fn from(_: Done) -> Self {
        CreditReserved { cents_left: 0 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "credit.reserve",
    service = "customers",
    version = 3,
    upcast_from = ReserveCreditV2,
    key = customer,
    reply = CreditReserved
)]
struct ReserveCredit {
    customer: Customer,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "credit.reserved")]
struct CreditReserved {
    cents_left: u64,
}

/// Is answered with `Done`.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers")]
struct ReleaseCredit;

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.close", service = "customers", key = 0)]
struct CloseCredit(Option<Option<u32>>);

#[test]
fn a_command_knows_its_names_its_version_and_its_key() {
    let reserve = ReserveCredit {
        customer: Customer(4),
        cents: 1,
    };
    assert_eq!(ReserveCredit::NAME, "credit.reserve");
    assert_eq!(
        (ReserveCredit::SERVICE, ReserveCredit::VERSION),
        ("customers", 3)
    );
    assert_eq!(reserve.key().as_deref(), Some("customer-4"));
    assert_eq!((ReleaseCredit::VERSION, ReleaseCredit.key()), (1, None));
    assert_eq!(CloseCredit(Some(Some(4))).key().as_deref(), Some("4"));
    assert_eq!(CloseCredit(Some(None)).key(), None);
}

impl From<ReserveCreditV2> for ReserveCredit {
    fn from(old: ReserveCreditV2) -> Self {
        ReserveCredit {
            customer: old.customer,
            cents: old.dollars * 100,
        }
    }
}

#[test]
fn a_command_is_read_in_each_of_its_versions() {
    let read = |schema_version, payload: &str| {
        let encoded = EncodedRef {
            name: ReserveCredit::NAME,
            schema_version,
            codec: Codec::JSON,
            payload: payload.as_bytes(),
        };
        let read = midgard::command::read_command::<ReserveCredit>(&encoded);
        read.map(|command| (command.customer.0, command.cents))
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(1, r#"{"customer":4}"#), Ok((4, 100)));
    assert_eq!(read(2, r#"{"customer":4,"dollars":7}"#), Ok((4, 700)));
    assert_eq!(read(3, r#"{"customer":4,"cents":7}"#), Ok((4, 7)));
    for unknown in [0, 4] {
        let error = read(unknown, r#"{"customer":4,"cents":7}"#).unwrap_err();
        assert!(error.contains("knows versions 1 to 3"), "{error}");
    }
    let error = read(2, r#"{"customer":4,"cents":7}"#).unwrap_err();
    assert!(error.contains("missing field `dollars`"), "{error}");
}

#[test]
fn a_command_has_the_reply_that_is_said_or_done() {
    fn reply<C: RemoteCommand>() -> &'static str {
        C::Reply::NAME
    }
    assert_eq!(reply::<ReserveCredit>(), CreditReserved::NAME);
    assert_eq!(reply::<ReleaseCredit>(), Done::NAME);
}

#[derive(Inbox)]
#[inbox(
    name = "customers",
    events(OrderPlaced, AccountEvent),
    commands(ReserveCredit, ReleaseCredit)
)]
struct Customers;

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(
        &self,
        _: OrderPlaced,
        _: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Subscribe<AccountEvent> for Customers {
    async fn receive(
        &self,
        _: AccountEvent,
        _: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Handle<ReserveCredit> for Customers {
    async fn handle(
        &self,
        command: ReserveCredit,
        _: &mut MessageContext<'_>,
    ) -> Result<CreditReserved, HandlerError> {
        let left = 100_u64.checked_sub(command.cents);
        let cents_left = left.ok_or_else(|| midgard::Refused::new("too much"))?;
        Ok(CreditReserved { cents_left })
    }
}

impl Handle<ReleaseCredit> for Customers {
    async fn handle(
        &self,
        _: ReleaseCredit,
        _: &mut MessageContext<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

#[test]
fn an_inbox_asks_for_its_events_and_for_its_own_commands() {
    let topics = [
        Topic::event("shop.order_placed"),
        Topic::event("account.opened"),
        Topic::event("account.deposited"),
        Topic::command("customers", "credit.reserve"),
        Topic::command("customers", "credit.release"),
    ];
    assert_eq!(Customers::topics(), topics);
    assert_eq!(Customers::NAME, "customers");
}

/// Waits for the credit of an order.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(
    name = "placement",
    id = u64,
    events(OrderPlaced, AccountEvent),
    commands(ReserveCredit),
    deadlines(OrderViewed)
)]
struct Placement {
    cents_left: u64,
}

impl React<OrderPlaced> for Placement {
    fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, event: OrderPlaced, reactions: &mut Reactions<Self>) {
        reactions.send(&ReserveCredit {
            customer: event.customer,
            cents: 1,
        });
    }
}

impl React<AccountEvent> for Placement {
    fn process(event: &AccountEvent, recorded: &RecordedEventRef<'_>) -> Option<u64> {
        match event {
            AccountEvent::Opened(_) => None,
            AccountEvent::Deposited(event) => Some(event.cents + recorded.version.get()),
        }
    }

    fn react(&mut self, _: AccountEvent, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(
        &mut self,
        _: ReserveCredit,
        reply: CreditReserved,
        reactions: &mut Reactions<Self>,
    ) {
        self.cents_left = reply.cents_left;
        reactions.cancel::<OrderViewed>();
    }

    fn refused(&mut self, _: ReserveCredit, _: &str, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

impl Expire<OrderViewed> for Placement {
    fn expired(&mut self, _: OrderViewed, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

/// Sends nothing.
#[derive(Default, ProcessManager)]
#[process_manager(name = "watch", id = String, events(OrderPlaced))]
enum Watch {
    #[default]
    Idle,
    Busy,
}

impl React<OrderPlaced> for Watch {
    fn process(_: &OrderPlaced, recorded: &RecordedEventRef<'_>) -> Option<String> {
        Some(recorded.stream.to_owned())
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {
        *self = Watch::Busy;
    }
}

/// The events as a store has recorded them, in the stream `order-7`.
fn recorded(events: impl IntoIterator<Item = NewEvent>) -> Vec<RecordedEvent> {
    let store = MemoryStore::new();
    let stream = StreamName::new("order-7").unwrap();
    let append = Append::to(stream, ExpectedVersion::NoStream, events);
    block_on(async {
        store.append(append).await.unwrap();
        store
            .events(ReadLog::forward())
            .try_collect()
            .await
            .unwrap()
    })
}

#[test]
fn a_process_manager_knows_its_events() {
    let names: Vec<_> = Placement::EVENTS.iter().map(|event| event.name).collect();
    assert_eq!(
        names,
        ["shop.order_placed", "account.opened", "account.deposited"]
    );
    assert_eq!((Placement::NAME, Placement::SENDS), ("placement", true));
    assert_eq!((Watch::NAME, Watch::SENDS), ("watch", false));
}

#[test]
fn each_event_says_which_process_it_belongs_to() {
    let new = |event: Result<NewEvent, _>| event.unwrap();
    let placed = OrderPlaced {
        order: 7,
        customer: Customer(4),
    };
    let opened = Opened {
        owner: "Ann".to_owned(),
    };
    let events = recorded([
        new(NewEvent::encode(&placed)),
        new(NewEvent::encode(&opened)),
        new(NewEvent::encode(&DepositedV1 { units: 2 })),
        new(NewEvent::encode(&Deposited { cents: 5 })),
        new(NewEvent::encode(&Audited {})),
    ]);
    let processes: Vec<_> = events
        .iter()
        .map(|event| Placement::processes_of(&event.view()).unwrap())
        .map(|processes| processes.first().map(|process| process.id))
        .collect();
    assert_eq!(processes, [Some(7), None, Some(203), Some(9), None]);
    let watched = Watch::processes_of(&events[0].view()).unwrap();
    assert_eq!(watched, [Concerned::new("order-7".to_owned(), None)]);
}

#[test]
fn an_event_that_cannot_be_read_belongs_to_no_process() {
    let placed = NewEvent::encode(&OrderPlaced {
        order: 7,
        customer: Customer(4),
    });
    let mut events = recorded([placed.unwrap()]);
    events[0].payload = b"{}".to_vec();
    let error = Placement::processes_of(&events[0].view()).unwrap_err();
    assert!(
        error.to_string().contains("\"shop.order_placed\""),
        "{error}"
    );
}
