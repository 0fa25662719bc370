//! Random histories, compared with a filter of the whole log.

use super::*;
use crate::common::verify;
use midgard::event::RecordedEventRef;
use midgard::store::{AppendCondition, AppendError, StreamTombstoned};
use midgard::{Event as _, Place, Version};

/// Appends with a random condition, which must hold just when the log says so.
fn append_with_condition(store: &LmdbStore, random: &mut Random, log: &[RecordedEvent]) {
    let (known, end) = (
        some_tags(log),
        log.last().map_or(0, |event| event.position.get()),
    );
    let after = match random.below(3) {
        0 => end.saturating_sub(random.below(300) as u64),
        1 => 0,
        _ => random.below(end as usize + 1) as u64,
    };
    let query = random.query(&known);
    let read = ReadLog::forward()
        .after(Position(after))
        .matching(query.clone());
    let first = expected(log, &read).first().copied();
    let condition = AppendCondition {
        query,
        after: Place::main(Position(after)),
    };
    let name = stream(&format!("stream-{}", random.below(40)));
    let append = Append::to(name, ExpectedVersion::Any, [random.event()]).unless(condition);
    match (block_on(store.append(append)), first) {
        (Ok(_), None) => {}
        (Err(AppendError::ConditionFailed { place, .. }), Some(first)) => {
            assert_eq!(place, Place::main(first));
        }
        (Err(AppendError::Tombstoned { .. }), _) => {}
        (answer, first) => panic!("{answer:?}, and the first match is {first:?}"),
    }
}

/// Removes the beginning of a stream, or all of it, and gives it another name.
fn remove(store: &LmdbStore, random: &mut Random) {
    let name = stream(&format!("stream-{}", random.below(40)));
    if random.below(12) == 0 {
        let _ = block_on(store.tombstone(&name, ExpectedVersion::Any));
        return;
    }
    let last = block_on(store.stream_state(&name)).unwrap().last.get();
    let before = Version(random.below(last as usize + 2) as u64);
    let _ = block_on(store.truncate(&name, before, ExpectedVersion::Any));
}

/// Appends like [`fill`], except to streams that were ended.
fn append_some(store: &LmdbStore, random: &mut Random) {
    let name = stream(&format!("stream-{}", random.below(40)));
    let count = 1 + random.below(3_000);
    let batch: Vec<_> = (0..count).map(|_| random.event()).collect();
    match block_on(store.append(Append::to(name, ExpectedVersion::Any, batch))) {
        Ok(_) | Err(AppendError::Tombstoned { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn queries_and_conditions_are_answered_as_the_log_says() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(11);
    let mut store = open(directory.path());
    for round in 0..130 {
        append_some(&store, &mut random);
        if random.below(3) == 0 {
            remove(&store, &mut random);
        }
        if round % 17 == 0 {
            drop(store);
            store = open(directory.path());
        }
        if round % 8 == 0 {
            check(&store, &mut random, 8);
            let mut log = read_log(&store).unwrap();
            for _ in 0..6 {
                append_with_condition(&store, &mut random, &log);
                let last = log.last().map_or(Position::ZERO, |event| event.position);
                let visit = &mut |event: RecordedEventRef<'_>| {
                    log.push(event.to_owned());
                    ControlFlow::Continue(())
                };
                block_on(store.read_log(&ReadLog::forward().after(last), visit)).unwrap();
            }
        }
    }
    let statistics = store.statistics(|_| ControlFlow::Continue(())).unwrap();
    assert!(statistics.tags.runs > 0, "{statistics:?}");
    assert!(statistics.tags.behind <= 2 * 32_768, "{statistics:?}");
    let verification = verify(&store);
    assert!(verification.is_sound(), "{verification:?}");
    assert!(verification.tag_entries > 0);
}

#[test]
fn tombstones_are_found_by_those_who_ask_for_them_and_what_was_removed_by_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(5);
    let store = open(directory.path());
    let tagged = |number: usize| event("{}").with_tag("owner", &number.to_string());
    for number in 0..30 {
        let name = stream(&format!("ended-{number}"));
        let append = Append::to(name.clone(), ExpectedVersion::Any, [tagged(number)]);
        block_on(store.append(append)).unwrap();
        if number % 3 == 0 {
            block_on(store.tombstone(&name, ExpectedVersion::Any)).unwrap();
        }
        fill(&store, &mut random, 1_500);
    }
    fill(&store, &mut random, MANY);
    let all = positions(
        &store,
        &ReadLog::forward().matching(Query::all_with_tombstones()),
    );
    let events = positions(&store, &ReadLog::forward());
    let named = QueryItem::new().name(StreamTombstoned::NAME);
    let tombstones = positions(&store, &ReadLog::forward().matching(named.clone()));
    assert_eq!(tombstones.len(), 10);
    let mut both = [events, tombstones.clone()].concat();
    both.sort();
    assert_eq!(all, both);
    let backward = positions(&store, &ReadLog::backward().matching(named).limit(4));
    assert!(backward.iter().eq(tombstones.iter().rev().take(4)));
    for number in 0..30 {
        let item = QueryItem::new().tag(format!("owner:{number}"));
        let found = positions(&store, &ReadLog::forward().matching(item.clone()));
        assert_eq!(found.len(), usize::from(number % 3 != 0), "{number}");
        // A tombstone has no tags.
        let item = item.name(StreamTombstoned::NAME);
        assert_eq!(positions(&store, &ReadLog::forward().matching(item)), []);
    }
}

#[test]
fn a_read_goes_on_while_what_it_reads_is_merged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut random = Random::new(3);
    fill(&store, &mut random, MANY);
    let read = ReadLog::forward().matching(QueryItem::new().name("name-1"));
    let wanted = expected(&read_log(&store).unwrap(), &read);
    let mut found = Vec::new();
    let visit = &mut |event: RecordedEventRef<'_>| {
        found.push(event.position);
        if found.len() % 2_000 == 0 {
            // Far more is appended than the tail has when the read comes to it.
            fill(&store, &mut random, 9_000);
        }
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&read, visit)).unwrap();
    assert_eq!(
        found, wanted,
        "events that were appended later are not of it"
    );
}

#[test]
fn events_of_one_name_leave_few_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for _ in 0..100 {
        let batch: Vec<_> = (0..4_000).map(|_| event("{}")).collect();
        let append = Append::to(stream("one"), ExpectedVersion::Any, batch);
        block_on(store.append(append)).unwrap();
    }
    let tags = store
        .statistics(|_| ControlFlow::Continue(()))
        .unwrap()
        .tags;
    // Of twelve, at most three that are merged, four that are not, and one that is being made.
    assert!(tags.runs <= 8, "{tags:?}");
    assert!(tags.bytes < 2 * tags.entries, "{tags:?}");
    let named = ReadLog::backward().matching(QueryItem::new().name("thing.happened"));
    assert_eq!(
        positions(&store, &named.limit(3)),
        [400_000, 399_999, 399_998].map(Position)
    );
}
