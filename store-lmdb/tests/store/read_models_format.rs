//! A store with read models, as the first release with them has written it, is opened and goes on.
//!
//! `fixtures/read-models-1/data.mdb` was written by `child_writes_the_fixture`, and is never written again. When
//! the format of views or notes changes, run that test with `MIDGARD_TEST_CHILD` set to a new directory.
#![allow(clippy::unwrap_used)]

use crate::common::process::LONG;
use crate::common::{append, child_directory, read_entries};
use futures_util::future::abortable;
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::event::NewEvent;
use midgard::store::ReadEntries;
use midgard::view::{Cursor, Select};
use midgard::{
    Context, Delivery, Event, HandlerError, Midgard, Place, Position, Project, Projection,
    StartFrom, Subscription, View, ViewKey, Views, block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.opened")]
struct Opened {
    number: u64,
    owner: String,
    email: Option<String>,
    country: String,
    city: String,
}

/// The first version of [`Deposited`]: in whole units.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.deposited")]
struct DepositedV1 {
    number: u64,
    units: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.deposited", version = 2, upcast_from = DepositedV1)]
struct Deposited {
    number: u64,
    cents: i64,
}

impl From<DepositedV1> for Deposited {
    fn from(old: DepositedV1) -> Self {
        Deposited {
            number: old.number,
            cents: old.units * 100,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
struct Number(u64);

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ViewKey)]
enum Status {
    Empty,
    Overdrawn,
    Funded,
}

/// A key of one field, and an index of every kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(
    key = number,
    index(city),
    index(owner, ordered),
    index(email, unique, ordered),
    index(cents, ordered),
    index(status),
    index(place = (country, city), ordered),
    index(badge = (country, number), unique)
)]
struct Account {
    number: Number,
    owner: String,
    email: Option<String>,
    country: String,
    city: String,
    cents: i64,
    status: Status,
}

/// A key of two fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = (number, version))]
struct Movement {
    number: u64,
    version: u64,
    cents: i64,
}

/// A key that is a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = name)]
struct Country {
    name: String,
    accounts: u32,
}

/// Keeps the views, counts its calls, and refuses 13 cents for as long as it is told to.
#[derive(Default, Clone, Projection)]
#[projection(
    name = "accounts",
    events(Opened, Deposited),
    views(Account, Movement, Country)
)]
struct Accounts {
    calls: Arc<AtomicU64>,
    refuses: Arc<AtomicBool>,
}

impl Accounts {
    fn refusing() -> Self {
        let accounts = Accounts::default();
        accounts.refuses.store(true, Ordering::SeqCst);
        accounts
    }
}

impl Project<Opened> for Accounts {
    async fn project(
        &self,
        event: Opened,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let name = event.country.clone();
        let new = || Country { name, accounts: 0 };
        context.upsert::<Country>(&event.country, new, |row| row.accounts += 1)?;
        context.put(Account {
            number: Number(event.number),
            owner: event.owner,
            email: event.email,
            country: event.country,
            city: event.city,
            cents: 0,
            status: Status::Empty,
        })?;
        Ok(())
    }
}

impl Project<Deposited> for Accounts {
    async fn project(
        &self,
        event: Deposited,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let Deposited { number, cents } = event;
        if cents == 13 && self.refuses.load(Ordering::SeqCst) {
            return Err("13 brings bad luck".into());
        }
        let version = context.recorded().version.get();
        context.put(Movement {
            number,
            version,
            cents,
        })?;
        context.update::<Account>(Number(number), |row| {
            row.cents += cents;
            row.status = if row.cents < 0 {
                Status::Overdrawn
            } else {
                Status::Funded
            };
        })?;
        Ok(())
    }
}

/// What the subscription is told about: its numbers say what the handler does.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "told")]
struct Told {
    number: u64,
}

/// The handler never ends.
const HELD: u64 = 777;
/// The handler fails.
const REFUSED: u64 = 13;

fn parking() -> FailurePolicy {
    FailurePolicy::retry(0).then_park()
}

fn encode(event: &impl Event) -> NewEvent {
    NewEvent::encode(event).unwrap()
}

