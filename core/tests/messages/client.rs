//! Commands from programs that are no process managers.

use super::kit::{Count, Counted, LONG, Running, Scene, noted, notes, parking, start, within};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use midgard::bus::{
    BusError, InProcessBus, InProcessDeliveries, Message, Published, Publisher, Queue, Subscriber,
};
use midgard::command::{AskError, SendError};
use midgard::event::RecordedEventRef;
use midgard::store::ReadLog;
use midgard::{
    CommandClient, Event, EventId, MemoryStore, Metadata, Midgard, Outbox, RemoteCommand, Store,
    block_on,
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

fn count(key: &str, number: u64) -> Count {
    Count {
        key: key.to_owned(),
        number,
    }
}

fn answering(scene: &Scene<MemoryStore>) -> Running {
    let outbox = Outbox::new("customers");
    start(scene.midgard(parking()).outbox(outbox, scene.bus.clone()))
}

#[test]
fn many_ask_at_once_and_each_gets_its_answer() {
    let scene = Scene::<MemoryStore>::new();
    let running = answering(&scene);
    let client = Arc::new(CommandClient::new("website", scene.bus));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let client = client.clone();
            thread::spawn(move || {
                let commands: Vec<_> = (0..50)
                    .map(|ask| count(&format!("key-{thread}-{ask}"), 100 + ask))
                    .collect();
                let asks = commands.iter().map(|command| client.ask(command, LONG));
                within(join_all(asks))
            })
        })
        .collect();
    for thread in threads {
        for answer in thread.join().unwrap() {
            assert_eq!(answer.unwrap(), Counted { notes: 1 });
        }
    }
    // Of one key, they are handled in the order in which they are asked.
    for notes in 1..=3 {
        let answer = within(client.ask(&count("ann", notes), LONG)).unwrap();
        assert_eq!(answer.notes as u64, notes);
    }
    running.stop().unwrap();
}

/// A bus that takes commands at once, and over which some never leave.
struct Patchy(InProcessBus);

impl Publisher for Patchy {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        if messages.iter().any(|message| message.key == "never") {
            std::future::pending::<()>().await;
        }
        let (bus, messages) = (self.0.clone(), messages.to_vec());
        thread::spawn(move || within(bus.publish(&messages)));
        Ok(Published::all())
    }
}

impl Subscriber for Patchy {
    type Deliveries = InProcessDeliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        self.0.declare(queue).await
    }

    async fn subscribe(&self, queue: &Queue) -> Result<InProcessDeliveries, BusError> {
        self.0.subscribe(queue).await
    }
}

fn poll_once(future: &mut (impl Future + Unpin)) {
    assert!(future.now_or_never().is_none(), "it waits");
}

#[test]
fn an_answer_comes_though_others_that_wait_do_not_listen_for_it() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(1);
    scene.script.close(2);
    let running = answering(&scene);
    let client = CommandClient::new("website", Patchy(scene.bus.clone()));
    let (first, second, never) = (count("ann", 1), count("bob", 2), count("never", 3));
    let moment = Duration::from_secs(10);
    // The first receives for all. The second listens. The others are still about to send.
    let mut asking = Box::pin(client.ask(&first, LONG));
    poll_once(&mut asking);
    let mut other = Box::pin(client.ask(&second, moment));
    poll_once(&mut other);
    let mut left: Vec<_> = (0..20)
        .map(|_| Box::pin(client.ask(&never, LONG)))
        .collect();
    left.iter_mut().for_each(poll_once);
    scene.script.open_only(1);
    within(asking).unwrap();
    scene.script.open();
    assert_eq!(within(other).unwrap(), Counted { notes: 1 });
    running.stop().unwrap();
}

#[test]
fn an_answer_comes_though_who_received_it_is_dropped_and_others_are_left_alone() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(2);
    let running = answering(&scene);
    let client = CommandClient::new("website", Patchy(scene.bus.clone()));
    let moment = Duration::from_secs(10);
    let (first, second, third) = (count("ann", 1), count("bob", 2), count("cid", 3));
    for _ in 0..5 {
        let mut dropped = Box::pin(client.ask(&first, LONG));
        poll_once(&mut dropped);
        // It is kept, and nobody looks at it.
        let mut left: Vec<_> = (0..5).map(|_| Box::pin(client.ask(&third, LONG))).collect();
        left.iter_mut().for_each(poll_once);
        let mut asking = Box::pin(client.ask(&second, moment));
        poll_once(&mut asking);
        drop(dropped);
        scene.script.open();
        within(asking).unwrap();
        scene.script.close(2);
    }
    scene.script.open();
    running.stop().unwrap();
}

#[test]
fn a_refusal_is_an_answer_and_has_no_effect() {
    let scene = Scene::<MemoryStore>::new();
    let running = answering(&scene);
    let client = CommandClient::new("website", scene.bus.clone());
    let refused = within(client.ask(&count("ann", 13), LONG)).unwrap_err();
    assert!(
        matches!(&refused, AskError::Refused(refused) if refused.reason == "13 brings bad luck"),
        "{refused:?}"
    );
    assert_eq!(noted(&scene.store, "ann"), [] as [u64; 0]);
    running.stop().unwrap();
}

