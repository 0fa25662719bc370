//! What the tests share: events, a view, a projection, and a few words.

use midgard::Views;
use midgard::consumer::{FailurePolicy, RunError, Status};
use midgard::event::{EventDescriptor, NewEvent, RecordedEventRef};
use midgard::projection::ProjectError;
use midgard::projection::ViewDefinition;
use midgard::projection::{Keeps, Projects};
use midgard::store::{Append, ExpectedVersion};
use midgard::view::Select;
use midgard::{
    Context, Delivery, Event, HandlerError, Midgard, MidgardHandle, Place, Position, Project,
    Projection, Store, StreamName, View, block_on,
};
use serde::{Deserialize, Serialize};
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(180);
/// A lease that nobody loses, however long the machine keeps it waiting.
pub(crate) const SAFE_LEASE: Duration = LONG.saturating_mul(10);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "counted")]
pub(crate) struct Counted {
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "ignored")]
pub(crate) struct Ignored {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "paid")]
pub(crate) struct Paid {
    pub(crate) account: String,
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = account, index(cents))]
pub(crate) struct Balance {
    pub(crate) account: String,
    pub(crate) cents: u64,
}

/// Sums what was paid. 13 cents are refused as often as it is told to. Version 2 counts double.
#[derive(Default, Clone)]
pub(crate) struct Balances<const VERSION: u32> {
    pub(crate) refusals: Arc<AtomicU64>,
    pub(crate) effects: Arc<AtomicU64>,
    pub(crate) replays: Arc<AtomicU64>,
    pub(crate) calls: Arc<AtomicU64>,
    /// For how long each event keeps the thread busy.
    pub(crate) pause: Duration,
    /// Where it stops, at the call with this number.
    pub(crate) gate: Option<(u64, Gate)>,
}

impl<const V: u32> Balances<V> {
    pub(crate) fn refusing(times: u64) -> Self {
        let balances = Balances::default();
        balances.refusals.store(times, Ordering::SeqCst);
        balances
    }

    pub(crate) fn slow(pause: Duration) -> Self {
        Balances {
            pause,
            ..Balances::default()
        }
    }

    /// Stops at the call with this number until the gate is opened.
    pub(crate) fn gated(at: u64) -> (Self, Gate) {
        let gate = Gate::default();
        let balances = Balances {
            gate: Some((at, gate.clone())),
            ..Balances::default()
        };
        (balances, gate)
    }

    pub(crate) fn effects(&self) -> u64 {
        self.effects.load(Ordering::SeqCst)
    }

    pub(crate) fn replays(&self) -> u64 {
        self.replays.load(Ordering::SeqCst)
    }
}

impl<const V: u32> Projection for Balances<V> {
    const NAME: &'static str = "balances";
    const VERSION: u32 = V;
    const EVENTS: &'static [&'static EventDescriptor] = &[Paid::DESCRIPTOR];
    type Store = Views;

    fn views() -> Vec<ViewDefinition> {
        vec![ViewDefinition::of::<Balance>()]
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let paid = event.decode::<Paid>()?;
        self.project(paid, context)
            .await
            .map_err(ProjectError::Handler)
    }
}

impl<const V: u32> Projects<Paid> for Balances<V> {}

impl<const V: u32> Keeps<Balance> for Balances<V> {}

impl<const V: u32> Project<Paid> for Balances<V> {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        thread::sleep(self.pause);
        if let Some((at, gate)) = &self.gate
            && *at == call
        {
            gate.pass();
        }
        let Paid { account, cents } = event;
        let new = || Balance {
            account: account.clone(),
            cents: 0,
        };
        let counted = if V == 2 { cents * 2 } else { cents };
        context.upsert::<Balance>(&account, new, |row| row.cents += counted)?;
        if context.is_replay() {
            self.replays.fetch_add(1, Ordering::SeqCst);
        }
        let effects = self.effects.clone();
        context.after_commit(async move {
            effects.fetch_add(1, Ordering::SeqCst);
        });
        let fewer = |left: u64| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if cents == 13 && self.refusals.fetch_update(order, order, fewer).is_ok() {
            return Err("13 brings bad luck".into());
        }
        Ok(())
    }
}

/// Keeps the thread of a handler until the test lets it go on.
#[derive(Default, Clone)]
pub(crate) struct Gate(Arc<(Mutex<AtGate>, Condvar)>);

#[derive(Default)]
struct AtGate {
    is_reached: bool,
    is_open: bool,
}

impl Gate {
    /// Says that a handler is there, and waits until the gate is open.
    pub(crate) fn pass(&self) {
        self.change(|at| at.is_reached = true);
        self.wait(|at| at.is_open);
    }

    /// Waits until a handler is there.
    pub(crate) fn wait_until_reached(&self) {
        self.wait(|at| at.is_reached);
    }

    /// Lets the handler go on, and all that come later.
    pub(crate) fn open(&self) {
        self.change(|at| at.is_open = true);
    }

    fn change(&self, change: impl FnOnce(&mut AtGate)) {
        let (at, changed) = &*self.0;
        change(&mut at.lock().unwrap());
        changed.notify_all();
    }

