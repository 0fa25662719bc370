//! An old and a new release of a consumer on one store: at once, and one after the other.

use super::kit::{
    Counted, LONG, Paid, Running, append_all, append_event, at_once, count, pay, start,
};
use midgard::view::Views;
use midgard::{
    ConsumerOptions, ConsumerState, Context, Delivery, Event, EventSet, FailurePolicy,
    HandlerError, MemoryStore, Midgard, Position, Project, Projection, Registry, Status,
    Subscription, View, block_on,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, EventSet)]
enum Both {
    Counted(Counted),
    Paid(Paid),
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "rated")]
struct RatedV1 {
    whom: String,
    stars: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "rated", version = 2, upcast_from = RatedV1)]
struct Rated {
    whom: String,
    points: u64,
}

impl From<RatedV1> for Rated {
    fn from(old: RatedV1) -> Self {
        Rated {
            whom: old.whom,
            points: old.stars * 20,
        }
    }
}

/// What handlers were given, of whichever release.
#[derive(Default, Clone)]
struct Told {
    all: Arc<Mutex<Vec<String>>>,
    /// How often what is worth 13 is refused.
    refusals: Arc<AtomicU64>,
}

impl Told {
    fn tell<E: Text>(
        &self,
        release: &'static str,
    ) -> impl Fn(Delivery<E>) -> Ready<Result<(), HandlerError>> + use<E> {
        let told = self.clone();
        move |delivery| {
            let text = delivery.event.text();
            let fewer = |left: u64| left.checked_sub(1);
            let order = Ordering::SeqCst;
            if text.ends_with(" 13") && told.refusals.fetch_update(order, order, fewer).is_ok() {
                return ready(Err("13 brings bad luck".into()));
            }
            told.all.lock().unwrap().push(format!("{release}: {text}"));
            ready(Ok(()))
        }
    }

    fn all(&self) -> Vec<String> {
        self.all.lock().unwrap().clone()
    }

    fn clear(&self) {
        self.all.lock().unwrap().clear();
    }
}

trait Text: Send + 'static {
    fn text(&self) -> String;
}

impl Text for Counted {
    fn text(&self) -> String {
        format!("counted {}", self.number)
    }
}

impl Text for Both {
    fn text(&self) -> String {
        match self {
            Both::Counted(counted) => counted.text(),
            Both::Paid(paid) => format!("paid {}", paid.cents),
        }
    }
}

impl Text for RatedV1 {
    fn text(&self) -> String {
        format!("{} {}", self.whom, self.stars * 20)
    }
}

impl Text for Rated {
    fn text(&self) -> String {
        format!("{} {}", self.whom, self.points)
    }
}

fn options() -> ConsumerOptions {
    ConsumerOptions::new()
        .lease(Duration::from_millis(90))
        .on_failure(at_once())
}

/// The old release has no event `paid` at all.
fn ignorant() -> ConsumerOptions {
    options().knows(&Registry::new().with::<Counted>().unwrap())
}

fn old(store: &MemoryStore, told: &Told, options: ConsumerOptions) -> Midgard<MemoryStore> {
    let subscription = Subscription::<Counted>::events("teller").options(options);
    Midgard::new(store.clone()).subscribe(subscription, told.tell("old"))
}

fn new(store: &MemoryStore, told: &Told, options: ConsumerOptions) -> Midgard<MemoryStore> {
    let subscription = Subscription::<Both>::events("teller").options(options);
    Midgard::new(store.clone()).subscribe(subscription, told.tell("new"))
}

fn wait_until(running: &Running, name: &str, wanted: impl Fn(&Status) -> bool + Send) -> Status {
    block_on(running.handle.wait_until(name, LONG, wanted)).unwrap()
}

/// Whether everything up to a position is handled, as it is written down.
fn has_reached(midgard: &Midgard<MemoryStore>, position: Position) -> bool {
    let wait = Duration::from_millis(30);
    block_on(midgard.handle().wait_for("teller", position, wait)).is_ok()
}

