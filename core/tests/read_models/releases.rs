//! An old and a new release of a consumer on one store: at once, and one after the other.

use super::kit::{Counted, LONG, Paid, Running, append_all, at_once, count, pay, start};
use midgard::consumer::{ConsumerOptions, ConsumerState, Status};
use midgard::event::Registry;
use midgard::{
    Delivery, EventSet, HandlerError, MemoryStore, Midgard, Place, Position, StartFrom,
    Subscription, block_on,
};
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, EventSet)]
enum Both {
    Counted(Counted),
    Paid(Paid),
}

/// What handlers were given, of whichever release.
#[derive(Default, Clone)]
pub(crate) struct Told {
    pub(crate) all: Arc<Mutex<Vec<String>>>,
    /// How often what is worth 13 is refused.
    pub(crate) refusals: Arc<AtomicU64>,
}

impl Told {
    pub(crate) fn tell<E: Text>(
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

    pub(crate) fn all(&self) -> Vec<String> {
        self.all.lock().unwrap().clone()
    }

    fn clear(&self) {
        self.all.lock().unwrap().clear();
    }
}

pub(crate) trait Text: Send + 'static {
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

pub(crate) fn options() -> ConsumerOptions {
    ConsumerOptions::new()
        .lease(Duration::from_millis(90))
        .on_failure(at_once())
}

/// The old release has no event `paid` at all.
fn ignorant() -> ConsumerOptions {
    options().knows(&Registry::new().with::<Counted>().unwrap())
}

fn old(store: &MemoryStore, told: &Told, options: ConsumerOptions) -> Midgard<MemoryStore> {
    let subscription = Subscription::<Counted>::events("teller", StartFrom::Start).options(options);
    Midgard::new(store.clone()).subscribe(subscription, told.tell("old"))
}

fn new(store: &MemoryStore, told: &Told, options: ConsumerOptions) -> Midgard<MemoryStore> {
    let subscription = Subscription::<Both>::events("teller", StartFrom::Start).options(options);
    Midgard::new(store.clone()).subscribe(subscription, told.tell("new"))
}

pub(crate) fn wait_until(
    running: &Running,
    name: &str,
    wanted: impl Fn(&Status) -> bool + Send,
) -> Status {
    block_on(running.handle.wait_until(name, LONG, wanted)).unwrap()
}

/// Whether everything up to a position is handled, as it is written down.
pub(crate) fn has_reached(midgard: &Midgard<MemoryStore>, position: Position) -> bool {
    let wait = Duration::from_millis(30);
    block_on(
        midgard
            .handle()
            .wait_for("teller", Place::main(position), wait),
    )
    .is_ok()
}

pub(crate) fn stands_by(status: &Status) -> bool {
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
            let subscription =
                Subscription::<Counted>::events("teller", StartFrom::Start).partitions(partitions);
            Midgard::new(store.clone())
                .subscribe(subscription.options(ignorant()), told.tell("old"))
        });
        pay(&store, "ann", 6);
        let newer = |store: &MemoryStore, told: &Told, partitions| {
            let subscription =
                Subscription::<Both>::events("teller", StartFrom::Start).partitions(partitions);
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
        let subscription =
            Subscription::any_of("teller", StartFrom::Start, registry).options(options());
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

#[test]
fn what_an_owner_had_done_when_it_gave_way_is_not_done_again_up_to_what_it_would_have_passed() {
    let (store, told) = (MemoryStore::new(), Told::default());
    // It writes nothing down while it is at work, but for the lease's sake.
    let hour = Duration::from_secs(3600);
    let (gate, entered) = (Arc::new(Mutex::new(())), Arc::new(AtomicU64::new(0)));
    let older = {
        let subscription = Subscription::<Counted>::events("teller", StartFrom::Start)
            .options(ignorant().lease(hour));
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
    let encode = |number| midgard::event::NewEvent::encode(&Counted { number }).unwrap();
    let paid = Paid {
        account: "ann".to_owned(),
        cents: 3,
    };
    let paid = midgard::event::NewEvent::encode(&paid).unwrap();
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