fn tell(store: &LmdbStore, name: &str, number: u64) -> Position {
    let told = append(store, name, vec![encode(&Told { number })]);
    told.unwrap().position.unwrap()
}

fn deposit(store: &LmdbStore, number: u64, cents: i64) {
    let name = format!("account-{number}");
    append(store, &name, vec![encode(&Deposited { number, cents })]).unwrap();
}

fn accounts(store: &LmdbStore, projection: &Accounts) -> Midgard<LmdbStore> {
    let options = ConsumerOptions::new().on_failure(parking());
    let views = Views::new(store.clone());
    Midgard::new(store.clone()).project_with(projection.clone(), views, options)
}

type Seen = Arc<Mutex<Vec<(String, u64)>>>;

/// A worker of the subscription that notes what it has handled, and whether it is held up.
fn mailer(
    store: &LmdbStore,
    seen: &Seen,
    is_held: &Arc<AtomicBool>,
    lease: Duration,
) -> Midgard<LmdbStore> {
    let subscription = Subscription::<Told>::events("mailer", StartFrom::Start)
        .partitions(4)
        .lease(lease)
        .on_failure(parking());
    let (seen, is_held) = (seen.clone(), is_held.clone());
    Midgard::new(store.clone()).subscribe(subscription, move |delivery: Delivery<Told>| {
        let (seen, is_held) = (seen.clone(), is_held.clone());
        async move {
            let number = delivery.event.number;
            if number == HELD && !is_held.swap(true, Ordering::SeqCst) {
                pending::<()>().await;
            }
            if number == REFUSED {
                return Err("13 brings bad luck".into());
            }
            let name = delivery.recorded.stream.to_string();
            seen.lock().unwrap().push((name, number));
            Ok(())
        }
    })
}

/// Not a test of its own: writes a store with one of everything.
#[test]
fn child_writes_the_fixture() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    write_accounts(&store);
    write_mailer(&store);
}

/// Generation 2 of the projection, with two dead letters.
fn write_accounts(store: &LmdbStore) {
    for (number, owner, email, country, city) in [
        (1, "ann", Some("ann@x.org"), "Norway", "Oslo"),
        (2, "bob", None, "Norway", "Tromsø"),
        (3, "eve", Some("eve@x.org"), "Japan", "東京"),
        (4, "ann\0", None, "Norway", "Oslo"),
    ] {
        let opened = Opened {
            number,
            owner: owner.to_owned(),
            email: email.map(str::to_owned),
            country: country.to_owned(),
            city: city.to_owned(),
        };
        let name = format!("account-{number}");
        append(store, &name, vec![encode(&opened)]).unwrap();
    }
    let old = DepositedV1 {
        number: 1,
        units: 2,
    };
    append(store, "account-1", vec![encode(&old)]).unwrap();
    deposit(store, 1, 5);
    deposit(store, 2, -70);
    deposit(store, 3, 13);
    deposit(store, 3, 9);
    let midgard = accounts(store, &Accounts::refusing());
    block_on(midgard.catch_up()).unwrap();
    let midgard = accounts(store, &Accounts::refusing());
    block_on(midgard.handle().rebuild("accounts")).unwrap();
    block_on(midgard.catch_up()).unwrap();
}

/// A dead letter, and four partitions that are not all equally far: one of two workers is killed while it
/// is held up, so that its leases stay.
fn write_mailer(store: &LmdbStore) {
    for (name, _) in PARTITIONS {
        tell(store, name, 1);
    }
    tell(store, "told-3", REFUSED);
    tell(store, "told-3", 2);
    let held: [Arc<AtomicBool>; 2] = Default::default();
    let lease = Duration::from_millis(900);
    let worker = |held: &Arc<AtomicBool>| mailer(store, &Seen::default(), held, lease);
    block_on(worker(&held[0]).catch_up()).unwrap();
    let workers = held.clone().map(|held| {
        let midgard = worker(&held);
        let handle = midgard.handle();
        let (run, kill) = abortable(midgard.run());
        (handle, kill, thread::spawn(|| block_on(run)))
    });
    for (handle, ..) in &workers {
        block_on(handle.wait_until("mailer", LONG, |status| status.partitions == 2)).unwrap();
    }
    tell(store, "told-0", HELD);
    while !held.iter().any(|held| held.load(Ordering::SeqCst)) {
        thread::yield_now();
    }
    let mut last = Position::ZERO;
    for (name, _) in PARTITIONS {
        last = tell(store, name, 3);
    }
    for (held, (handle, ..)) in held.iter().zip(&workers) {
        if !held.load(Ordering::SeqCst) {
            let is_there = |status: &midgard::consumer::Status| status.place >= Place::main(last);
            block_on(handle.wait_until("mailer", LONG, is_there)).unwrap();
            handle.stop();
        }
    }
    for (held, (_, kill, thread)) in held.iter().zip(workers) {
        if held.load(Ordering::SeqCst) {
            kill.abort();
        }
        let _ = thread.join().unwrap();
    }
}

