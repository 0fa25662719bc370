//! Many threads that write at once: no version is given twice, nothing is lost, appends stay whole.

use super::kit::*;
use super::threads::{THREADS, at_once};
use futures_util::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn one_winner_for_each_version<F: Fixture>(fixture: &F) {
    const ROUNDS: u64 = 20;
    let store = fixture.open();
    let wins = at_once(|_| {
        (0..ROUNDS)
            .filter(|version| {
                // Nobody tries a version before someone has won the previous one.
                fixture.block_on(async {
                    if let Some(before) = version.checked_sub(1) {
                        let won = store.wait_past(LogId::MAIN, Position(before)).await;
                        won.expect("a store can be waited for");
                    }
                    let append = to(STREAM, Version(*version), events(1));
                    match store.append(append).await {
                        Ok(appended) => {
                            assert_eq!(appended.version(), Version(version + 1), "what was won");
                            true
                        }
                        Err(AppendError::Conflict { actual, .. }) => {
                            assert!(actual > Version(*version), "a conflict names what is there");
                            false
                        }
                        Err(error) => panic!("who comes too late meets a conflict, not: {error}"),
                    }
                })
            })
            .count()
    });
    assert_eq!(
        wins.iter().sum::<usize>() as u64,
        ROUNDS,
        "each version has exactly one winner"
    );
    assert_eq!(
        history(&store, STREAM).await.len() as u64,
        ROUNDS,
        "and is there once"
    );
}

pub(super) async fn one_winner_creates_a_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for round in 0..10 {
        let name = format!("account-{round}");
        let won = at_once(|_| {
            let appended = fixture.block_on(store.append(to(&name, NoStream, events(2))));
            match appended {
                Ok(_) => 1,
                Err(AppendError::Conflict { .. }) => 0,
                Err(error) => panic!("a stream that exists is a conflict, not: {error}"),
            }
        });
        assert_eq!(won.iter().sum::<i32>(), 1, "one thread creates the stream");
        assert_eq!(
            history(&store, &name).await.len(),
            2,
            "and only its events are there"
        );
    }
}

pub(super) async fn all_appends_with_any_go_through<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let answers = at_once(|_| {
        (0..20)
            .map(|index| {
                let appended =
                    fixture.block_on(put(&store, to(STREAM, Any, events(1 + index % 3))));
                (appended.version(), appended.position)
            })
            .collect::<Vec<_>>()
    });
    let unique: BTreeSet<_> = answers.iter().flatten().collect();
    assert_eq!(
        unique.len(),
        THREADS * 20,
        "no version and no position is given twice"
    );
    let all = history(&store, STREAM).await;
    assert_eq!(all.len(), THREADS * (7 + 7 * 2 + 6 * 3), "nothing is lost");
    assert_eq!(all[0].version, Version(1), "versions count from 1");
}

pub(super) async fn appends_to_different_streams_all_arrive<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let appended = at_once(|thread| {
        let name = format!("account-{thread}");
        let mut all = Vec::new();
        for _ in 0..20 {
            let batch = events(3);
            let append = to(&name, Version(all.len() as u64), batch.clone());
            let appended = fixture.block_on(put(&store, append));
            all.extend(batch);
            assert_eq!(
                appended.version(),
                Version(all.len() as u64),
                "nobody else writes here"
            );
        }
        (name, all)
    });
    for (name, events) in &appended {
        assert_same(&history(&store, name).await, events);
    }
    let all = log(&store).await;
    let wanted: Vec<_> = (1..=THREADS as u64 * 60).map(Position).collect();
    assert_eq!(
        positions(&all),
        wanted,
        "positions are given one after another, each once"
    );
}

pub(super) async fn appends_of_many_threads_stay_whole<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    at_once(|thread| {
        for index in 0..20 {
            let mut append = Append::default();
            for event in events(1 + (thread + index) % 5) {
                let event = event.with_tag("append", &format!("{thread}-{index}"));
                append = append.and(stream(&format!("account-{}", index % 4)), Any, [event]);
            }
            fixture.block_on(put(&store, append));
        }
    });
    let all = log(&store).await;
    let mut begun = BTreeSet::new();
    for run in all.chunk_by(|one, other| one.tags == other.tags) {
        let (thread, index) = run[0]
            .tags
            .view()
            .iter()
            .next()
            .expect("each has one tag")
            .split_once(':')
            .expect("key and value")
            .1
            .split_once('-')
            .expect("thread and index");
        assert!(
            begun.insert((thread, index)),
            "the events of one append stand together"
        );
        let numbers = [thread, index].map(|number| number.parse::<usize>().expect("a number"));
        let wanted = 1 + (numbers[0] + numbers[1]) % 5;
        assert_eq!(run.len(), wanted, "an append is there as a whole");
    }
    assert_eq!(begun.len(), THREADS * 20, "all appends are there");
}