fn stands_by(status: &Status) -> bool {
    let lacks = |message: &str| message.starts_with("it stands by");
    let last = status.last_error.as_ref();
    status.state == ConsumerState::Standby && last.is_some_and(|error| lacks(&error.message))
}

const LACKS_PAID: &str = "it stands by, as other releases of it also handle \"paid\", which this one cannot: it would \
                          pass over those; run the newer release, or, if they are given up on purpose, name each with \
                          `ConsumerOptions::drops`";

#[test]
fn who_covers_more_takes_over_at_once_and_who_covers_less_stands_by_and_says_why() {
    let (store, told) = (MemoryStore::new(), Told::default());
    count(&store, "told", [1]);
    let older = start(old(
        &store,
        &told,
        options().lease(Duration::from_secs(3600)),
    ));
    older.wait("teller", Position(1));
    let newer = start(new(
        &store,
        &told,
        options().lease(Duration::from_secs(3600)),
    ));
    let status = wait_until(&older, "teller", stands_by);
    assert_eq!(status.last_error.unwrap().message, LACKS_PAID);
    assert_eq!(status.partitions, 0);
    let last = pay(&store, "ann", 2);
    newer.wait("teller", last);
    wait_until(&newer, "teller", |status| {
        status.state == ConsumerState::Live
    });
    // What the old one had done is not done again.
    assert_eq!(told.all(), ["old: counted 1", "new: paid 2"]);
    // Also when the newer one is gone: nothing that it handles is passed.
    newer.stop().unwrap();
    pay(&store, "ann", 3);
    count(&store, "told", [4]);
    older.stop().unwrap();
    told.clear();
    let again = start(old(&store, &told, options()));
    wait_until(&again, "teller", stands_by);
    again.stop().unwrap();
    let error = block_on(old(&store, &told, options()).catch_up()).unwrap_err();
    assert!(error.to_string().contains(LACKS_PAID), "{error}");
    assert_eq!(told.all(), [""; 0]);
    block_on(new(&store, &told, options()).catch_up()).unwrap();
    assert_eq!(told.all(), ["new: paid 3", "new: counted 4"]);
    // There is nothing left that the old one would pass.
    block_on(old(&store, &told, options()).catch_up()).unwrap();
}

#[test]
fn a_release_that_gives_an_event_up_on_purpose_says_so_and_then_all_releases_go_on() {
    let (store, told) = (MemoryStore::new(), Told::default());
    count(&store, "told", [1]);
    pay(&store, "ann", 2);
    block_on(new(&store, &told, options()).catch_up()).unwrap();
    count(&store, "told", [3]);
    let dropping = || old(&store, &told, options().drops("paid"));
    block_on(dropping().catch_up()).unwrap();
    count(&store, "told", [4]);
    block_on(old(&store, &told, options()).catch_up()).unwrap();
    count(&store, "told", [5]);
    // The one that handles it is not kept from it, and takes nothing from the others.
    block_on(new(&store, &told, options()).catch_up()).unwrap();
    block_on(dropping().catch_up()).unwrap();
    let all = [
        "new: counted 1",
        "new: paid 2",
        "old: counted 3",
        "old: counted 4",
    ];
    assert_eq!(told.all()[..4], all);
    assert_eq!(told.all()[4..], ["new: counted 5"]);
}

#[test]
fn what_was_passed_by_who_did_not_know_it_is_handed_over_first_and_once() {
    for partitions in [1, 3] {
        let (store, told) = (MemoryStore::new(), Told::default());
        let spread = |midgard: fn(&MemoryStore, &Told, u32) -> Midgard<MemoryStore>| {
            block_on(midgard(&store, &told, partitions).catch_up()).unwrap();
        };
        count(&store, "told", [1]);
        for (account, cents) in [("ann", 2), ("bob", 3), ("cid", 4)] {
            pay(&store, account, cents);
        }
        count(&store, "told", [5]);
        spread(|store, told, partitions| {
            let subscription = Subscription::<Counted>::events("teller").partitions(partitions);
            Midgard::new(store.clone())
                .subscribe(subscription.options(ignorant()), told.tell("old"))
        });
        pay(&store, "ann", 6);
        let newer = |store: &MemoryStore, told: &Told, partitions| {
            let subscription = Subscription::<Both>::events("teller").partitions(partitions);
            Midgard::new(store.clone()).subscribe(subscription.options(options()), told.tell("new"))
        };
        spread(newer);
        let all = told.all();
        assert_eq!(all[..2], ["old: counted 1", "old: counted 5"]);
        assert_eq!(
            all[2..],
            ["new: paid 2", "new: paid 3", "new: paid 4", "new: paid 6"]
        );
        spread(newer);
        assert_eq!(told.all().len(), 6, "nothing is handed over twice");
    }
}

