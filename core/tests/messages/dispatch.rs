//! Where the derives of inboxes and process managers hand what they are given, as a program runs them over a bus.

use futures_util::future::{Either, join, select};
use midgard::bus::{
    Deliveries, InProcessBus, Message, Publisher, Purpose, Queue, Subscriber, Topic,
};
use midgard::consumer::FailurePolicy;
use midgard::event::{Encoded, NewEvent, RecordedEventRef};
use midgard::inbox::InboxOptions;
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    Done, Event, EventSet, Expire, Handle, HandlerError, Inbox, MemoryStore, MessageContext,
    Midgard, Outbox, ProcessManager, Processes, React, Reactions, Refused, RemoteCommand, Resolve,
    StartFrom, Store, StreamName, Subscribe, block_on,
};
use serde::{Deserialize, Serialize};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: u64,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "invoice.sent")]
struct InvoiceSentV1 {
    units: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "invoice.sent", version = 2, upcast_from = InvoiceSentV1)]
struct InvoiceSent {
    cents: u64,
}

impl From<InvoiceSentV1> for InvoiceSent {
    fn from(old: InvoiceSentV1) -> Self {
        InvoiceSent {
            cents: old.units * 100,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "invoice.paid")]
struct InvoicePaid {
    order: u64,
}

#[derive(Debug, Clone, EventSet)]
enum Invoice {
    Sent(InvoiceSent),
    Paid(InvoicePaid),
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCreditV1 {
    units: u64,
}

impl From<ReserveCreditV1> for ReserveCredit {
    fn from(old: ReserveCreditV1) -> Self {
        ReserveCredit {
            order: 0,
            cents: old.units * 100,
        }
    }
}

impl From<Done> for CreditReserved {
    fn from(_: Done) -> Self {
        CreditReserved { cents_left: 0 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "credit.reserve",
    service = "customers",
    version = 2,
    upcast_from = ReserveCreditV1,
    reply = CreditReserved
)]
struct ReserveCredit {
    order: u64,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "credit.reserved")]
struct CreditReserved {
    cents_left: u64,
}

/// Looks like the reply, and is none.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "credit.lowered")]
struct CreditLowered {
    cents_left: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers")]
struct ReleaseCredit {
    order: u64,
}

/// Runs a program until the test is through, which is not to take long.
fn run(midgard: Midgard<MemoryStore>, test: impl Future<Output = ()>) {
    let handle = midgard.handle();
    let test = async {
        let late = futures_timer::Delay::new(Duration::from_secs(60));
        let test = pin!(test);
        if let Either::Right(_) = select(test, late).await {
            panic!("the test waits in vain: {:?}", handle.status());
        }
        handle.stop();
    };
    let ((), ran) = block_on(join(test, midgard.run()));
    ran.unwrap();
}

fn event<E: EventSet>(event: &E) -> Message {
    let descriptor = event.descriptor();
    let payload = NewEvent::encode(event).unwrap().payload;
    Message::event("orders", descriptor.name, descriptor.version, payload)
}

fn command<C: RemoteCommand + Serialize>(command: &C) -> Message {
    let purpose = Purpose::Command {
        service: C::SERVICE.to_owned(),
    };
    let payload = serde_json::to_vec(command).unwrap();
    let mut message = Message::new(
        purpose,
        "orders",
        Encoded::json(C::NAME, C::VERSION, payload),
    );
    message.reply_to = Some("orders".to_owned());
    message
}

/// The next message of a queue.
async fn next(deliveries: &mut impl Deliveries) -> Message {
    let received = deliveries.next().await.unwrap();
    let message = received.content.clone().unwrap();
    received.acknowledge().await.unwrap();
    message
}

/// Writes down what it is handed.
#[derive(Inbox)]
#[inbox(
    name = "customers",
    events(OrderPlaced, Invoice),
    commands(ReserveCredit, ReleaseCredit)
)]
struct Customers(Arc<Mutex<Vec<String>>>);

impl Customers {
    fn note(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }
}

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(
        &self,
        event: OrderPlaced,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        let source = &context.message().source;
        self.note(format!("{source} placed {}", event.order));
        Ok(())
    }
}

impl Subscribe<Invoice> for Customers {
    async fn receive(
        &self,
        event: Invoice,
        _: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        self.note(match event {
            Invoice::Sent(sent) => format!("sent {}", sent.cents),
            Invoice::Paid(paid) => format!("paid {}", paid.order),
        });
        Ok(())
    }
}

