//! Changes of entries by many threads.

use super::super::kit::*;
use super::super::threads::{THREADS, at_once};
use super::kit::{has, numbered, value, write};
use midgard::store::{EntryError, EntryWrite};

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

/// Returns whether a change was made that others may have preceded.
async fn is_made(store: &impl Store, write: EntryWrite) -> bool {
    match store.write_entries(write).await {
        Ok(()) => true,
        Err(EntryError::Changed { .. }) => false,
        Err(error) => panic!("who comes too late is told that an entry changed, not: {error}"),
    }
}

pub(in super::super) async fn increments_by_many_threads_lose_nothing<F: Fixture>(fixture: &F) {
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

pub(in super::super) async fn changes_of_several_entries_by_many_threads_stay_whole<F: Fixture>(
    fixture: &F,
) {
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

pub(in super::super) async fn one_winner_creates_an_entry<F: Fixture>(fixture: &F) {
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
