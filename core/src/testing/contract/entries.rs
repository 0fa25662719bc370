//! Entries: read in the order of their keys, changed all at once and only as expected, and apart from
//! the events.

use super::histories::Random;
use super::kit::*;
use super::threads::{THREADS, at_once};
use crate::store::{EntryError, EntryWrite, ReadEntries, after_prefix};
use crate::{DynStore, LimitError, Limited};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::pin::pin;
use std::sync::Arc;

/// Keys and values, in the order they were read in.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads entries; checks what is true of every such read.
async fn read(store: &impl Store, read: &ReadEntries) -> Entries {
    let mut entries = Entries::new();
    store
        .read_entries(read, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            if entries.len() > read.limit {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .await
        .expect("a store reads its entries");
    assert!(
        entries.len() <= read.limit,
        "a read gives no more than the {} entries it is limited to",
        read.limit
    );
    assert!(
        entries.is_sorted_by(|one, next| one.0 < next.0),
        "entries are read in the order of their keys' bytes, each once"
    );
    entries
}

async fn all(store: &impl Store) -> Entries {
    read(store, &ReadEntries::prefix(b"")).await
}

async fn by_prefix(store: &impl Store, prefix: &[u8]) -> Vec<Vec<u8>> {
    keys(read(store, &ReadEntries::prefix(prefix)).await)
}

fn keys(entries: Entries) -> Vec<Vec<u8>> {
    entries.into_iter().map(|(key, _)| key).collect()
}

/// The value of one entry, which must have that key.
async fn value(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    let entry = read(store, &ReadEntries::key(key)).await.pop();
    entry.map(|(found, value)| {
        assert_eq!(found, key, "a read of one key gives that key");
        value
    })
}

async fn has(store: &impl Store, key: &[u8], wanted: &[u8]) {
    let found = value(store, key).await;
    assert!(
        found.as_deref() == Some(wanted),
        "entry \"{}\" has the value of {} bytes that was written, and not {}",
        key.escape_ascii(),
        wanted.len(),
        found.map_or("none".to_owned(), |found| format!("{} bytes", found.len()))
    );
}

async fn has_not(store: &impl Store, key: &[u8]) {
    let found = value(store, key).await;
    assert_eq!(found, None, "entry \"{}\" is not there", key.escape_ascii());
}

/// A change that the store must make.
async fn write(store: &impl Store, write: EntryWrite) {
    if let Err(error) = store.write_entries(write).await {
        panic!("a store writes entries when nothing stands against it, but: {error}");
    }
}

async fn put_all(store: &impl Store, keys: &[&[u8]]) {
    let all = keys
        .iter()
        .fold(EntryWrite::new(), |all, key| all.put(key, key));
    write(store, all).await;
}

/// A change that the store must refuse, and of which nothing may stay.
async fn refused(store: &impl Store, write: EntryWrite) -> EntryError {
    let before = all(store).await;
    let Err(error) = store.write_entries(write).await else {
        panic!("a store refuses a change of entries that its promises rule out");
    };
    assert!(
        all(store).await == before,
        "of a refused change of entries ({error}) nothing is made"
    );
    error
}

/// Refused because the entry with this key is not as expected.
async fn changed(store: &impl Store, write: EntryWrite, wanted: &[u8]) {
    match refused(store, write).await {
        EntryError::Changed { key } => assert_eq!(
            key.escape_ascii().to_string(),
            wanted.escape_ascii().to_string(),
            "the error names the entry that is not as expected"
        ),
        error => panic!("an entry that is not as expected is said to be changed, not: {error}"),
    }
}

async fn breaks_limit(store: &impl Store, write: EntryWrite, wanted: &LimitError) {
    match refused(store, write).await {
        EntryError::Store(StoreError::Limit(error)) => {
            assert_eq!(error, *wanted, "a store names the limit that was broken");
        }
        error => panic!("a store names the limit that was broken, and not: {error}"),
    }
}

pub(super) async fn written_entry_can_be_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    has_not(&store, b"key").await;
    write(&store, EntryWrite::new().put(b"key", b"value")).await;
    has(&store, b"key", b"value").await;
    has_not(&store, b"other").await;
    assert_eq!(all(&store).await.len(), 1, "one entry was written");
}

pub(super) async fn empty_store_has_no_entries<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    assert!(all(&store).await.is_empty(), "nothing was written");
    assert!(by_prefix(&store, b"key").await.is_empty(), "nothing was");
}

