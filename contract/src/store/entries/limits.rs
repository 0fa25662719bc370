//! The limits of entries.

use super::super::kit::*;
use super::kit::{breaks_limit, by_prefix, changed, has, has_not, put_all, write};
use midgard::limits::{LimitError, Limited};
use midgard::store::EntryWrite;

pub(in super::super) async fn key_of_an_entry_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wanted = LimitError::Empty(Limited::EntryKey);
    let fine = EntryWrite::new().put(b"a", b"new").put(b"b", b"new");
    breaks_limit(&store, fine.clone().put(b"", b"value"), &wanted).await;
    breaks_limit(&store, fine.clone().remove(b""), &wanted).await;
    breaks_limit(&store, fine.expect(b"", None), &wanted).await;
    has_not(&store, b"").await;
}

pub(in super::super) async fn key_of_an_entry_too_long<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let long = vec![b'k'; limits::ENTRY_KEY_BYTES + 1];
    let wanted = LimitError::TooLong {
        what: Limited::EntryKey,
        limit: limits::ENTRY_KEY_BYTES,
        actual: long.len(),
    };
    let fine = EntryWrite::new().put(b"a", b"new").put(b"b", b"new");
    breaks_limit(&store, fine.clone().put(&long, b"value"), &wanted).await;
    breaks_limit(&store, fine.clone().remove(&long), &wanted).await;
    breaks_limit(&store, fine.expect(&long, None), &wanted).await;
    has_not(&store, &long).await;
}

pub(in super::super) async fn key_of_an_entry_at_its_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    // Keys that differ only in their last byte stay apart.
    let keys = [0, b'k', 0xff].map(|last| {
        let mut key = vec![b'k'; limits::ENTRY_KEY_BYTES - 1];
        key.push(last);
        key
    });
    for key in &keys {
        put_all(&store, &[key]).await;
    }
    for key in &keys {
        has(&store, key, key).await;
    }
    let found = by_prefix(&store, &keys[0][..limits::ENTRY_KEY_BYTES - 1]).await;
    assert_eq!(found, keys, "they can be read by what they begin with");
}

pub(in super::super) async fn value_of_an_entry_too_large<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wanted = LimitError::TooLong {
        what: Limited::EntryValue,
        limit: limits::ENTRY_VALUE_BYTES,
        actual: limits::ENTRY_VALUE_BYTES + 1,
    };
    let large = vec![b' '; limits::ENTRY_VALUE_BYTES + 1];
    let change = EntryWrite::new().put(b"a", b"new").put(b"b", &large);
    breaks_limit(&store, change, &wanted).await;
}

pub(in super::super) async fn value_of_an_entry_at_its_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let large = vec![7; limits::ENTRY_VALUE_BYTES];
    write(&store, EntryWrite::new().put(b"key", &large)).await;
    has(&store, b"key", &large).await;
}

pub(in super::super) async fn too_many_entries_at_once<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wanted = LimitError::TooLong {
        what: Limited::Entries,
        limit: limits::ENTRIES_PER_WRITE,
        actual: limits::ENTRIES_PER_WRITE + 1,
    };
    let mut change = EntryWrite::new().expect(b"a", Some(b"a"));
    for number in 0..limits::ENTRIES_PER_WRITE as u32 {
        change.set(number.to_be_bytes().to_vec(), None);
    }
    breaks_limit(&store, change, &wanted).await;
}

pub(in super::super) async fn too_many_bytes_of_entries_at_once<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wanted = LimitError::TooLong {
        what: Limited::EntryWrite,
        limit: limits::ENTRY_WRITE_BYTES,
        actual: limits::ENTRY_WRITE_BYTES + 1,
    };
    // Each is within its own limit.
    let value = vec![b' '; limits::ENTRY_VALUE_BYTES - 1];
    let values = limits::ENTRY_WRITE_BYTES / limits::ENTRY_VALUE_BYTES;
    let mut change = EntryWrite::new();
    for key in 0..values as u8 {
        change = change.put(&[key], &value);
    }
    breaks_limit(&store, change.remove(b"x"), &wanted).await;
}

pub(in super::super) async fn entry_of_no_bytes<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new().put(b"key", b"")).await;
    has(&store, b"key", b"").await;
    assert_eq!(by_prefix(&store, b"").await, [b"key"], "it is there");
    let absent = EntryWrite::new().expect(b"key", None).put(b"key", b"1");
    changed(&store, absent, b"key").await;
    let empty = EntryWrite::new().expect(b"key", Some(b"")).remove(b"key");
    write(&store, empty).await;
    has_not(&store, b"key").await;
}

pub(in super::super) async fn entry_of_any_bytes<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let pairs = every.iter().map(|byte| [*byte, !*byte]);
    let change = pairs.clone().fold(EntryWrite::new(), |all, pair| {
        all.put(&pair, &every[usize::from(pair[0])..])
    });
    write(&store, change.put(&every, &every)).await;
    for pair in pairs {
        has(&store, &pair, &every[usize::from(pair[0])..]).await;
    }
    has(&store, &every, &every).await;
}

pub(in super::super) async fn entry_of_a_mebibyte<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let value = |salt: usize| -> Vec<u8> {
        (0..1 << 20)
            .map(|at: usize| (at.wrapping_mul(31) >> 3).wrapping_add(salt) as u8)
            .collect()
    };
    let (first, other) = (value(0), value(1));
    let both = EntryWrite::new().put(b"a", &first).put(b"b", &other);
    write(&store, both.put(b"c", b"small")).await;
    has(&store, b"a", &first).await;
    has(&store, b"b", &other).await;
    let change = |before: &[u8]| {
        EntryWrite::new()
            .expect(b"a", Some(before))
            .put(b"a", &other)
    };
    changed(&store, change(&other), b"a").await;
    write(&store, change(&first)).await;
    has(&store, b"a", &other).await;
    has(&store, b"c", b"small").await;
}