/// A copy of the fixture, and the directory that it is in for so long.
fn fixture() -> (tempfile::TempDir, LmdbStore) {
    let directory = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/read-models-1/data.mdb");
    fs::copy(data, directory.path().join("data.mdb")).unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    (directory, store)
}

/// The notes whose keys begin with a prefix, without it.
fn notes(store: &LmdbStore, prefix: &str) -> Vec<(String, String)> {
    let entries = read_entries(store, &ReadEntries::prefix(prefix.as_bytes()));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let rest = |key: &[u8]| text(&key[prefix.len()..]);
    let notes = entries.iter();
    notes.map(|(key, note)| (rest(key), text(note))).collect()
}

/// Streams, and the partitions of four that they are in for good.
const PARTITIONS: [(&str, u32); 5] = [
    ("told-0", 1),
    ("told-1", 2),
    ("told-2", 3),
    ("told-3", 0),
    ("told-é", 3),
];

/// Of a page of two accounts by their balance.
const CURSOR: &str = "AQdhY2NvdW50BWNlbnRz7xqUqoAAAAAAAAAAAAAAAAAAAAM";

fn owners(views: &Views, select: Select<Account>) -> Vec<String> {
    let rows = views.select(select).unwrap().into_iter();
    rows.map(|row| row.owner).collect()
}

#[test]
fn views_of_the_fixture_are_read_by_key_and_by_every_index() {
    let (_directory, store) = fixture();
    let views = Views::new(store);
    let bob = Account {
        number: Number(2),
        owner: "bob".to_owned(),
        email: None,
        country: "Norway".to_owned(),
        city: "Tromsø".to_owned(),
        cents: -70,
        status: Status::Overdrawn,
    };
    assert_eq!(views.get::<Account>(Number(2)).unwrap(), Some(bob));
    let movement = Movement {
        number: 1,
        version: 2,
        cents: 200,
    };
    assert_eq!(views.get::<Movement>((1, 2)).unwrap(), Some(movement));
    let countries = views.select(Select::<Country>::all()).unwrap();
    let countries: Vec<_> = countries.iter().map(|c| (&*c.name, c.accounts)).collect();
    assert_eq!(countries, [("Japan", 1), ("Norway", 3)]);
    assert_eq!(views.get::<Country>("Japan").unwrap().unwrap().accounts, 1);

    let owners = |select| owners(&views, select);
    assert_eq!(owners(Select::all()), ["ann", "bob", "eve", "ann\0"]);
    assert_eq!(owners(Select::keys(Number(2)..=Number(3))), ["bob", "eve"]);
    assert_eq!(owners(Account::by_city("東京")), ["eve"]);
    assert_eq!(owners(Account::by_owner("ann")), ["ann"]);
    assert_eq!(owners(Account::by_owner("ann\0")), ["ann\0"]);
    assert_eq!(owners(Account::by_owner_range("b"..)), ["bob", "eve"]);
    assert_eq!(owners(Account::by_email("eve@x.org")), ["eve"]);
    assert_eq!(owners(Account::by_email(None)), ["bob", "ann\0"]);
    assert_eq!(
        owners(Account::ordered_by_email().reverse()),
        ["eve", "ann", "ann\0", "bob"]
    );
    assert_eq!(
        owners(Account::by_cents_range(..=0)),
        ["bob", "eve", "ann\0"]
    );
    assert_eq!(owners(Account::by_status(Status::Funded)), ["ann"]);
    assert_eq!(owners(Account::by_status(Status::Overdrawn)), ["bob"]);
    assert_eq!(
        owners(Account::by_place(("Norway", "Oslo"))),
        ["ann", "ann\0"]
    );
    assert_eq!(
        owners(Account::ordered_by_place()),
        ["eve", "ann", "ann\0", "bob"]
    );
    assert_eq!(owners(Account::by_badge(("Norway", Number(4)))), ["ann\0"]);

    let by_cents = || Account::ordered_by_cents().limit(2);
    let first = views.page(by_cents()).unwrap();
    assert_eq!(first.next.unwrap().to_string(), CURSOR);
    let cursor: Cursor = CURSOR.parse().unwrap();
    assert_eq!(owners(by_cents().after(&cursor)), ["ann\0", "ann"]);
}