pub(super) async fn later_value_of_an_entry_counts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for value in [&b"first"[..], b"", b"a longer value than the first", b"x"] {
        write(&store, EntryWrite::new().put(b"key", value)).await;
        has(&store, b"key", value).await;
    }
    assert_eq!(all(&store).await.len(), 1, "it is one entry");
}

pub(super) async fn entries_are_in_the_order_of_their_bytes<F: Fixture>(fixture: &F) {
    let ordered: [&[u8]; 12] = [
        b"\0", b"\0\0", b"\0\xff", b"\x01", b"9", b"B", b"a", b"a\0", b"a\0b", b"aa", b"b", b"\xff",
    ];
    let store = fixture.open();
    for start in [5, 0, 11, 7, 2, 9, 4, 1, 10, 3, 8, 6] {
        put_all(&store, &ordered[start..=start]).await;
    }
    assert_eq!(keys(all(&store).await), ordered, "in the order of bytes");
    let long: Vec<_> = (1..=limits::ENTRY_KEY_BYTES)
        .step_by(50)
        .map(|length| vec![b'z'; length])
        .collect();
    let long: Vec<_> = long.iter().rev().map(Vec::as_slice).collect();
    put_all(&store, &long).await;
    let found = by_prefix(&store, b"z").await;
    assert!(
        found.iter().rev().eq(&long),
        "a key stands before those that begin with it"
    );
}

pub(super) async fn keys_that_begin_alike_are_separate<F: Fixture>(fixture: &F) {
    let all: [&[u8]; 8] = [b"a", b"A", b"a ", b" a", b"a\0", b"ab", b"a/", b"\xc3\xa4"];
    let store = fixture.open();
    put_all(&store, &all).await;
    for key in all {
        has(&store, key, key).await;
    }
    write(&store, EntryWrite::new().remove(b"a")).await;
    for key in &all[1..] {
        has(&store, key, key).await;
    }
}

pub(super) async fn entries_by_prefix<F: Fixture>(fixture: &F) {
    let all: [&[u8]; 8] = [
        b"a",
        b"lease",
        b"lease/",
        b"lease/1",
        b"lease/1/2",
        b"lease/\xff",
        b"lease0",
        b"m",
    ];
    let store = fixture.open();
    put_all(&store, &all).await;
    assert_eq!(by_prefix(&store, b"lease/").await, all[2..6]);
    assert_eq!(by_prefix(&store, b"lease").await, all[1..7]);
    assert_eq!(by_prefix(&store, b"lease/1/2").await, all[4..5]);
    assert!(by_prefix(&store, b"lease/1/2/3").await.is_empty());
    assert!(by_prefix(&store, b"z").await.is_empty());
    assert_eq!(by_prefix(&store, b"").await, all, "all begin with nothing");
}

pub(super) async fn entries_by_a_prefix_of_the_highest_bytes<F: Fixture>(fixture: &F) {
    let all: [&[u8]; 7] = [
        b"a\xfe",
        b"a\xff",
        b"a\xff\xff",
        b"b",
        b"\xff",
        b"\xff\0",
        b"\xff\xff\xff",
    ];
    let store = fixture.open();
    put_all(&store, &all).await;
    assert_eq!(by_prefix(&store, b"a\xff").await, all[1..3]);
    assert_eq!(by_prefix(&store, b"\xff").await, all[4..]);
    assert_eq!(by_prefix(&store, b"\xff\xff").await, all[6..]);
    assert!(by_prefix(&store, &[0xff; 4]).await.is_empty());
}

pub(super) async fn entries_between_two_keys<F: Fixture>(fixture: &F) {
    let all: [&[u8]; 5] = [b"a", b"b", b"c", b"cc", b"d"];
    let store = fixture.open();
    put_all(&store, &all).await;
    let mut some = ReadEntries::prefix(b"");
    let bound = |key: &[u8]| Bound::Included(key.to_vec());
    let before = |key: &[u8]| Bound::Excluded(key.to_vec());
    for (from, to, wanted) in [
        (bound(b"b"), bound(b"cc"), &all[1..4]),
        (before(b"b"), before(b"cc"), &all[2..3]),
        (bound(b"bb"), bound(b"cb"), &all[2..3]),
        (before(b"bb"), Bound::Unbounded, &all[2..]),
        (Bound::Unbounded, before(b"c"), &all[..2]),
        (bound(b"c"), before(b"c"), &[]),
        (before(b"c"), bound(b"c"), &[]),
        (before(b"c"), before(b"c"), &[]),
        (bound(b"d"), bound(b"a"), &[]),
        (before(b""), bound(b"a"), &all[..1]),
        (Bound::Unbounded, bound(b""), &[]),
    ] {
        some.from = from;
        some.to = to;
        assert_eq!(
            keys(read(&store, &some).await),
            wanted,
            "{:?} to {:?}",
            some.from,
            some.to
        );
    }
}

