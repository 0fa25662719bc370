//! Shared code of the cases of entries.

use super::super::kit::*;
use midgard::Place;
use midgard::limits::LimitError;
use midgard::store::{EntryError, EntryWrite, ReadEntries};

/// Keys and values, in the order in which they were read.
pub(super) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads entries; checks invariants of every such read.
pub(super) async fn read(store: &impl Store, read: &ReadEntries) -> Entries {
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

pub(super) async fn all(store: &impl Store) -> Entries {
    read(store, &ReadEntries::prefix(b"")).await
}

pub(super) async fn by_prefix(store: &impl Store, prefix: &[u8]) -> Vec<Vec<u8>> {
    keys(read(store, &ReadEntries::prefix(prefix)).await)
}

pub(super) fn keys(entries: Entries) -> Vec<Vec<u8>> {
    entries.into_iter().map(|(key, _)| key).collect()
}

/// Returns the value of one entry, which must have that key.
pub(super) async fn value(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    let entry = read(store, &ReadEntries::key(key)).await.pop();
    entry.map(|(found, value)| {
        assert_eq!(found, key, "a read of one key gives that key");
        value
    })
}

pub(super) async fn has(store: &impl Store, key: &[u8], wanted: &[u8]) {
    let found = value(store, key).await;
    assert!(
        found.as_deref() == Some(wanted),
        "entry \"{}\" has the value of {} bytes that was written, and not {}",
        key.escape_ascii(),
        wanted.len(),
        found.map_or("none".to_owned(), |found| format!("{} bytes", found.len()))
    );
}

pub(super) async fn has_not(store: &impl Store, key: &[u8]) {
    let found = value(store, key).await;
    assert_eq!(found, None, "entry \"{}\" is not there", key.escape_ascii());
}

/// Makes a change that the store must accept.
pub(super) async fn write(store: &impl Store, write: EntryWrite) {
    if let Err(error) = store.write_entries(write).await {
        panic!("a store writes entries when nothing stands against it, but: {error}");
    }
}

pub(super) async fn put_all(store: &impl Store, keys: &[&[u8]]) {
    let all = keys
        .iter()
        .fold(EntryWrite::new(), |all, key| all.put(key, key));
    write(store, all).await;
}

/// Makes a change that the store must refuse, leaving no trace.
pub(super) async fn refused(store: &impl Store, write: EntryWrite) -> EntryError {
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

/// Asserts a refusal because the entry with this key is not as expected.
pub(super) async fn changed(store: &impl Store, write: EntryWrite, wanted: &[u8]) {
    match refused(store, write).await {
        EntryError::Changed { key } => assert_eq!(
            key.escape_ascii().to_string(),
            wanted.escape_ascii().to_string(),
            "the error names the entry that is not as expected"
        ),
        error => panic!("an entry that is not as expected is said to be changed, not: {error}"),
    }
}

pub(super) async fn breaks_limit(store: &impl Store, write: EntryWrite, wanted: &LimitError) {
    match refused(store, write).await {
        EntryError::Store(StoreError::Limit(error)) => {
            assert_eq!(error, *wanted, "a store names the limit that was broken");
        }
        error => panic!("a store names the limit that was broken, and not: {error}"),
    }
}

pub(super) fn numbered(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Returns the change that notes a message as handled, unless it is noted already.
pub(super) fn handled(key: &[u8]) -> EntryWrite {
    EntryWrite::new().expect(key, None).put(key, b"handled")
}

/// Asserts that `refuse` leaves the entries as they are.
pub(super) async fn leaves_entries<S: Store>(store: &S, refuse: impl Future<Output = ()>) {
    let before = all(store).await;
    refuse.await;
    assert!(
        all(store).await == before,
        "a refused append changes no entry"
    );
}

/// Asserts a refusal because the entry with this key is not as expected; neither events nor entries may be left.
pub(super) async fn entry_changed(store: &impl Store, append: Append, wanted: &[u8]) {
    let before = (all(store).await, log(store).await);
    match super::super::kit::refused(store, append).await {
        AppendError::EntryChanged { key } => assert_eq!(
            key.escape_ascii().to_string(),
            wanted.escape_ascii().to_string(),
            "the error names the entry that is not as expected"
        ),
        error => panic!("an entry that is not as expected is said to be changed, not: {error}"),
    }
    assert!(
        (all(store).await, log(store).await) == before,
        "of an append whose entries are not as expected nothing stays"
    );
}

pub(super) fn unless_any_event(append: Append) -> Append {
    append.unless(AppendCondition {
        query: Query::all(),
        after: Place::START,
    })
}

/// Repeats an append whose entries were changed since: it gets the first answer, and nothing may change.
pub(super) async fn answers_again(store: &impl Store, append: &Append, first: &Appended) {
    let before = (all(store).await, log(store).await);
    let again = put(store, append.clone()).await;
    assert_eq!(
        again, *first,
        "a retry of an append gets the answer that the append got, whatever it expects of entries"
    );
    assert!(
        (all(store).await, log(store).await) == before,
        "a retry of an append adds no event and changes no entry again"
    );
}