#[test]
fn handing_over_goes_on_where_it_was_after_a_failure_and_in_another_worker() {
    let (store, told) = (MemoryStore::new(), Told::default());
    for cents in [1, 13, 3, 13, 5] {
        pay(&store, "ann", cents);
    }
    count(&store, "told", [6]);
    block_on(old(&store, &told, ignorant()).catch_up()).unwrap();
    count(&store, "told", [7]);
    told.refusals.store(1, Ordering::SeqCst);
    let error = block_on(new(&store, &told, options()).catch_up()).unwrap_err();
    assert!(error.to_string().contains("13 brings bad luck"), "{error}");
    let midgard = new(&store, &told, options());
    assert!(has_reached(&midgard, Position(1)));
    assert!(!has_reached(&midgard, Position(2)), "it is not handled");
    // The old one keeps its hands off, though it knows what comes next.
    block_on(old(&store, &told, ignorant()).catch_up()).unwrap_err();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(
        told.all(),
        [
            "old: counted 6",
            "new: paid 1",
            "new: paid 13",
            "new: paid 3",
            "new: paid 13",
            "new: paid 5",
            "new: counted 7",
        ]
    );
}

#[test]
fn a_consumer_that_is_extended_by_an_event_that_was_known_begins_with_it_at_its_checkpoint() {
    let (store, told) = (MemoryStore::new(), Told::default());
    pay(&store, "ann", 1);
    count(&store, "told", [2]);
    block_on(old(&store, &told, options()).catch_up()).unwrap();
    pay(&store, "ann", 3);
    block_on(new(&store, &told, options()).catch_up()).unwrap();
    assert_eq!(told.all(), ["old: counted 2", "new: paid 3"]);
}

#[test]
fn who_reads_all_events_covers_those_that_the_program_knows() {
    let (store, told) = (MemoryStore::new(), Told::default());
    let any = |registry: Registry| {
        let told = told.clone();
        let subscription = Subscription::any_of("teller", registry).options(options());
        Midgard::new(store.clone()).subscribe(subscription, move |delivery| {
            let name = delivery.recorded.name;
            told.all.lock().unwrap().push(name);
            ready(Ok(()))
        })
    };
    let few = || Registry::new().with::<Counted>().unwrap();
    let more = || few().with::<Paid>().unwrap();
    count(&store, "told", [1]);
    block_on(any(few()).catch_up()).unwrap();
    block_on(any(more()).catch_up()).unwrap();
    pay(&store, "ann", 2);
    let error = block_on(any(few()).catch_up()).unwrap_err().to_string();
    assert!(error.contains("also handle \"paid\""), "{error}");
    let error = block_on(new(&store, &told, options()).catch_up())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("also handle all other events (\"*\")"),
        "{error}"
    );
    block_on(any(more()).catch_up()).unwrap();
    assert_eq!(told.all(), ["counted", "paid"]);
}

fn rate(store: &MemoryStore, stream: &str, whom: &str, points: u64) -> Position {
    let whom = whom.to_owned();
    append_event(store, stream, &Rated { whom, points })
}

fn rate_v1(store: &MemoryStore, stream: &str, whom: &str, stars: u64) -> Position {
    let whom = whom.to_owned();
    append_event(store, stream, &RatedV1 { whom, stars })
}

