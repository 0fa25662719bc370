//! Entries are apart from the events, and outlive handles.

use super::super::kit::*;
use super::kit::{Entries, all, changed, has, keys, put_all, read, refused, write};
use crate::random::Random;
use midgard::DynStore;
use midgard::store::{EntryWrite, ReadEntries, after_prefix};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

pub(in super::super) async fn entries_do_not_move_the_log<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let events = put_any(&store, STREAM, 2).await;
    let mut waiting = pin!(store.wait_past(LogId::MAIN, Position(2)));
    assert!(is_waiting(waiting.as_mut()).await, "nothing is there yet");
    for key in [STREAM.as_bytes(), b"b"] {
        put_all(&store, &[key]).await;
        write(&store, EntryWrite::new().remove(key).put(b"c", b"1")).await;
        let wrong = EntryWrite::new().expect(b"c", None).put(b"d", b"1");
        changed(&store, wrong, b"c").await;
    }
    assert_eq!(
        last_position(&store).await,
        Position(2),
        "entries have none"
    );
    assert!(
        is_waiting(waiting.as_mut()).await,
        "entries are nothing to wait for"
    );
    holds(&store, STREAM, &events).await;
    assert_eq!(log(&store).await.len(), 2, "entries are not in the log");
    let appended = put(&store, to(STREAM, Version(2), [event()])).await;
    assert_eq!(appended.position, Some(Position(3)), "positions go on");
    waiting.await.expect("a store can be waited for");
}

pub(in super::super) async fn appends_leave_entries_alone<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[STREAM.as_bytes(), b"other", b"\0\0\0\x01"]).await;
    let before = all(&store).await;
    let holds = async |what| assert!(all(&store).await == before, "{what} changes no entry");
    put_any(&store, STREAM, 3).await;
    holds("an append").await;
    store
        .truncate(&stream(STREAM), Version(3), Any)
        .await
        .expect("it truncates");
    holds("a truncation").await;
    store
        .tombstone(&stream(STREAM), Any)
        .await
        .expect("it tombstones");
    holds("a tombstone").await;
}

pub(in super::super) async fn handles_share_their_entries<F: Fixture>(fixture: &F) {
    let (one, other) = (fixture.open(), fixture.open());
    write(&one, EntryWrite::new().put(b"key", b"1")).await;
    has(&other, b"key", b"1").await;
    let change = |value| {
        EntryWrite::new()
            .expect(b"key", Some(b"1"))
            .put(b"key", value)
    };
    write(&other, change(b"2")).await;
    changed(&one, change(b"3"), b"key").await;
    drop(other);
    has(&one, b"key", b"2").await;
}

pub(in super::super) async fn reopened_store_has_all_entries<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    put_all(&store, &[b"a", b"b", b"c"]).await;
    let change = EntryWrite::new()
        .expect(b"b", Some(b"b"))
        .remove(b"a")
        .put(b"b", &[9; 10_000]);
    write(&store, change).await;
    let before = all(&store).await;
    drop(store);
    let store = fixture.open();
    assert!(all(&store).await == before, "they are as they were");
    let again = EntryWrite::new().expect(b"c", Some(b"c")).put(b"a", b"2");
    write(&store, again).await;
    drop(store);
    has(&fixture.open(), b"a", b"2").await;
    has(&fixture.open(), b"b", &[9; 10_000]).await;
}

pub(in super::super) async fn entries_of_shared_stores<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let shared = Arc::new(fixture.open());
    let erased = DynStore::new(fixture.open());
    put_all(&store, &[b"a"]).await;
    put_all(&shared, &[b"b"]).await;
    put_all(&erased, &[b"c"]).await;
    let entries = all(&store).await;
    assert_eq!(entries.len(), 3, "each writes to the same store");
    assert_eq!(all(&shared).await, entries, "and reads from it");
    assert_eq!(all(&erased).await, entries, "and reads from it");
    let wrong = EntryWrite::new().expect(b"a", None).put(b"d", b"new");
    changed(&shared, wrong.clone(), b"a").await;
    changed(&erased, wrong, b"a").await;
    let page = ReadEntries::prefix(b"").after(b"a").limit(1);
    for found in [read(&shared, &page).await, read(&erased, &page).await] {
        assert_eq!(keys(found), [b"b"], "a read is passed on as it is");
    }
}

pub(in super::super) async fn random_history_of_entries<F: Fixture>(fixture: &F) {
    let random = &mut Random(7);
    let store = fixture.open();
    let mut model = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    let key = |random: &mut Random| -> Vec<u8> {
        let bytes = [0, b'a', b'b', 0xff];
        (0..=random.below(3))
            .map(|_| bytes[random.below(4) as usize])
            .collect()
    };
    for _ in 0..400 {
        let mut change = EntryWrite::new();
        for _ in 0..random.below(3) {
            let key = key(random);
            let value = model.get(&key).cloned();
            // Now and then the value of another.
            let value = match random.one_in(8) {
                true => model.values().next().cloned(),
                false => value,
            };
            change = change.expect(&key, value.as_deref());
        }
        for _ in 0..random.below(5) {
            let value = vec![random.below(256) as u8; random.below(40) as usize];
            let value = (!random.one_in(4)).then_some(value);
            change.set(key(random), value);
        }
        let wrong = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| model.get(key) != value.as_ref();
        if change.expected().iter().any(wrong) {
            refused(&store, change).await;
        } else {
            write(&store, change.clone()).await;
            for (key, value) in change.into_parts().1 {
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
        }
        let prefix = key(random);
        let some = ReadEntries::prefix(&prefix).limit(random.below(8) as usize);
        let wanted: Entries = model
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .take(some.limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(
            read(&store, &some).await,
            wanted,
            "as an ordered map has it"
        );
        assert_eq!(some.to, after_prefix(&prefix));
    }
    assert!(
        all(&store).await == Entries::from_iter(model),
        "at the end too"
    );
}