impl Handle<ReserveCredit> for Customers {
    async fn handle(
        &self,
        command: ReserveCredit,
        _: &mut MessageContext<'_>,
    ) -> Result<CreditReserved, HandlerError> {
        self.note(format!("reserve {}", command.cents));
        let left = 100_u64.checked_sub(command.cents);
        let cents_left = left.ok_or_else(|| Refused::new("only 100 are there"))?;
        Ok(CreditReserved { cents_left })
    }
}

impl Handle<ReleaseCredit> for Customers {
    async fn handle(
        &self,
        command: ReleaseCredit,
        _: &mut MessageContext<'_>,
    ) -> Result<Done, HandlerError> {
        self.note(format!("release {}", command.order));
        Ok(Done {})
    }
}

/// Lets the inbox handle messages; gives what it was handed, the answers, and why messages were parked.
fn handled<const ANSWERS: usize>(messages: &[Message]) -> (Vec<String>, Vec<Message>, Vec<String>) {
    let (bus, store) = (InProcessBus::new(), MemoryStore::new());
    let (lines, mut answers, mut parked) = (Arc::default(), Vec::new(), Vec::new());
    let midgard = Midgard::new(store)
        .inbox(Customers(Arc::clone(&lines)), bus.clone())
        .outbox(Outbox::new("customers"), bus.clone());
    let handle = midgard.handle();
    run(midgard, async {
        let queue = Queue::new(Customers::NAME, Customers::topics());
        bus.declare(&queue).await.unwrap();
        let replies = Queue::new("orders", [Topic::replies("orders")]);
        let mut replies = bus.subscribe(&replies).await.unwrap();
        // Returns when they were handled.
        let published = bus.publish(messages).await.unwrap();
        assert_eq!(published.unheard, [0_usize; 0]);
        for _ in 0..ANSWERS {
            answers.push(next(&mut replies).await);
        }
        for message in handle.parked_messages("customers").await.unwrap() {
            parked.push(message.error);
        }
    });
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (lines, answers, parked)
}

#[test]
fn events_are_received_also_of_a_set_and_in_old_versions() {
    let (lines, _, parked) = handled::<0>(&[
        event(&OrderPlaced { order: 7, cents: 1 }).with_key("a"),
        event(&InvoiceSentV1 { units: 2 }).with_key("a"),
        event(&InvoiceSent { cents: 5 }).with_key("a"),
        event(&InvoicePaid { order: 7 }).with_key("a"),
    ]);
    assert_eq!(lines, ["orders placed 7", "sent 200", "sent 5", "paid 7"]);
    assert_eq!(parked, [""; 0]);
}

#[test]
fn commands_are_handled_and_their_replies_are_sent() {
    let reserve = |cents| command(&ReserveCredit { order: 7, cents }).with_key("a");
    let release = command(&ReleaseCredit { order: 7 }).with_key("a");
    let (lines, answers, parked) = handled::<3>(&[reserve(30), reserve(500), release]);
    assert_eq!(lines, ["reserve 30", "reserve 500", "release 7"]);
    let names: Vec<_> = answers.iter().map(|answer| answer.name.as_str()).collect();
    assert_eq!(names, [CreditReserved::NAME, Refused::NAME, Done::NAME]);
    let reserved: CreditReserved = answers[0].decode().unwrap();
    assert_eq!(reserved.cents_left, 70);
    let refused: Refused = answers[1].decode().unwrap();
    assert_eq!(refused.reason, "only 100 are there");
    assert_eq!(parked, [""; 0]);
}

#[test]
fn a_command_is_handled_in_an_old_version_and_answered_with_the_newest_reply() {
    let old = command(&ReserveCreditV1 { units: 1 });
    let (lines, answers, parked) = handled::<1>(&[old]);
    assert_eq!(lines, ["reserve 100"]);
    assert_eq!(answers[0].name, CreditReserved::NAME);
    assert_eq!(parked, [""; 0]);
}