fn ratings<E: EventSet + Text>(
    store: &MemoryStore,
    told: &Told,
    release: &'static str,
    options: ConsumerOptions,
    partitions: u32,
) -> Midgard<MemoryStore> {
    let subscription = Subscription::<E>::events("teller").options(options);
    Midgard::new(store.clone()).subscribe(subscription.partitions(partitions), told.tell(release))
}

#[test]
fn what_was_parked_for_its_version_alone_is_handed_over_by_who_knows_it_with_what_waits_behind_it()
{
    let (store, told) = (MemoryStore::new(), Told::default());
    let parking = || options().on_failure(at_once().then_park());
    rate_v1(&store, "a", "ann", 1);
    rate(&store, "a", "ann", 13);
    rate_v1(&store, "a", "ann", 2);
    rate_v1(&store, "b", "bob", 3);
    let older = ratings::<RatedV1>(&store, &told, "old", parking(), 1);
    let handle = older.handle();
    block_on(older.catch_up()).unwrap();
    assert_eq!(block_on(handle.dead_letters("teller")).unwrap().len(), 2);
    // Asked to, the one that does not know it tries in vain.
    block_on(handle.retry("teller", "a")).unwrap();
    block_on(ratings::<RatedV1>(&store, &told, "old", parking(), 1).catch_up()).unwrap();
    assert_eq!(told.all(), ["old: ann 20", "old: bob 60"]);
    // The policy of the new one holds.
    told.refusals.store(1, Ordering::SeqCst);
    let retrying = FailurePolicy::retry(3).first_after(Duration::from_millis(1));
    let newer = || {
        let options = options().on_failure(retrying.clone().then_park());
        ratings::<Rated>(&store, &told, "new", options, 1)
    };
    block_on(newer().catch_up()).unwrap();
    let all = ["old: ann 20", "old: bob 60", "new: ann 13", "new: ann 40"];
    assert_eq!(told.all(), all);
    assert!(block_on(handle.dead_letters("teller")).unwrap().is_empty());
    block_on(newer().catch_up()).unwrap();
    assert_eq!(told.all(), all);
}

#[test]
fn an_owner_that_parks_what_it_does_not_know_gives_way_to_who_does() {
    let (store, told) = (MemoryStore::new(), Told::default());
    let parking = || options().on_failure(at_once().then_park());
    rate(&store, "a", "ann", 50);
    let older = start(ratings::<RatedV1>(&store, &told, "old", parking(), 2));
    wait_until(&older, "teller", |status| status.parked == 1);
    let newer = start(ratings::<Rated>(&store, &told, "new", parking(), 2));
    let status = wait_until(&older, "teller", stands_by);
    let error = status.last_error.unwrap().message;
    assert!(error.contains("handle version 2 of \"rated\""), "{error}");
    let last = rate(&store, "a", "ann", 60);
    newer.wait("teller", last);
    assert_eq!(told.all(), ["new: ann 50", "new: ann 60"]);
    newer.stop().unwrap();
    older.stop().unwrap();
}

#[test]
fn what_was_skipped_for_its_version_alone_is_handed_over_and_holds_up_nothing_meanwhile() {
    let (store, told) = (MemoryStore::new(), Told::default());
    let skipping = || options().on_failure(at_once().then_skip());
    rate(&store, "a", "ann", 50);
    rate(&store, "a", "ann", 13);
    rate_v1(&store, "a", "ann", 1);
    let older = ratings::<RatedV1>(&store, &told, "old", skipping(), 1);
    let handle = older.handle();
    block_on(older.catch_up()).unwrap();
    assert_eq!(told.all(), ["old: ann 20"]);
    // What fails by itself is skipped for good.
    told.refusals.store(1, Ordering::SeqCst);
    for _ in 0..2 {
        block_on(ratings::<Rated>(&store, &told, "new", skipping(), 1).catch_up()).unwrap();
        assert_eq!(told.all(), ["old: ann 20", "new: ann 50"]);
    }
    assert!(block_on(handle.dead_letters("teller")).unwrap().is_empty());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = whom)]