    fn wait(&self, is_so: impl Fn(&AtGate) -> bool) {
        let (at, changed) = &*self.0;
        let at = at.lock().unwrap();
        let waited = changed.wait_timeout_while(at, LONG, |at| !is_so(at));
        assert!(!waited.unwrap().1.timed_out(), "waited at the gate in vain");
    }
}

pub(crate) fn append_event<E: Event>(store: &impl Store, stream: &str, event: &E) -> Position {
    append_all(store, stream, [NewEvent::encode(event).unwrap()])
}

pub(crate) fn append_all(
    store: &impl Store,
    stream: &str,
    events: impl IntoIterator<Item = NewEvent>,
) -> Position {
    let stream = StreamName::new(stream).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, events);
    block_on(store.append(append)).unwrap().position.unwrap()
}

pub(crate) fn count(
    store: &impl Store,
    stream: &str,
    numbers: impl IntoIterator<Item = u64>,
) -> Position {
    let encode = |number| NewEvent::encode(&Counted { number }).unwrap();
    append_all(store, stream, numbers.into_iter().map(encode))
}

pub(crate) fn pay(store: &impl Store, account: &str, cents: u64) -> Position {
    let paid = Paid {
        account: account.to_owned(),
        cents,
    };
    append_event(store, &format!("account-{account}"), &paid)
}

/// A few accounts with one unlucky payment in the middle.
pub(crate) fn accounts(store: &impl Store) {
    for (account, cents) in [("ann", 5), ("bob", 7), ("ann", 13), ("bob", 1), ("ann", 2)] {
        pay(store, account, cents);
    }
}

pub(crate) fn balances(views: &Views) -> Vec<(String, u64)> {
    let rows = views.select(Select::<Balance>::all()).unwrap();
    rows.into_iter()
        .map(|row| (row.account, row.cents))
        .collect()
}

pub(crate) fn ann_and_bob(ann: u64, bob: u64) -> Vec<(String, u64)> {
    vec![("ann".to_owned(), ann), ("bob".to_owned(), bob)]
}

/// Two retries without much of a wait.
pub(crate) fn quick() -> FailurePolicy {
    FailurePolicy::retry(2).first_after(Duration::from_millis(1))
}

pub(crate) fn at_once() -> FailurePolicy {
    FailurePolicy::retry(0)
}

/// The numbers that a handler was given.
#[derive(Default, Clone)]
pub(crate) struct Seen(Arc<Mutex<Vec<u64>>>);

impl Seen {
    pub(crate) fn note(&self, number: u64) {
        self.0.lock().unwrap().push(number);
    }

    pub(crate) fn all(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }

    /// A handler that notes what it is given.
    pub(crate) fn collect(
        &self,
    ) -> impl Fn(Delivery<Counted>) -> Ready<Result<(), HandlerError>> + use<> {
        self.refuse(|_| false)
    }

    /// A handler that notes what it is given, but for what it refuses.
    pub(crate) fn refuse<R: Fn(&Delivery<Counted>) -> bool>(
        &self,
        refuses: R,
    ) -> impl Fn(Delivery<Counted>) -> Ready<Result<(), HandlerError>> + use<R> {
        let seen = self.clone();
        move |delivery| {
            if refuses(&delivery) {
                return ready(Err(format!("no {} today", delivery.event.number).into()));
            }
            seen.note(delivery.event.number);
            ready(Ok(()))
        }
    }
}

/// Waits until the consumer of each program is as wanted, for which leases have to change hands: an owner checks them
/// whenever it is asked for something, and not only when a third of a long lease has passed.
pub(crate) fn until_shared(handles: &[&MidgardHandle], is_wanted: impl Fn(&Status) -> bool) {
    let began = Instant::now();
    let is_as_wanted = |handle: &&MidgardHandle| is_wanted(&handle.status()[0]);
    while !handles.iter().all(is_as_wanted) {
        assert!(began.elapsed() < LONG, "{:?}", handles[0].status());
        for handle in handles {
            handle.restart(&handle.status()[0].name).unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A program that runs in a thread of its own.
pub(crate) struct Running {
    pub(crate) handle: MidgardHandle,
    thread: thread::JoinHandle<Result<(), RunError>>,
}

pub(crate) fn start<S: Store + Clone>(midgard: Midgard<S>) -> Running {
    let handle = midgard.handle();
    let thread = thread::spawn(|| block_on(midgard.run()));
    Running { handle, thread }
}

impl Running {
    pub(crate) fn wait(&self, name: &str, position: Position) {
        block_on(self.handle.wait_for(name, Place::main(position), LONG)).unwrap();
    }

    pub(crate) fn end(self) -> Result<(), RunError> {
        self.thread.join().unwrap()
    }

    pub(crate) fn stop(self) -> Result<(), RunError> {
        self.handle.stop();
        self.end()
    }

    pub(crate) fn drain(self) -> Result<(), RunError> {
        self.handle.drain();
        self.end()
    }
}
