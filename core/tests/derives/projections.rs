//! What `#[derive(Projection)]` generates, at run time. What it refuses is in `compile.rs`.

use crate::common::{AccountEvent, Audited, Deposited, DepositedV1, Opened};
use midgard::consumer::{FailurePolicy, RunError};
use midgard::event::NewEvent;
use midgard::notes::NoteStore;
use midgard::projection::ViewStore;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::{Live, LiveError, Select};
use midgard::{
    Context, EventSet, HandlerError, MemoryStore, Midgard, Project, Projection, Store, StreamName,
    View, ViewKey, Views, block_on,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn append(store: &MemoryStore, stream: &str, events: impl IntoIterator<Item = NewEvent>) {
    let stream = StreamName::new(stream).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, events);
    block_on(store.append(append)).unwrap();
}

/// Two accounts, one of them with a deposit of the time before cents.
fn accounts() -> MemoryStore {
    let store = MemoryStore::new();
    let opened = |owner: &str| Opened {
        owner: owner.to_owned(),
    };
    let events = [
        NewEvent::encode(&opened("Ann")).unwrap(),
        NewEvent::encode(&DepositedV1 { units: 2 }).unwrap(),
        NewEvent::encode(&Deposited { cents: 5 }).unwrap(),
    ];
    append(&store, "account-ann", events);
    append(&store, "bank-1", [NewEvent::encode(&Audited {}).unwrap()]);
    append(
        &store,
        "account-bob",
        [NewEvent::encode(&opened("Bob")).unwrap()],
    );
    store
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
struct Stream(String);

/// What happened in a stream, in words.
#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = stream)]
struct History {
    stream: Stream,
    lines: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(name = "totals", key = kind)]
struct Total {
    kind: String,
    events: u64,
}

fn note<P>(context: &mut Context<'_, P>, line: &str) -> Result<(), HandlerError>
where
    P: Projection<Store = Views> + midgard::projection::Keeps<History>,
{
    let stream = Stream(context.recorded().stream.to_owned());
    let new = || History {
        stream: stream.clone(),
        lines: Vec::new(),
    };
    Ok(context.upsert::<History>(&stream, new, |row| row.lines.push(line.to_owned()))?)
}

fn histories<P: Projection<Store = Views>>(
    live: &Live<P, MemoryStore>,
) -> Vec<(String, Vec<String>)> {
    let views = block_on(live.views()).unwrap();
    let rows = views.select(Select::<History>::all()).unwrap();
    rows.into_iter()
        .map(|row| (row.stream.0, row.lines))
        .collect()
}

fn lines(stream: &str, lines: &[&str]) -> (String, Vec<String>) {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    (stream.to_owned(), lines)
}

#[derive(Projection)]
#[projection(
    name = "single events",
    version = 3,
    events(Opened, Deposited),
    ignore(Audited),
    covers(AccountEvent, Audited),
    views(History, Total)
)]
struct SingleEvents;

impl Project<Opened> for SingleEvents {
    async fn project(
        &self,
        event: Opened,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        note(context, &format!("opened by {}", event.owner))
    }
}

impl Project<Deposited> for SingleEvents {
    async fn project(
        &self,
        event: Deposited,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        note(context, &format!("{} cents", event.cents))
    }
}

#[test]
fn the_trait_says_what_the_attribute_says() {
    assert_eq!(
        (SingleEvents::NAME, SingleEvents::VERSION),
        ("single events", 3)
    );
    let names: Vec<_> = SingleEvents::EVENTS.iter().map(|one| one.name).collect();
    assert_eq!(names, ["account.opened", "account.deposited"]);
    let views: Vec<_> = SingleEvents::views().iter().map(|one| one.name).collect();
    assert_eq!(views, ["history", "totals"]);
}

#[test]
fn an_event_goes_to_its_handler_and_an_older_version_arrives_as_the_newest() {
    let live = Live::new(SingleEvents, accounts());
    assert_eq!(
        histories(&live),
        [
            lines("account-ann", &["opened by Ann", "200 cents", "5 cents"]),
            lines("account-bob", &["opened by Bob"]),
        ]
    );
}

#[test]
fn what_is_ignored_and_what_is_not_listed_is_not_even_read() {
    let store = accounts();
    for name in ["bank.audited", "of another program"] {
        append(
            &store,
            "bank-1",
            [NewEvent::json(name, 7, b"no JSON".to_vec())],
        );
    }
    assert_eq!(histories(&Live::new(SingleEvents, store)).len(), 2);
}

#[test]
fn an_event_that_cannot_be_read_is_named() {
    let store = accounts();
    append(
        &store,
        "account-ann",
        [NewEvent::json(
            "account.deposited",
            2,
            br#"{"cents":"5"}"#.to_vec(),
        )],
    );
    let error = block_on(Live::new(SingleEvents, store).views()).unwrap_err();
    let LiveError::Project { name, cause, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(name, "account.deposited");
    assert!(
        cause.to_string().contains("expected u64"),
        "the reason is there: {cause}"
    );
}

#[derive(Debug, EventSet)]
enum Everything {
    Accounts(AccountEvent),
    Audited(Audited),
}

#[derive(Projection)]
#[projection(name = "sets", events(Everything), views(History))]
struct Sets;

impl Project<Everything> for Sets {
    async fn project(
        &self,
        event: Everything,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        match event {
            Everything::Accounts(AccountEvent::Opened(_)) => note(context, "opened"),
            Everything::Accounts(AccountEvent::Deposited(event)) => {
                note(context, &format!("{} cents", event.cents))
            }
            Everything::Audited(_) => note(context, "audited"),
        }
    }
}

#[derive(Projection)]
#[projection(
    name = "a set and an event",
    events(AccountEvent, Audited),
    views(History)
)]
struct SetAndEvent;