struct Points {
    whom: String,
    points: Vec<u64>,
}

#[derive(Projection)]
#[projection(name = "points", events(RatedV1), views(Points))]
struct OldPoints;

impl Project<RatedV1> for OldPoints {
    async fn project(
        &self,
        event: RatedV1,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let rated = Rated::from(event);
        let new = || Points {
            whom: rated.whom.clone(),
            points: Vec::new(),
        };
        Ok(context.upsert::<Points>(&rated.whom, new, |row| row.points.push(rated.points))?)
    }
}

#[derive(Projection)]
#[projection(name = "points", events(Rated), views(Points))]
struct NewPoints;

impl Project<Rated> for NewPoints {
    async fn project(
        &self,
        event: Rated,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let new = || Points {
            whom: event.whom.clone(),
            points: Vec::new(),
        };
        Ok(context.upsert::<Points>(&event.whom, new, |row| row.points.push(event.points))?)
    }
}

#[test]
fn a_projection_takes_in_what_an_old_release_could_not_read_once_a_new_one_is_there() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let parking = || options().on_failure(at_once().then_park());
    let older = || {
        let (store, views) = (store.clone(), views.clone());
        Midgard::new(store).project_with(OldPoints, views, parking())
    };
    let newer = || {
        let (store, views) = (store.clone(), views.clone());
        Midgard::new(store).project_with(NewPoints, views, parking())
    };
    let points = |whom: &str| {
        let row = views.get::<Points>(whom).unwrap();
        row.map(|row| row.points).unwrap_or_default()
    };
    rate_v1(&store, "a", "ann", 1);
    rate(&store, "a", "ann", 50);
    rate_v1(&store, "a", "ann", 2);
    rate_v1(&store, "b", "bob", 3);
    let old = start(older());
    wait_until(&old, "points", |status| status.parked == 1);
    old.wait("points", Position(4));
    assert_eq!((points("ann"), points("bob")), (vec![20], vec![60]));
    let new = start(newer());
    let error = wait_until(&old, "points", stands_by).last_error.unwrap();
    assert!(
        error.message.contains("version 2 of \"rated\""),
        "{}",
        error.message
    );
    let last = rate(&store, "b", "bob", 70);
    new.wait("points", last);
    wait_until(&new, "points", |status| status.parked == 0);
    assert_eq!(points("ann"), [20, 50, 40]);
    assert_eq!(points("bob"), [60, 70]);
    new.stop().unwrap();
    old.stop().unwrap();
    let error = block_on(older().catch_up()).unwrap_err().to_string();
    assert!(error.contains("version 2 of \"rated\""), "{error}");
    // A release that gives newer versions up parks them as before.
    let dropping = parking().drops("rated");
    let older = Midgard::new(store.clone()).project_with(OldPoints, views.clone(), dropping);
    rate(&store, "b", "bob", 80);
    let handle = older.handle();
    block_on(older.catch_up()).unwrap();
    assert_eq!(block_on(handle.dead_letters("points")).unwrap().len(), 1);
    block_on(newer().catch_up()).unwrap();
    assert_eq!(points("bob"), [60, 70, 80]);
}