pub(super) async fn entries_after_a_key_up_to_a_limit<F: Fixture>(fixture: &F) {
    let all: [&[u8]; 6] = [b"a", b"k/1", b"k/2", b"k/3", b"k/4", b"l"];
    let store = fixture.open();
    put_all(&store, &all).await;
    let some = ReadEntries::prefix(b"k/");
    let limited = keys(read(&store, &some.clone().limit(2)).await);
    assert_eq!(limited, all[1..3], "the first ones");
    let after = keys(read(&store, &some.clone().after(b"k/2")).await);
    assert_eq!(after, all[3..5], "what stands after a key");
    let both = keys(read(&store, &some.clone().after(b"k/2").limit(1)).await);
    assert_eq!(both, all[3..4], "the next one");
    let between = keys(read(&store, &some.clone().after(b"k/22").limit(9)).await);
    assert_eq!(between, all[3..5], "the key need not be there");
    assert!(read(&store, &some.clone().limit(0)).await.is_empty());
    assert!(read(&store, &some.after(b"k/4")).await.is_empty());
    assert!(
        read(&store, &ReadEntries::key(b"k/1").limit(0))
            .await
            .is_empty(),
        "no entries were asked for"
    );
}

pub(super) async fn break_ends_a_read_of_entries<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"b", b"c"]).await;
    let mut seen = 0;
    store
        .read_entries(&ReadEntries::prefix(b""), &mut |_, _| {
            seen += 1;
            ControlFlow::Break(())
        })
        .await
        .expect("a read that is ended is no failure");
    assert_eq!(seen, 1, "after a break no entry is given");
}

fn numbered(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

pub(super) async fn many_entries_are_read_whole<F: Fixture>(fixture: &F) {
    const MANY: u32 = 5000;
    let store = fixture.open();
    // In an order of their own: each number once.
    for part in 0..5 {
        let numbers = (0..MANY).map(|number| number * 7 % MANY);
        let some = numbers.skip(part * 1000).take(1000);
        let some = some.fold(EntryWrite::new(), |some, number| {
            some.put(&numbered(number), number.to_string().as_bytes())
        });
        write(&store, some).await;
    }
    let wanted: Entries = (0..MANY)
        .map(|number| (numbered(number).to_vec(), number.to_string().into_bytes()))
        .collect();
    assert!(all(&store).await == wanted, "no entry is lost or repeated");
    let mut paged = Entries::new();
    let mut next = ReadEntries::prefix(b"").limit(617);
    loop {
        let page = read(&store, &next).await;
        let Some((last, _)) = page.last() else { break };
        next = next.after(last);
        paged.extend(page);
    }
    assert!(paged == wanted, "nor in pages");
}

pub(super) async fn removed_entry_is_gone<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"b", b"c"]).await;
    write(&store, EntryWrite::new().remove(b"b")).await;
    has_not(&store, b"b").await;
    assert_eq!(by_prefix(&store, b"").await, [b"a", b"c"]);
    write(&store, EntryWrite::new().expect(b"b", None).put(b"b", b"2")).await;
    has(&store, b"b", b"2").await;
    let removed = EntryWrite::new().remove(b"a").remove(b"b").remove(b"c");
    write(&store, removed).await;
    assert!(all(&store).await.is_empty(), "all were removed");
}

pub(super) async fn removal_of_an_entry_that_is_not_there<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new().remove(b"b").put(b"a", b"1")).await;
    write(&store, EntryWrite::new().remove(b"b").remove(b"c")).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(super) async fn entry_as_expected_is_changed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let create = EntryWrite::new().expect(b"key", None).put(b"key", b"1");
    write(&store, create).await;
    let change = EntryWrite::new()
        .expect(b"key", Some(b"1"))
        .put(b"key", b"2");
    write(&store, change).await;
    has(&store, b"key", b"2").await;
    let remove = EntryWrite::new().expect(b"key", Some(b"2")).remove(b"key");
    write(&store, remove).await;
    has_not(&store, b"key").await;
}