#[test]
fn the_projection_of_the_fixture_goes_on_from_its_checkpoint_and_its_dead_letters() {
    let (_directory, store) = fixture();
    let views = Views::new(store.clone());
    let projection = Accounts::default();
    let calls = || projection.calls.load(Ordering::SeqCst);
    let run = || block_on(accounts(&store, &projection).catch_up()).unwrap();
    let cents = |number| {
        let account = views.get::<Account>(Number(number)).unwrap();
        account.unwrap().cents
    };
    let about = notes(&store, "projection/accounts/about");
    assert!(about[0].1.contains(r#""active":{"number":2,"#), "{about:?}");
    run();
    assert_eq!(calls(), 0, "nothing is handled again, and nothing rebuilt");
    // But for the events that it lists and the versions that it reads, which the release before did not note.
    let events = r#","events":["account.deposited","account.opened"]"#;
    let reads = r#","reads":{"account.deposited":2,"account.opened":1}"#;
    let noted = notes(&store, "projection/accounts/about");
    let without = noted[0].1.replace(events, "").replace(reads, "");
    assert_eq!(without, about[0].1);
    assert_ne!(noted, about);
    let about = noted;

    deposit(&store, 1, 1);
    deposit(&store, 3, 1);
    run();
    assert_eq!(calls(), 1, "the other one waits behind what is parked");
    assert_eq!((cents(1), cents(3)), (206, 0));

    let handle = accounts(&store, &projection).handle();
    let letters = block_on(handle.dead_letters("accounts")).unwrap();
    let parked: Vec<_> = letters
        .iter()
        .map(|letter| {
            (
                letter.place.position.get(),
                letter.failures,
                &*letter.sequence,
            )
        })
        .collect();
    assert_eq!(parked[..2], [(8, 1, "account-3"), (9, 0, "account-3")]);
    assert_eq!(letters[0].error, "13 brings bad luck");
    assert_eq!(letters[0].name, "account.deposited");
    block_on(handle.retry("accounts", "account-3")).unwrap();
    run();
    assert_eq!((calls(), cents(3)), (4, 23));
    assert!(
        block_on(handle.dead_letters("accounts"))
            .unwrap()
            .is_empty()
    );
    assert_eq!(notes(&store, "projection/accounts/about"), about);

    // What the old entries hold to be unique, new rows respect.
    let again = Opened {
        number: 5,
        owner: "ann".to_owned(),
        email: Some("eve@x.org".to_owned()),
        country: "Japan".to_owned(),
        city: "Oslo".to_owned(),
    };
    append(&store, "account-5", vec![encode(&again)]).unwrap();
    run();
    let letters = block_on(handle.dead_letters("accounts")).unwrap();
    assert!(letters[0].error.contains("email"), "{}", letters[0]);
    assert_eq!(views.get::<Account>(Number(5)).unwrap(), None);
}

/// A worker that takes over all partitions, and what it handles up to the end of the log.
fn take_over(store: &LmdbStore) -> Vec<(String, u64)> {
    let (seen, is_held) = (Seen::default(), Arc::new(AtomicBool::new(true)));
    // What is asked of the worker that was killed is soon known to stay without an answer.
    let midgard = mailer(store, &seen, &is_held, Duration::from_millis(90));
    let handle = midgard.handle();
    let running = thread::spawn(|| block_on(midgard.run()));
    block_on(handle.wait_until("mailer", LONG, |status| status.partitions == 4)).unwrap();
    handle.drain();
    running.join().unwrap().unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn each_partition_of_the_fixtures_subscription_goes_on_where_it_was() {
    let (_directory, store) = fixture();
    let written = notes(&store, "subscription/mailer/");
    let written = written.iter().map(|(key, note)| (&**key, &**note));
    assert_eq!(written.collect::<Vec<_>>(), NOTES);
    let none = (Seen::default(), Arc::default());
    let handle = mailer(&store, &none.0, &none.1, LONG).handle();
    let letters = block_on(handle.dead_letters("mailer")).unwrap();
    let parked = letters.iter().map(|one| (&*one.sequence, one.failures));
    assert_eq!(parked.collect::<Vec<_>>(), [("told-3", 1), ("told-3", 0)]);

    // Only what the worker that was killed had not handled; of `told-3`, that waits behind what is parked.
    let handled = |name: &str, number| (name.to_owned(), number);
    assert_eq!(
        take_over(&store),
        [handled("told-0", HELD), handled("told-0", 3)]
    );
    assert_eq!(take_over(&store), []);

    block_on(handle.evict("mailer", Place::main(Position(15)))).unwrap();
    take_over(&store);
    block_on(handle.retry("mailer", "told-3")).unwrap();
    assert_eq!(
        take_over(&store),
        [handled("told-3", 2), handled("told-3", 3)]
    );
    assert!(block_on(handle.dead_letters("mailer")).unwrap().is_empty());
}

#[test]
fn a_stream_of_the_fixture_goes_to_the_partition_that_it_was_in() {
    let (_directory, store) = fixture();
    for (name, _) in PARTITIONS {
        tell(&store, name, REFUSED);
    }
    take_over(&store);
    let letters = notes(&store, "subscription/mailer/0000000000/letter/");
    for (name, partition) in PARTITIONS {
        let sequence = format!(r#""sequence":"{name}","partition":{partition},"#);
        assert!(
            letters.iter().any(|(_, letter)| letter.contains(&sequence)),
            "{name}: {letters:?}"
        );
    }
}

/// All that is written down about the subscription: partitions 0 and 1 belong to the worker that was killed.
const NOTES: [(&str, &str); 13] = [
    (
        "0000000000/challenge/00000",
        r#"{"format":1,"challenger":null,"answers":1}"#,
    ),
    (
        "0000000000/challenge/00001",
        r#"{"format":1,"challenger":null,"answers":0}"#,
    ),
    (
        "0000000000/checkpoint/0/00000",
        r#"{"format":1,"position":16}"#,
    ),
    (
        "0000000000/checkpoint/0/00001",
        r#"{"format":1,"position":16}"#,
    ),
    (
        "0000000000/checkpoint/0/00002",
        r#"{"format":1,"position":22}"#,
    ),
    (
        "0000000000/checkpoint/0/00003",
        r#"{"format":1,"position":22}"#,
    ),
    (
        "0000000000/lease/00000",
        r#"{"format":1,"owner":"01a213c4-8840-7553-9aff-835351d45711","epoch":4}"#,
    ),
    (
        "0000000000/lease/00001",
        r#"{"format":1,"owner":"01a213c4-8840-7553-9aff-835351d45711","epoch":4}"#,
    ),
    (
        "0000000000/lease/00002",
        r#"{"format":1,"owner":null,"epoch":4}"#,
    ),
    (
        "0000000000/lease/00003",
        r#"{"format":1,"owner":null,"epoch":4}"#,
    ),
    (
        "0000000000/letter/0/00000000000000000015",
        r#"{"format":1,"log":0,"position":15,"sequence":"told-3","partition":0,"name":"told","error":"13 brings bad luck","failures":1,"parked":1795627976748345,"tried":1795627976748345}"#,
    ),
    (
        "0000000000/letter/0/00000000000000000016",
        r#"{"format":1,"log":0,"position":16,"sequence":"told-3","partition":0,"name":"told","error":"an earlier event of its sequence is parked","failures":0,"parked":1795627976752404,"tried":1795627976752404}"#,
    ),
    ("about", r#"{"format":1,"partitions":4,"start":0}"#),
];