#[test]
fn what_an_owner_had_done_when_it_gave_way_is_not_done_again_up_to_what_it_would_have_passed() {
    let (store, told) = (MemoryStore::new(), Told::default());
    // It writes nothing down while it is at work, but for the lease's sake.
    let hour = Duration::from_secs(3600);
    let (gate, entered) = (Arc::new(Mutex::new(())), Arc::new(AtomicU64::new(0)));
    let older = {
        let subscription =
            Subscription::<Counted>::events("teller").options(ignorant().lease(hour));
        let (told, gate, entered) = (told.clone(), gate.clone(), entered.clone());
        Midgard::new(store.clone()).subscribe(subscription, move |delivery| {
            if delivery.event.number == 6 {
                entered.store(1, Ordering::SeqCst);
                drop(gate.lock().unwrap());
            }
            let text = format!("old: {}", delivery.event.text());
            told.all.lock().unwrap().push(text);
            ready(Ok(()))
        })
    };
    let closed = gate.lock().unwrap();
    pay(&store, "ann", 8);
    count(&store, "told", [1]);
    let older = start(older);
    older.wait("teller", Position(2));
    // At rest, it does.
    while !has_reached(&new(&store, &told, options()), Position(2)) {
        std::thread::yield_now();
    }
    let encode = |number| midgard::NewEvent::encode(&Counted { number }).unwrap();
    let paid = Paid {
        account: "ann".to_owned(),
        cents: 3,
    };
    let paid = midgard::NewEvent::encode(&paid).unwrap();
    let all = [encode(2), paid, encode(4), encode(5), encode(6), encode(7)];
    append_all(&store, "told", all);
    while entered.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    // While it is at an event, the new one comes.
    let newer = start(new(&store, &told, options().lease(hour)));
    wait_until(&newer, "teller", |status| {
        status.state == ConsumerState::Standby
    });
    drop(closed);
    newer.wait("teller", Position(8));
    let all = told.all();
    let of = |release: &str| -> Vec<String> {
        let own = all.iter().filter_map(|told| told.strip_prefix(release));
        own.map(ToOwned::to_owned).collect()
    };
    // It had come beyond what it would have passed: from there on, all is done by who passes nothing.
    assert_eq!(of("old: ")[..2], ["counted 1", "counted 2"]);
    assert_eq!(
        of("new: "),
        [
            "paid 8",
            "paid 3",
            "counted 4",
            "counted 5",
            "counted 6",
            "counted 7"
        ]
    );
    newer.stop().unwrap();
    older.stop().unwrap();
}

/// Parks by whom an event is about, which only reading it tells.
fn by_whom<E: Event>(whom: fn(&E) -> &String) -> ConsumerOptions {
    let parking = options().on_failure(at_once().then_park());
    parking.sequence_by(move |event| match event.decode::<E>() {
        Ok(rated) => Cow::Owned(whom(&rated).clone()),
        Err(_) => Cow::Borrowed(event.stream),
    })
}

#[test]
fn an_event_whose_sequence_only_a_newer_release_can_tell_is_overtaken_by_nothing() {
    for partitions in [1, 2, 5] {
        let (store, told) = (MemoryStore::new(), Told::default());
        let older = || {
            let options = by_whom::<RatedV1>(|rated| &rated.whom);
            ratings::<RatedV1>(&store, &told, "old", options, partitions)
        };
        let newer = || {
            let options = by_whom::<Rated>(|rated| &rated.whom);
            ratings::<Rated>(&store, &told, "new", options, partitions)
        };
        let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let whom = ["ann", "bob", "cid", "dan"];
        for stars in 1..=4 {
            for (index, whom) in whom.into_iter().enumerate() {
                // All in streams that say nothing.
                let stream = format!("stream-{index}-{stars}");
                if stars == 2 && whom == "cid" {
                    rate(&store, &stream, whom, 40);
                } else {
                    rate_v1(&store, &stream, whom, stars);
                }
                let all = wanted.entry(whom).or_default();
                all.push(format!("{whom} {}", stars * 20));
            }
        }
        let running = start(older());
        let status = wait_until(&running, "teller", stands_by);
        let error = status.last_error.unwrap().message;
        assert!(error.contains("handle version 2 of \"rated\""), "{error}");
        running.stop().unwrap();
        let letters = block_on(older().handle().dead_letters("teller")).unwrap();
        assert!(letters.is_empty(), "{letters:?}");
        block_on(older().catch_up()).unwrap_err();
        assert!(!has_reached(&older(), Position(16)));
        block_on(newer().catch_up()).unwrap();
        let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let all = told.all();
        for told in &all {
            let (_, text) = told.split_once(": ").unwrap();
            let (whom, _) = text.split_once(' ').unwrap();
            found.entry(whom).or_default().push(text.to_owned());
        }
        assert_eq!(found, wanted, "{partitions}: {all:?}");
    }
}