#[test]
fn a_name_is_that_of_an_event_or_of_a_command() {
    // As a broken service may send them: an event with the name of a command, and the other way around.
    let mut told = command(&ReserveCredit { order: 7, cents: 1 }).with_id("told");
    told.purpose = Purpose::Event;
    let mut asked = event(&OrderPlaced { order: 7, cents: 1 }).with_id("asked");
    asked.purpose = Purpose::Command {
        service: Customers::NAME.to_owned(),
    };
    let (bus, lines) = (InProcessBus::new(), Arc::default());
    let customers = Customers(Arc::clone(&lines));
    let midgard = Midgard::new(MemoryStore::new())
        .outbox_elsewhere()
        .inbox(customers, bus.clone());
    let handle = midgard.handle();
    run(midgard, async {
        // Nobody asks for them: they are there from before.
        let queue = Queue::new(Customers::NAME, [told.topic(), asked.topic()]);
        bus.declare(&queue).await.unwrap();
        bus.publish(&[told, asked]).await.unwrap();
        let parked = handle.parked_messages("customers").await.unwrap();
        let errors: Vec<_> = parked.iter().map(|parked| &*parked.error).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        for id in ["told", "asked"] {
            let said = format!("no handler for message {id}");
            assert!(
                errors.iter().any(|error| error.contains(&said)),
                "{errors:?}"
            );
        }
    });
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*lines, [""; 0]);
}

#[test]
fn what_cannot_be_read_is_said_with_its_version() {
    let mut placed = event(&OrderPlaced { order: 7, cents: 1 });
    placed.payload = b"{}".to_vec();
    let mut newer = event(&InvoiceSent { cents: 5 });
    newer.schema_version = 3;
    let mut older = command(&ReserveCredit { order: 7, cents: 1 });
    older.schema_version = 1;
    let mut unknown = command(&ReserveCredit { order: 7, cents: 1 });
    unknown.schema_version = 3;
    let (lines, _, parked) = handled::<0>(&[
        placed.with_key("a"),
        newer.with_key("b"),
        older.with_key("c"),
        unknown.with_key("d"),
    ]);
    assert_eq!(lines, [""; 0]);
    let said = [
        "missing field `order`",
        "knows versions 1 to 2",
        "missing field `units`",
        "\"credit.reserve\" version 3, cannot be read: this program knows versions 1 to 2",
    ];
    assert_eq!(parked.len(), said.len(), "{parked:?}");
    for said in said {
        let is_said = parked.iter().any(|error| error.contains(said));
        assert!(is_said, "{said}: {parked:?}");
    }
}

/// Tells a test what has happened in a process.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "note", service = "notes")]
struct Note {
    line: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "payment.overdue")]
struct PaymentOverdue {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "delivery.overdue")]
struct DeliveryOverdue {}

#[derive(Debug, Default, ProcessManager)]
#[process_manager(
    name = "placement",
    id = u64,
    events(OrderPlaced, Invoice),
    commands(Note, ReserveCredit),
    deadlines(DeliveryOverdue, PaymentOverdue)
)]
struct Placement {
    happened: u64,
}

impl Placement {
    fn note(&mut self, line: &str, reactions: &mut Reactions<Self>) {
        self.happened += 1;
        let line = format!("{}: {line}", self.happened);
        reactions.send(&Note { line });
    }
}

impl React<OrderPlaced> for Placement {
    fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, event: OrderPlaced, reactions: &mut Reactions<Self>) {
        let OrderPlaced { order, cents } = event;
        self.happened += 1;
        reactions.send(&ReserveCredit { order, cents });
    }
}

impl React<Invoice> for Placement {
    fn process(event: &Invoice, _: &RecordedEventRef<'_>) -> Option<u64> {
        match event {
            Invoice::Sent(_) => Some(7),
            Invoice::Paid(event) => Some(event.order),
        }
    }

    fn react(&mut self, event: Invoice, reactions: &mut Reactions<Self>) {
        match event {
            Invoice::Sent(sent) => self.note(&format!("sent {}", sent.cents), reactions),
            Invoice::Paid(paid) => {
                let order = paid.order;
                reactions.remind(Duration::ZERO, &PaymentOverdue { order });
            }
        }
    }
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(
        &mut self,
        command: ReserveCredit,
        reply: CreditReserved,
        reactions: &mut Reactions<Self>,
    ) {
        let line = format!("reserved {}, {} left", command.cents, reply.cents_left);
        self.note(&line, reactions);
    }

    fn refused(&mut self, command: ReserveCredit, reason: &str, reactions: &mut Reactions<Self>) {
        self.note(&format!("refused {}: {reason}", command.cents), reactions);
    }
}

impl Resolve<Note> for Placement {
    fn replied(&mut self, _: Note, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: Note, _: &str, _: &mut Reactions<Self>) {}
}

impl Expire<PaymentOverdue> for Placement {
    fn expired(&mut self, deadline: PaymentOverdue, reactions: &mut Reactions<Self>) {
        self.note(&format!("overdue {}", deadline.order), reactions);
    }
}