#[test]
fn what_is_sent_leads_to_no_reply_and_carries_what_led_to_it() {
    let scene = Scene::<MemoryStore>::new();
    let running = answering(&scene);
    let client = CommandClient::new("website", scene.bus.clone());
    let (correlation, cause) = (EventId::new(), EventId::new());
    let metadata = Metadata::new()
        .with_correlation_id(correlation)
        .with_causation_id(cause);
    within(client.send_with(&count("ann", 1), &metadata)).unwrap();
    let mut found = Vec::new();
    let mut each = |event: RecordedEventRef<'_>| {
        found.push((event.name.to_owned(), event.correlation_id));
        ControlFlow::Continue(())
    };
    block_on(scene.store.read_log(&ReadLog::forward(), &mut each)).unwrap();
    assert_eq!(found, [("noted".to_owned(), Some(correlation))]);
    running.stop().unwrap();
}

#[test]
fn a_command_with_more_headers_than_anybody_reads_is_not_sent() {
    let client = CommandClient::new("website", InProcessBus::new());
    let headers = (0..65).map(|number| (number.to_string(), "value"));
    let metadata = Metadata::new().with_headers(headers.collect());
    let sent = within(client.send_with(&count("ann", 1), &metadata)).unwrap_err();
    assert!(matches!(sent, SendError::Limit(_)), "{sent:?}");
    assert_eq!(
        sent.to_string(),
        "an event has 65 headers; at most 64 are allowed"
    );
}

#[test]
fn a_command_that_nobody_has_a_queue_for_is_said_so() {
    let client = CommandClient::new("website", InProcessBus::new());
    let sent = within(client.send(&count("ann", 1))).unwrap_err();
    assert!(matches!(sent, SendError::Unheard { .. }), "{sent:?}");
    assert!(sent.to_string().contains("command.service.count"), "{sent}");
    let asked = within(client.ask(&count("ann", 1), LONG)).unwrap_err();
    assert!(
        matches!(asked, AskError::Send(SendError::Unheard { .. })),
        "{asked:?}"
    );
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_longer_and_holds_up_nobody_when_it_comes() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(1);
    let running = answering(&scene);
    let client = CommandClient::new("website", scene.bus.clone());
    let late = within(client.ask(&count("ann", 1), Duration::from_millis(20))).unwrap_err();
    assert!(matches!(late, AskError::TimedOut { .. }), "{late:?}");
    assert!(
        late.to_string().contains("from \"service\" within 20ms"),
        "{late}"
    );
    // One that is dropped is no trouble either.
    let command = count("bob", 2);
    let dropped = client.ask(&command, LONG);
    let moment = futures_timer::Delay::new(Duration::from_millis(20));
    drop(block_on(futures_util::future::select(
        Box::pin(dropped),
        moment,
    )));
    scene.script.open();
    // The late answer leaves the log, and nobody waits for it.
    let answer = within(client.ask(&count("cid", 3), LONG)).unwrap();
    assert_eq!(answer, Counted { notes: 1 });
    running.wait_until("service", |status| status.handled == 3);
    let end = block_on(scene.store.last_position(Default::default())).unwrap();
    running.wait("outbox", end);
    assert!(notes(&scene.store, "outbox/outbox/0000000000/letter/").is_empty());
    running.stop().unwrap();
}

#[test]
fn a_command_that_comes_when_nobody_waits_any_more_has_no_effect() {
    let scene = Scene::<MemoryStore>::new();
    within(scene.midgard(parking()).declare()).unwrap();
    let client = CommandClient::new("website", scene.bus.clone());
    for number in 1..=3 {
        let timeout = Duration::from_millis(20);
        let late = within(client.ask(&count("ann", number), timeout)).unwrap_err();
        assert!(matches!(late, AskError::TimedOut { .. }), "{late:?}");
    }
    let running = answering(&scene);
    let answer = within(client.ask(&count("ann", 4), LONG)).unwrap();
    assert_eq!(answer, Counted { notes: 1 });
    assert_eq!(noted(&scene.store, "ann"), [4]);
    running.stop().unwrap();
}

#[test]
fn the_reply_to_a_client_that_is_gone_holds_up_nobody() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(1);
    let running = answering(&scene);
    let client = CommandClient::new("website", scene.bus.clone());
    let asked = within(client.ask(&count("ann", 1), Duration::from_millis(20)));
    drop((asked, client));
    scene.script.open();
    running.wait_until("service", |status| status.handled == 1);
    let end = block_on(scene.store.last_position(Default::default())).unwrap();
    running.wait("outbox", end);
    running.stop().unwrap();
}

#[test]
fn an_answer_of_another_shape_cannot_be_read_and_says_so() {
    /// The same command, by someone who expects another answer.
    #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
    #[remote_command(name = "count", service = "service", reply = Other)]
    struct OtherCount {
        key: String,
        number: u64,
    }
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "other")]
    struct Other {}
    let scene = Scene::<MemoryStore>::new();
    let running = answering(&scene);
    let client = CommandClient::new("website", scene.bus);
    let command = OtherCount {
        key: "ann".to_owned(),
        number: 1,
    };
    let asked = within(client.ask(&command, LONG)).unwrap_err();
    assert!(matches!(asked, AskError::Unreadable(_)), "{asked:?}");
    running.stop().unwrap();
}

#[test]
fn a_service_that_is_declared_answers_once_it_runs() {
    let scene = Scene::<MemoryStore>::new();
    let outbox = Outbox::new("customers");
    let midgard: Midgard<_> = scene.midgard(parking()).outbox(outbox, scene.bus.clone());
    within(midgard.declare()).unwrap();
    let client = CommandClient::new("website", scene.bus);
    let asking = thread::spawn(move || within(client.ask(&count("ann", 1), LONG)));
    let running = super::kit::start_undeclared(midgard);
    assert_eq!(asking.join().unwrap().unwrap(), Counted { notes: 1 });
    running.stop().unwrap();
}