pub(super) async fn entry_with_another_value_is_changed_by_another<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new().put(b"key", b"value")).await;
    for wrong in [&b"valu"[..], b"value\0", b"Value", b"", b"another"] {
        let change = EntryWrite::new().expect(b"key", Some(wrong));
        changed(&store, change.clone(), b"key").await;
        changed(&store, change.clone().put(b"key", b"new"), b"key").await;
        changed(&store, change.clone().remove(b"key"), b"key").await;
        changed(&store, change.put(b"other", b"new"), b"key").await;
    }
}

pub(super) async fn entry_expected_to_be_absent<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let create = |value| EntryWrite::new().expect(b"key", None).put(b"key", value);
    write(&store, create(b"")).await;
    changed(&store, create(b"other"), b"key").await;
    has(&store, b"key", b"").await;
}

pub(super) async fn entry_expected_to_be_there_is_absent<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for value in [&b"value"[..], b""] {
        let change = EntryWrite::new().expect(b"key", Some(value));
        changed(&store, change.clone(), b"key").await;
        changed(&store, change.put(b"key", b"new"), b"key").await;
    }
    has_not(&store, b"key").await;
}

pub(super) async fn one_failed_expectation_changes_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"c", b"e"]).await;
    let expected: [(&[u8], Option<&[u8]>); 5] = [
        (b"a", Some(b"a")),
        (b"b", None),
        (b"c", Some(b"c")),
        (b"d", None),
        (b"e", Some(b"e")),
    ];
    let right = expected
        .iter()
        .fold(EntryWrite::new(), |write, (key, value)| {
            write.expect(key, *value)
        })
        .put(b"0", b"new")
        .put(b"a", b"new")
        .put(b"b", b"new")
        .remove(b"c")
        .put(b"f", b"new");
    // Each of them counts, wherever it stands.
    for (key, value) in expected {
        let wrong = if value.is_some() { None } else { Some(key) };
        changed(&store, right.clone().expect(key, wrong), key).await;
    }
    write(&store, right).await;
    assert_eq!(
        by_prefix(&store, b"").await,
        [&b"0"[..], b"a", b"b", b"e", b"f"],
        "all was as expected"
    );
}

pub(super) async fn one_of_the_entries_that_changed_is_named<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"b", b"c"]).await;
    let change = EntryWrite::new()
        .expect(b"a", Some(b"a"))
        .expect(b"b", None)
        .expect(b"c", None)
        .put(b"d", b"new");
    match refused(&store, change).await {
        EntryError::Changed { key } => assert!(
            key == b"b" || key == b"c",
            "the error names an entry that is not as expected, and not \"{}\"",
            key.escape_ascii()
        ),
        error => panic!("an entry that is not as expected is said to be changed, not: {error}"),
    }
}

pub(super) async fn expectations_of_other_entries_than_are_changed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new().put(b"lease", b"mine")).await;
    let mine = EntryWrite::new()
        .expect(b"lease", Some(b"mine"))
        .put(b"row", b"1");
    write(&store, mine.clone()).await;
    has(&store, b"lease", b"mine").await;
    write(&store, EntryWrite::new().put(b"lease", b"another's")).await;
    changed(&store, mine.put(b"row", b"2"), b"lease").await;
    has(&store, b"row", b"1").await;
}

pub(super) async fn expectations_alone_change_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let check = EntryWrite::new()
        .expect(b"a", Some(b"a"))
        .expect(b"b", None);
    write(&store, check.clone()).await;
    changed(&store, check.expect(b"b", Some(b"b")), b"b").await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(super) async fn change_of_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new()).await;
    put_all(&store, &[b"a"]).await;
    write(&store, EntryWrite::new()).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(super) async fn change_after_a_refused_one_is_as_ever<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wrong = EntryWrite::new().expect(b"a", None).put(b"b", b"wrong");
    changed(&store, wrong, b"a").await;
    let right = EntryWrite::new().expect(b"b", None).put(b"b", b"right");
    write(&store, right).await;
    has(&store, b"b", b"right").await;
}

fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| {
        let text = std::str::from_utf8(value).expect("a number was written");
        text.parse().expect("a number was written")
    })
}

/// Puts numbers, if each entry is as it was read.
fn set_numbers(before: &[(&[u8], Option<Vec<u8>>)], after: &[u64]) -> EntryWrite {
    before
        .iter()
        .zip(after)
        .fold(EntryWrite::new(), |write, ((key, before), after)| {
            write
                .expect(key, before.as_deref())
                .put(key, after.to_string().as_bytes())
        })
}