impl Expire<DeliveryOverdue> for Placement {
    fn expired(&mut self, _: DeliveryOverdue, reactions: &mut Reactions<Self>) {
        self.note("late", reactions);
    }
}

/// A process manager at work, with the services that it talks to played by the test.
struct Played<D> {
    bus: InProcessBus,
    store: MemoryStore,
    customers: D,
    notes: D,
}

impl<D: Deliveries> Played<D> {
    async fn happens<E: EventSet>(&self, event: &E) {
        let stream = StreamName::new("orders").unwrap();
        let event = NewEvent::encode(event).unwrap();
        let append = Append::to(stream, ExpectedVersion::Any, [event]);
        self.store.append(append).await.unwrap();
    }

    /// The command that comes next, which is to be answered.
    async fn asked(&mut self) -> Message {
        next(&mut self.customers).await
    }

    async fn answer<E: Event>(&self, command: &Message, reply: &E) {
        let purpose = Purpose::Reply {
            to: command.reply_to.clone().unwrap(),
        };
        let payload = NewEvent::encode(reply).unwrap().payload;
        let mut message = Message::new(
            purpose,
            "customers",
            Encoded::json(E::NAME, E::VERSION, payload),
        );
        message.subject = command.subject.clone();
        message.causation_id = command.id.parse().ok();
        self.bus.publish(&[message]).await.unwrap();
    }

    async fn noted(&mut self) -> String {
        let note: serde_json::Value =
            serde_json::from_slice(&next(&mut self.notes).await.payload).unwrap();
        note["line"].as_str().unwrap().to_owned()
    }
}

/// Runs the process manager, and lets a test play the services.
fn play<F: Future<Output = ()>>(
    test: impl FnOnce(Played<<InProcessBus as Subscriber>::Deliveries>, midgard::MidgardHandle) -> F,
) {
    let (bus, store) = (InProcessBus::new(), MemoryStore::new());
    let at_once = InboxOptions::new().on_failure(FailurePolicy::retry(0).then_park());
    let placements = Processes::<Placement>::new(StartFrom::Start)
        .replies_from(bus.clone())
        .inbox_options(at_once);
    let midgard = Midgard::new(store.clone())
        .process_manager(placements)
        .outbox(Outbox::new("orders"), bus.clone());
    let handle = midgard.handle();
    run(midgard, async {
        let queue =
            |service: &str, name: &str| Queue::new(service, [Topic::command(service, name)]);
        let customers = queue("customers", ReserveCredit::NAME);
        let customers = bus.subscribe(&customers).await.unwrap();
        let notes = bus.subscribe(&queue("notes", Note::NAME)).await.unwrap();
        let replies = Queue::new(Placement::NAME, [Topic::replies(Placement::NAME)]);
        bus.declare(&replies).await.unwrap();
        let played = Played {
            bus,
            store,
            customers,
            notes,
        };
        test(played, handle).await;
    });
}

#[test]
fn a_process_manager_reacts_to_events_answers_and_deadlines() {
    play(|mut played, _| async move {
        let placed = |cents| OrderPlaced { order: 7, cents };
        played.happens(&placed(30)).await;
        let command = played.asked().await;
        assert_eq!(
            (&*command.name, command.schema_version),
            ("credit.reserve", 2)
        );
        played
            .answer(&command, &CreditReserved { cents_left: 70 })
            .await;
        assert_eq!(played.noted().await, "2: reserved 30, 70 left");

        played.happens(&placed(500)).await;
        let command = played.asked().await;
        played.answer(&command, &Refused::new("too much")).await;
        assert_eq!(played.noted().await, "4: refused 500: too much");

        played.happens(&InvoiceSentV1 { units: 2 }).await;
        assert_eq!(played.noted().await, "5: sent 200");
        played.happens(&InvoicePaid { order: 7 }).await;
        assert_eq!(played.noted().await, "6: overdue 7");
    });
}

#[test]
fn an_answer_of_another_name_is_not_taken_for_the_reply() {
    play(|mut played, handle| async move {
        played
            .happens(&OrderPlaced {
                order: 7,
                cents: 30,
            })
            .await;
        let command = played.asked().await;
        played
            .answer(&command, &CreditLowered { cents_left: 1 })
            .await;
        let parked = handle.parked_messages("placement replies").await.unwrap();
        let error = parked[0].error.as_str();
        assert!(
            error.contains("no event of this name is known here"),
            "{error}"
        );
        // The process still waits for it.
        played.happens(&InvoiceSent { cents: 5 }).await;
        assert_eq!(played.noted().await, "2: sent 5");
    });
}
