//! An old and a new release of a consumer on one store, where the new one knows a newer version of an event.

use super::kit::{append_event, at_once, start};
use super::releases::{Text, Told, has_reached, options, stands_by, wait_until};
use midgard::Views;
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::{
    Context, Event, EventSet, HandlerError, MemoryStore, Midgard, Position, Project, Projection,
    StartFrom, Subscription, View, block_on,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
    let subscription = Subscription::<E>::events("teller", StartFrom::Start).options(options);
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