pub(super) async fn appends_over_the_same_streams_in_any_order<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    at_once(|thread| {
        for _ in 0..10 {
            // Stores that lock stream by stream would wait for each other here.
            let (one, other) = if thread % 2 == 0 {
                ("a", "b")
            } else {
                ("b", "a")
            };
            let append = to(one, Any, events(1)).and(stream(other), Any, events(1));
            fixture.block_on(put(&store, append));
        }
    });
    for name in ["a", "b"] {
        assert_eq!(
            history(&store, name).await.len(),
            THREADS * 10,
            "all appends went through"
        );
    }
}

pub(super) async fn same_append_by_many_threads_is_made_once<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for (name, expected) in [
        (STREAM, NoStream),
        ("account-2", Any),
        ("account-3", NoStream),
    ] {
        let append = to(name, expected, events(3));
        let answers = at_once(|_| fixture.block_on(put(&store, append.clone())));
        for answer in &answers {
            assert_eq!(
                *answer, answers[0],
                "all who make the same append get the same answer"
            );
        }
        assert_same(&history(&store, name).await, &append.parts()[0].events);
    }
}

pub(super) async fn one_id_for_other_events_of_many_threads_is_one_event<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for (name, expected) in [(STREAM, NoStream), ("account-2", Any)] {
        let id = EventId::new();
        let event = |thread| {
            let payload = format!("{thread}").into_bytes();
            NewEvent::json("account.opened", 1, payload).with_id(id)
        };
        let answers = at_once(|thread| {
            let append = to(name, expected, [event(thread)]);
            match fixture.block_on(store.append(append)) {
                Ok(_) => Some(thread),
                Err(AppendError::IdTaken { .. }) => None,
                Err(error) => panic!("an id that is taken is refused as such, not: {error}"),
            }
        });
        let made: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(
            made.len(),
            1,
            "one event gets the id, and no other is taken for it"
        );
        assert_same(&history(&store, name).await, &[event(made[0])]);
    }
}

pub(super) async fn nothing_is_appended_after_a_tombstone<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let answers = at_once(|thread| {
        fixture.block_on(async {
            if thread == THREADS / 2 {
                store
                    .wait_past(LogId::MAIN, Position(5))
                    .await
                    .expect("it can be waited for");
                store
                    .tombstone(&stream(STREAM), Any)
                    .await
                    .expect("it tombstones");
                return Version::ZERO;
            }
            let mut last = Version::ZERO;
            loop {
                match store.append(to(STREAM, Any, events(2))).await {
                    Ok(appended) => last = appended.version(),
                    Err(AppendError::Tombstoned { version, .. }) => {
                        assert!(
                            version >= last,
                            "the tombstone is after all that went through"
                        );
                        return last;
                    }
                    Err(error) => panic!("a tombstoned stream says so, not: {error}"),
                }
            }
        })
    });
    let state = state_of(&store, STREAM).await;
    let last = answers.into_iter().max().expect("there are threads");
    assert_eq!(
        state.last, last,
        "what went through before is counted, nothing came after"
    );
    assert!(
        log(&store).await.is_empty(),
        "all events of the stream are gone"
    );
}

pub(super) async fn streams_of_one_append_go_on_together<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    at_once(|_| {
        for _ in 0..10 {
            fixture.block_on(async {
                loop {
                    let version = state_of(&store, "a").await.last;
                    let append = to("a", version, events(1)).and(stream("b"), version, events(1));
                    match store.append(append).await {
                        Ok(_) => break,
                        Err(AppendError::Conflict { .. }) => {}
                        Err(error) => panic!("who comes too late meets a conflict, not: {error}"),
                    }
                }
            });
        }
    });
    let mut seen = BTreeMap::<_, Vec<_>>::new();
    for event in log(&store).await {
        seen.entry(event.version).or_default().push(event.position);
    }
    assert_eq!(
        seen.len(),
        THREADS * 10,
        "each of the tries went through in the end"
    );
    for positions in seen.values() {
        assert_eq!(positions.len(), 2, "both streams have each version");
        assert_eq!(
            positions[0].next(),
            positions[1],
            "from one and the same append"
        );
    }
}

/// Appends of three events to streams of their own, each begun and then given up.
fn abandon<S: Store>(store: &S, appends: u64) {
    for number in 0..appends {
        let append = to(&abandoned(number), NoStream, events(3));
        // What needs no wait is done by then.
        drop(Box::pin(store.append(append)).now_or_never());
    }
}

fn abandoned(number: u64) -> String {
    format!("abandoned-{number}")
}

pub(super) async fn abandoned_appends_are_whole_or_not_there<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    abandon(&store, 20);
    put(&store, to(STREAM, NoStream, events(1))).await;
    for number in 0..20 {
        let there = history(&store, &abandoned(number)).await.len();
        assert!(
            there == 0 || there == 3,
            "an append whose future was dropped is there as a whole, or not at all: {there} of 3"
        );
    }
}

pub(super) async fn abandoned_appends_stand_in_nobodys_way<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    abandon(&store, 200);
    for version in 1..=20 {
        let appended = put(&store, to(STREAM, Any, events(1))).await;
        assert_eq!(
            appended.version(),
            Version(version),
            "later ones go through"
        );
    }
}
