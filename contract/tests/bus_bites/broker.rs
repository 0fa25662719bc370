//! A model of a broker: a bus within the process that is reached over connections, which can be lost, and that
//! can be broken on purpose, each time in one way.

use super::bus::{deliver, letters};
use super::fault;
use super::line::Line;
use event_listener::Event as Notify;
use futures_util::FutureExt;
use midgard::bus::{
    BusError, InProcessBus, Message, Published, Publisher, Purpose, Queue, Subscriber, Topic,
};
use midgard_contract::{BusFixture, SetAside, Stranger};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TOO_LARGE: usize = 3 << 20;

/// Whether messages are confirmed only once they are handled is part of its type, as the contract asks for it.
pub(crate) struct Broker<const CONFIRMS_WHEN_HANDLED: bool>(Arc<Server>);

#[derive(Clone)]
pub(crate) struct Connection(Arc<Server>);

pub(crate) struct Server {
    fault: u8,
    inner: Mutex<Inner>,
    pub(crate) killed: Notify,
}

#[derive(Default)]
struct Inner {
    bus: InProcessBus,
    /// How often it was killed.
    kills: u64,
    is_down: bool,
    known: BTreeSet<String>,
    declared: HashMap<String, Declared>,
    /// How often each message was delivered.
    delivered: HashMap<String, usize>,
}

#[derive(Default)]
struct Declared {
    topics: BTreeSet<Topic>,
    often: usize,
    receivers: usize,
}

impl<const CONFIRMS_WHEN_HANDLED: bool> BusFixture for Broker<CONFIRMS_WHEN_HANDLED> {
    type Bus = Connection;

    const CONFIRMS_WHEN_HANDLED: bool = CONFIRMS_WHEN_HANDLED;
    const TOO_LARGE: Option<usize> = Some(TOO_LARGE);
    const QUIET: Duration = Duration::from_millis(10);

    fn new(case: &str) -> Option<Self> {
        Some(Broker(Arc::new(Server {
            fault: fault::of(case),
            inner: Mutex::default(),
            killed: Notify::new(),
        })))
    }

    fn alone(case: &str) -> Option<Self> {
        Self::new(case)
    }

    async fn open(&self) -> Connection {
        Connection(self.0.clone())
    }

    async fn send(&self, topic: &Topic, mut stranger: Stranger) {
        match self.0.fault {
            fault::LOSES_STRANGERS => return,
            fault::READS_ONLY_HEADERS => stranger.content_type = None,
            fault::READS_ONLY_JSON => stranger.attributes.clear(),
            _ => {}
        }
        deliver(&self.0.bus(), topic, stranger);
    }

    async fn set_aside(&self, queue: &str) -> Vec<SetAside> {
        match self.0.fault {
            fault::MIXES_UP_LETTERS => {
                let names = Vec::from_iter(self.0.inner.lock().unwrap().declared.keys().cloned());
                let all = names.iter();
                all.flat_map(|name| letters(&self.0.bus(), name)).collect()
            }
            fault::FORGETS_LETTERS if self.0.kills() > 0 => Vec::new(),
            _ => letters(&self.0.bus(), queue),
        }
    }

    async fn kill(&self) {
        let mut inner = self.0.inner.lock().unwrap();
        inner.kills += 1;
        inner.is_down = true;
        if self.0.fault == fault::KEEPS_NOTHING_ON_DISK {
            inner.bus = InProcessBus::new();
        }
        self.0.killed.notify(usize::MAX);
    }

    async fn start_again(&self) {
        self.0.inner.lock().unwrap().is_down = false;
    }
}

pub(crate) fn unavailable(action: &'static str) -> BusError {
    BusError::Unavailable {
        location: "a model".to_owned(),
        action,
        cause: "it was killed".into(),
    }
}

impl Server {
    pub(crate) fn bus(&self) -> InProcessBus {
        self.inner.lock().unwrap().bus.clone()
    }

    pub(crate) fn kills(&self) -> u64 {
        self.inner.lock().unwrap().kills
    }

    /// Counts a delivery of a message; gives how many there were.
    pub(crate) fn delivered(&self, id: &str) -> usize {
        let mut inner = self.inner.lock().unwrap();
        let delivered = inner.delivered.entry(id.to_owned()).or_default();
        *delivered += 1;
        *delivered
    }

    pub(crate) fn connect(&self, action: &'static str) -> Result<InProcessBus, BusError> {
        let inner = self.inner.lock().unwrap();
        if inner.is_down {
            return Err(unavailable(action));
        }
        Ok(inner.bus.clone())
    }
}

/// Puts a message into its queues; says whether there is one.
pub(crate) fn put(bus: &InProcessBus, message: Message) -> bool {
    bus.publish(&[message]).now_or_never().is_none()
}

/// What becomes of a message on its way.
fn altered(fault: u8, mut message: Message) -> Message {
    match fault {
        fault::FORGETS_THE_CAUSE => message.causation_id = None,
        fault::FORGETS_THE_PURPOSE => message.purpose = Purpose::Event,
        fault::TRIMS_KEYS => message.key = message.key.trim().to_owned(),
        fault::CUTS_HEADERS => {
            let headers = message.headers.view();
            let short = headers.iter().filter(|(_, value)| value.len() < 256);
            message.headers = short.collect();
        }
        fault::REWRITES_PAYLOADS => {
            let read = serde_json::from_slice::<serde_json::Value>(&message.payload);
            message.payload = read.map_or(message.payload, |value| value.to_string().into_bytes());
        }
        fault::CUTS_PAYLOADS => message.payload.truncate(65_536),
        _ => {}
    }
    message
}