impl Project<AccountEvent> for SetAndEvent {
    async fn project(
        &self,
        event: AccountEvent,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        note(context, event.name())
    }
}

impl Project<Audited> for SetAndEvent {
    async fn project(
        &self,
        _: Audited,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        note(context, "audited")
    }
}

#[test]
fn a_set_has_one_handler_for_all_of_its_events() {
    assert_eq!(Sets::VERSION, 1);
    assert_eq!(Sets::EVENTS, Everything::DESCRIPTORS);
    assert_eq!(
        histories(&Live::new(Sets, accounts())),
        [
            lines("account-ann", &["opened", "200 cents", "5 cents"]),
            lines("account-bob", &["opened"]),
            lines("bank-1", &["audited"]),
        ]
    );
    let deposited = "account.deposited";
    assert_eq!(
        histories(&Live::new(SetAndEvent, accounts())),
        [
            lines("account-ann", &["account.opened", deposited, deposited]),
            lines("account-bob", &["account.opened"]),
            lines("bank-1", &["audited"]),
        ]
    );
}

#[derive(Projection)]
#[projection(name = "no views", events(Deposited))]
struct NoViews {
    cents: Arc<AtomicU64>,
}

impl Project<Deposited> for NoViews {
    async fn project(
        &self,
        event: Deposited,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let cents = self.cents.clone();
        context.after_commit(async move {
            cents.fetch_add(event.cents, Ordering::SeqCst);
        });
        Ok(())
    }
}

#[test]
fn without_views_it_keeps_a_checkpoint_all_the_same() {
    let (store, views) = (accounts(), Views::new(MemoryStore::new()));
    let cents = Arc::new(AtomicU64::new(0));
    assert!(NoViews::views().is_empty());
    for _ in 0..2 {
        let cents = cents.clone();
        let midgard = Midgard::new(store.clone()).project(NoViews { cents }, views.clone());
        block_on(midgard.catch_up()).unwrap();
    }
    assert_eq!(cents.load(Ordering::SeqCst), 205);
}

/// A store for views that somebody else has written: a sum, and the notes.
#[derive(Default, Clone)]
struct Sum(Arc<Mutex<Numbers>>);

#[derive(Default, Clone)]
struct Numbers {
    cents: u64,
    notes: BTreeMap<String, String>,
}

impl NoteStore for Sum {
    type Transaction = Numbers;
    type Error = Infallible;

    async fn begin(&self) -> Result<Numbers, Infallible> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn get(&self, numbers: &mut Numbers, key: &str) -> Result<Option<String>, Infallible> {
        Ok(numbers.notes.get(key).cloned())
    }

    async fn put(
        &self,
        numbers: &mut Numbers,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), Infallible> {
        match value {
            Some(value) => numbers.notes.insert(key.to_owned(), value.to_owned()),
            None => numbers.notes.remove(key),
        };
        Ok(())
    }

    async fn list(
        &self,
        numbers: &mut Numbers,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, Infallible> {
        let notes = numbers.notes.iter();
        let listed = notes.filter(|(key, _)| key.starts_with(prefix));
        Ok(listed
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn commit(&self, numbers: Numbers) -> Result<(), Infallible> {
        *self.0.lock().unwrap() = numbers;
        Ok(())
    }
}

impl ViewStore for Sum {}

#[derive(Projection)]
#[projection(name = "sum", events(Deposited), store = Sum)]
struct SumOfDeposits {
    refuses: u64,
}

impl Project<Deposited> for SumOfDeposits {
    async fn project(
        &self,
        event: Deposited,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        context.transaction().cents += event.cents;
        if event.cents == self.refuses {
            return Err("refused".into());
        }
        Ok(())
    }
}

#[test]
fn rows_and_checkpoint_may_be_in_a_store_of_ones_own() {
    let (store, sum) = (accounts(), Sum::default());
    let run = |refuses| {
        let options = midgard::consumer::ConsumerOptions::new().on_failure(FailurePolicy::retry(0));
        let projection = SumOfDeposits { refuses };
        let midgard = Midgard::new(store.clone());
        block_on(
            midgard
                .project_with(projection, sum.clone(), options)
                .catch_up(),
        )
    };
    let cents = || sum.0.lock().unwrap().cents;

    let stopped = run(5);
    assert!(
        matches!(&stopped, Err(RunError::Failed { message, .. }) if message == "refused"),
        "{stopped:?}"
    );
    assert_eq!(cents(), 200, "nothing is left of the event that failed");
    for _ in 0..2 {
        run(0).unwrap();
        assert_eq!(cents(), 205);
    }
}
