//! Reading entries: by key, by prefix, in ranges.

use super::super::kit::*;
use super::kit::{Entries, all, by_prefix, has, has_not, keys, numbered, put_all, read, write};
use midgard::store::{EntryWrite, ReadEntries};
use std::ops::Bound;

pub(in super::super) async fn written_entry_can_be_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    has_not(&store, b"key").await;
    write(&store, EntryWrite::new().put(b"key", b"value")).await;
    has(&store, b"key", b"value").await;
    has_not(&store, b"other").await;
    assert_eq!(all(&store).await.len(), 1, "one entry was written");
}

pub(in super::super) async fn empty_store_has_no_entries<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    assert!(all(&store).await.is_empty(), "nothing was written");
    assert!(by_prefix(&store, b"key").await.is_empty(), "nothing was");
}

pub(in super::super) async fn later_value_of_an_entry_counts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for value in [&b"first"[..], b"", b"a longer value than the first", b"x"] {
        write(&store, EntryWrite::new().put(b"key", value)).await;
        has(&store, b"key", value).await;
    }
    assert_eq!(all(&store).await.len(), 1, "it is one entry");
}

pub(in super::super) async fn entries_are_in_the_order_of_their_bytes<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn keys_that_begin_alike_are_separate<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn entries_by_prefix<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn entries_by_a_prefix_of_the_highest_bytes<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn entries_between_two_keys<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn entries_after_a_key_up_to_a_limit<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn break_ends_a_read_of_entries<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn many_entries_are_read_whole<F: Fixture>(fixture: &F) {
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
