//! Appends that change entries, by many threads.

use super::super::kit::*;
use super::super::threads::{THREADS, at_once, while_writing};
use super::kit::{by_prefix, handled, has, numbered, value};
use midgard::store::{EntryError, EntryWrite};
use std::collections::BTreeSet;

/// Returns whether an append was made that others may have preceded.
async fn is_appended(store: &impl Store, append: Append) -> bool {
    match store.append(append).await {
        Ok(_) => true,
        Err(AppendError::EntryChanged { .. }) => false,
        Err(error) => panic!("who comes too late is told that an entry changed, not: {error}"),
    }
}

fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| {
        let text = std::str::from_utf8(value).expect("a number was written");
        text.parse().expect("a number was written")
    })
}

/// Returns the number in an entry, and the change that increments it.
async fn counted_up(store: &impl Store, key: &[u8]) -> (u64, EntryWrite) {
    let before = value(store, key).await;
    let next = number(before.as_deref()) + 1;
    let write = EntryWrite::new()
        .expect(key, before.as_deref())
        .put(key, next.to_string().as_bytes());
    (next, write)
}

pub(in super::super) async fn one_winner_of_an_entry_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for round in 0..10 {
        let key = numbered(round);
        let won = at_once(|thread| {
            let name = format!("account-{round}-{thread}");
            let create = EntryWrite::new()
                .expect(&key, None)
                .put(&key, name.as_bytes())
                .put(name.as_bytes(), b"");
            let append = to(&name, NoStream, events(2)).with_entries(create);
            fixture
                .block_on(is_appended(&store, append))
                .then_some(name)
        });
        let won: Vec<_> = won.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "one thread creates the entry");
        has(&store, &key, won[0].as_bytes()).await;
        let streams: Vec<_> = log(&store)
            .await
            .into_iter()
            .skip(2 * round as usize)
            .map(|event| event.stream.as_str().to_owned())
            .collect();
        assert_eq!(
            streams,
            [&*won[0], &*won[0]],
            "and only its events are there"
        );
        let prefix = format!("account-{round}-");
        assert_eq!(
            by_prefix(&store, prefix.as_bytes()).await,
            [won[0].as_bytes()],
            "and only its entries"
        );
    }
}

pub(in super::super) async fn same_message_by_many_threads_is_handled_once<F: Fixture>(
    fixture: &F,
) {
    const MESSAGES: u32 = 25;
    let store = fixture.open();
    at_once(|_| {
        for message in 0..MESSAGES {
            let append = to(STREAM, Any, [event()]).with_entries(handled(&numbered(message)));
            fixture.block_on(is_appended(&store, append));
        }
    });
    assert_eq!(
        history(&store, STREAM).await.len() as u64,
        u64::from(MESSAGES),
        "each message has its effect once, whoever handles it"
    );
}

pub(in super::super) async fn same_append_with_entries_by_many_threads_is_made_once<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    for (name, expected) in [("account-1", NoStream), ("account-2", Any)] {
        let append = to(name, expected, events(2)).with_entries(handled(name.as_bytes()));
        let answers = at_once(|_| fixture.block_on(put(&store, append.clone())));
        for answer in &answers {
            assert_eq!(
                *answer, answers[0],
                "all who make the same append get the same answer, whatever it expects of entries"
            );
        }
        assert_same(&history(&store, name).await, &append.parts()[0].events);
        has(&store, name.as_bytes(), b"handled").await;
    }
}

pub(in super::super) async fn appends_and_changes_of_one_entry_by_many_threads<F: Fixture>(
    fixture: &F,
) {
    const EACH: u64 = 20;
    let store = fixture.open();
    let appended = at_once(|thread| {
        fixture.block_on(async {
            let name = format!("account-{thread}");
            let mut numbers = Vec::new();
            while (numbers.len() as u64) < EACH {
                let (next, count) = counted_up(&store, b"counter").await;
                let is_made = if thread % 2 == 0 {
                    is_appended(&store, to(&name, Any, [event()]).with_entries(count)).await
                } else {
                    match store.write_entries(count).await {
                        Ok(()) => true,
                        Err(EntryError::Changed { .. }) => false,
                        Err(error) => panic!("an entry that changed is said to be, not: {error}"),
                    }
                };
                numbers.extend(is_made.then_some(next));
            }
            (name, numbers)
        })
    });
    let counted = number(value(&store, b"counter").await.as_deref());
    assert_eq!(counted, EACH * THREADS as u64, "each counts once");
    let numbers: BTreeSet<_> = appended.iter().flat_map(|(_, numbers)| numbers).collect();
    assert_eq!(
        numbers.len() as u64,
        counted,
        "no number is given to two, whether they append or not"
    );
    for (thread, (name, _)) in appended.iter().enumerate() {
        let wanted = if thread % 2 == 0 { EACH } else { 0 };
        assert_eq!(
            history(&store, name).await.len() as u64,
            wanted,
            "an event is there for each change that was made with one"
        );
    }
}

pub(in super::super) async fn readers_see_events_and_entries_of_an_append_together<F: Fixture>(
    fixture: &F,
) {
    const EACH: u64 = 15;
    let store = fixture.open();
    let (counted, appended) = (
        async || number(value(&store, b"counter").await.as_deref()),
        async || state_of(&store, STREAM).await.last.0,
    );
    let write = |_| {
        fixture.block_on(async {
            let mut made = 0;
            while made < EACH {
                let (_, count) = counted_up(&store, b"counter").await;
                let append = to(STREAM, Any, [event()]).with_entries(count);
                made += u64::from(is_appended(&store, append).await);
            }
        });
    };
    while_writing(write, || {
        fixture.block_on(async {
            // A later read may have more of both.
            let entries = counted().await;
            let events = appended().await;
            assert!(
                entries <= events,
                "the entry counts {entries} events, and {events} are there"
            );
            assert!(
                events <= counted().await,
                "there are {events} events, and the entry counts fewer"
            );
        });
    });
    let wanted = EACH * THREADS as u64;
    assert_eq!(appended().await, wanted, "all events are there");
    assert_eq!(counted().await, wanted, "and counted");
}

pub(in super::super) async fn refused_appends_among_others_leave_nothing<F: Fixture>(fixture: &F) {
    const EACH: usize = 20;
    let store = fixture.open();
    at_once(|thread| {
        for index in 0..EACH {
            // Appends that are committed together fail separately.
            let is_right = (thread + index) % 2 == 0;
            let kind = if is_right { "right" } else { "wrong" };
            let name = format!("{kind}-{thread}-{index}");
            let mut change = EntryWrite::new().put(name.as_bytes(), b"new");
            if !is_right {
                change = change.expect(b"never", Some(b"there"));
            }
            let append = to(&name, NoStream, events(1)).with_entries(change);
            let made = fixture.block_on(is_appended(&store, append));
            assert_eq!(made, is_right, "each is decided alone");
        }
    });
    assert!(
        by_prefix(&store, b"wrong").await.is_empty(),
        "no entry of a refused append is there"
    );
    let mut streams: Vec<_> = log(&store)
        .await
        .into_iter()
        .map(|event| event.stream.as_str().as_bytes().to_vec())
        .collect();
    streams.sort_unstable();
    assert_eq!(streams.len(), THREADS * EACH / 2, "all others went through");
    assert_list(
        &by_prefix(&store, b"").await,
        &streams,
        "each append has both its event and its entry",
    );
}