impl Publisher for Connection {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        if self.0.fault == fault::NEVER_PUBLISHES_AGAIN && self.0.kills() > 0 {
            return Err(unavailable("publish"));
        }
        let bus = self.0.connect("publish")?;
        if let Some(large) = messages.iter().find(|one| one.payload.len() >= TOO_LARGE)
            && self.0.fault != fault::DROPS_WHAT_IS_TOO_LARGE
        {
            return Err(BusError::Refused {
                id: large.id.clone(),
                name: large.name.clone(),
                reason: "it is too large".to_owned(),
            });
        }
        match self.0.fault {
            fault::WAITS_UNTIL_HANDLED => return bus.publish(messages).await,
            fault::DROPS_KNOWN_BATCHES => {
                let mut inner = self.0.inner.lock().unwrap();
                let mut is_known = false;
                for message in messages {
                    is_known |= !inner.known.insert(message.id.clone());
                }
                if is_known {
                    return Ok(Published::all());
                }
            }
            _ => {}
        }
        let mut messages = Vec::from_iter(messages.iter().cloned().enumerate());
        if self.0.fault == fault::TURNS_BATCHES_AROUND {
            messages.reverse();
        }
        let mut unheard = Vec::new();
        for (index, message) in messages {
            if self.0.fault == fault::LOSES_A_FEW && index % 90 == 89
                || message.payload.len() >= TOO_LARGE
            {
                continue;
            }
            if self.0.fault == fault::DELIVERS_TWICE
                && self.0.inner.lock().unwrap().is_declared_often()
            {
                put(&bus, message.clone());
            }
            if put(&bus, altered(self.0.fault, message)) || self.0.fault == fault::HEARS_EVERYTHING
            {
                continue;
            }
            unheard.push(index);
            if self.0.fault == fault::STOPS_AT_THE_UNHEARD {
                break;
            }
        }
        Ok(Published::but(unheard))
    }
}

impl Inner {
    fn is_declared_often(&self) -> bool {
        self.declared.values().any(|declared| declared.often > 1)
    }

    fn receiver(&mut self, fault: u8, queue: &Queue) -> (Queue, usize) {
        let declared = self.declared.entry(queue.name().to_owned()).or_default();
        declared.receivers += 1;
        let receivers = declared.receivers;
        (self.queue(fault, queue), receivers)
    }

    /// The queue that is made instead of the one that was asked for.
    fn queue(&mut self, fault: u8, queue: &Queue) -> Queue {
        let declared = self.declared.entry(queue.name().to_owned()).or_default();
        declared.often += 1;
        let mut name = queue.name().to_owned();
        let mut topics = queue.topics().clone();
        let mut in_flight = queue.in_flight();
        let mut is_temporary = queue.is_temporary();
        match fault {
            fault::ASKS_FOR_MORE => {
                let more = topics
                    .iter()
                    .filter_map(|topic| topic.as_str().strip_prefix("event."));
                let more = Vec::from_iter(more.map(|event| Topic::event(&format!("{event}.paid"))));
                topics.extend(more);
            }
            fault::ADDS_NO_TOPICS if declared.often > 1 => topics.clone_from(&declared.topics),
            fault::REMOVES_NO_TOPICS => topics.extend(declared.topics.iter().cloned()),
            fault::MAKES_QUEUES_ANEW => name = format!("{name}-{}", declared.often),
            fault::KEEPS_TEMPORARY_QUEUES => is_temporary = false,
            fault::REMOVES_QUEUES => is_temporary = true,
            fault::KEEPS_NOTHING_WITHOUT_A_RECEIVER if declared.receivers == 0 => topics.clear(),
            fault::HAS_NO_BOUND => in_flight = u16::MAX,
            fault::HAS_A_NARROW_BOUND => in_flight = in_flight.min(2),
            fault::HAS_ALL_AT_WORK => name = format!("{name}-{}", declared.receivers),
            _ => {}
        }
        declared.topics.clone_from(&topics);
        let queue = Queue::new(name, topics).with_in_flight(in_flight);
        if is_temporary {
            queue.temporary()
        } else {
            queue
        }
    }
}

impl Subscriber for Connection {
    type Deliveries = Line;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        let bus = self.0.connect("declare a queue")?;
        let queue = self.0.inner.lock().unwrap().queue(self.0.fault, queue);
        bus.declare(&queue).await
    }

    async fn subscribe(&self, queue: &Queue) -> Result<Line, BusError> {
        let bus = self.0.connect("receive")?;
        let (queue, receivers) = self.0.inner.lock().unwrap().receiver(self.0.fault, queue);
        Ok(Line {
            deliveries: Some(bus.subscribe(&queue).await?),
            kills: self.0.kills(),
            server: self.0.clone(),
            queue,
            fault: self.0.fault,
            is_shut: self.0.fault == fault::HAS_ONE_FOR_EVER && receivers > 1,
            forgotten: Arc::default(),
        })
    }
}