/// Whether a change was made that others may have come before.
async fn is_made(store: &impl Store, write: EntryWrite) -> bool {
    match store.write_entries(write).await {
        Ok(()) => true,
        Err(EntryError::Changed { .. }) => false,
        Err(error) => panic!("who comes too late is told that an entry changed, not: {error}"),
    }
}

pub(super) async fn increments_by_many_threads_lose_nothing<F: Fixture>(fixture: &F) {
    const EACH: u64 = 25;
    let store = fixture.open();
    at_once(|_| {
        fixture.block_on(async {
            let mut made = 0;
            while made < EACH {
                let before = value(&store, b"counter").await;
                let next = number(before.as_deref()) + 1;
                let write = set_numbers(&[(b"counter", before)], &[next]);
                made += u64::from(is_made(&store, write).await);
            }
        });
    });
    let counted = number(value(&store, b"counter").await.as_deref());
    assert_eq!(counted, EACH * THREADS as u64, "each increment counts once");
}

pub(super) async fn changes_of_several_entries_by_many_threads_stay_whole<F: Fixture>(fixture: &F) {
    const EACH: u64 = 25;
    let accounts: [&[u8]; 2] = [b"account/1", b"account/2"];
    let store = fixture.open();
    let start = accounts
        .iter()
        .fold(EntryWrite::new(), |all, key| all.put(key, b"1000"));
    write(&store, start).await;
    at_once(|_| {
        fixture.block_on(async {
            let mut made = 0;
            while made < EACH {
                let before = [
                    (accounts[0], value(&store, accounts[0]).await),
                    (accounts[1], value(&store, accounts[1]).await),
                ];
                let [from, to] = before.each_ref().map(|(_, value)| number(value.as_deref()));
                let write = set_numbers(&before, &[from - 1, to + 1]);
                made += u64::from(is_made(&store, write).await);
            }
        });
    });
    let moved = EACH * THREADS as u64;
    for (account, wanted) in accounts.into_iter().zip([1000 - moved, 1000 + moved]) {
        let found = number(value(&store, account).await.as_deref());
        assert_eq!(found, wanted, "each change is made as a whole, and once");
    }
}

pub(super) async fn one_winner_creates_an_entry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for round in 0..10 {
        let key = numbered(round);
        let won = at_once(|thread| {
            let name = thread.to_string().into_bytes();
            let create = EntryWrite::new().expect(&key, None).put(&key, &name);
            fixture.block_on(is_made(&store, create)).then_some(name)
        });
        let won: Vec<_> = won.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "one thread creates the entry");
        has(&store, &key, &won[0]).await;
    }
}

pub(super) async fn key_of_an_entry_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wanted = LimitError::Empty(Limited::EntryKey);
    let fine = EntryWrite::new().put(b"a", b"new").put(b"b", b"new");
    breaks_limit(&store, fine.clone().put(b"", b"value"), &wanted).await;
    breaks_limit(&store, fine.clone().remove(b""), &wanted).await;
    breaks_limit(&store, fine.expect(b"", None), &wanted).await;
    has_not(&store, b"").await;
}

pub(super) async fn key_of_an_entry_too_long<F: Fixture>(fixture: &F) {
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

pub(super) async fn key_of_an_entry_at_its_limit<F: Fixture>(fixture: &F) {
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

pub(super) async fn value_of_an_entry_too_large<F: Fixture>(fixture: &F) {
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

pub(super) async fn value_of_an_entry_at_its_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let large = vec![7; limits::ENTRY_VALUE_BYTES];
    write(&store, EntryWrite::new().put(b"key", &large)).await;
    has(&store, b"key", &large).await;
}

pub(super) async fn entry_of_no_bytes<F: Fixture>(fixture: &F) {
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

pub(super) async fn entry_of_any_bytes<F: Fixture>(fixture: &F) {
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

pub(super) async fn entry_of_a_mebibyte<F: Fixture>(fixture: &F) {
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

pub(super) async fn entries_do_not_move_the_log<F: Fixture>(fixture: &F) {
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

pub(super) async fn appends_leave_entries_alone<F: Fixture>(fixture: &F) {
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

pub(super) async fn handles_share_their_entries<F: Fixture>(fixture: &F) {
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

pub(super) async fn reopened_store_has_all_entries<F: Fixture>(fixture: &F) {
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

pub(super) async fn entries_of_shared_stores<F: Fixture>(fixture: &F) {
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

pub(super) async fn random_history_of_entries<F: Fixture>(fixture: &F) {
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
