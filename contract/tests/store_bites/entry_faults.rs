//! The ways in which stores are broken that keep entries.

use crate::broken::{Entry, Fault};
use midgard::event::NewEvent;
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, StoreError};
use midgard::store::{EntryError, EntryWrite, ReadEntries};
use midgard::{LogId, MemoryStore, Position, Store, StreamName, limits};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::{Bound, ControlFlow};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

type Values = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn put_together(expected: &Values, changes: Values) -> EntryWrite {
    let mut write = expected
        .iter()
        .fold(EntryWrite::new(), |write, (key, value)| {
            write.expect(key, value.as_deref())
        });
    for (key, value) in changes {
        write.set(key, value);
    }
    write
}

async fn value(store: &MemoryStore, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    store
        .read_entries(&ReadEntries::key(key), &mut |_, value| {
            found = Some(value.to_vec());
            ControlFlow::Break(())
        })
        .await?;
    Ok(found)
}

/// A fault in what is written: what is expected and what is changed become something else.
macro_rules! write_fault {
    ($(#[$doc:meta])* $name:ident: |$expected:ident, $changes:ident| $change:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name;

        impl Fault for $name {
            async fn write_entries(
                &self,
                store: &MemoryStore,
                write: EntryWrite,
            ) -> Result<(), EntryError> {
                #[allow(unused_mut)]
                let (mut $expected, mut $changes) = write.into_parts();
                $change;
                store.write_entries(put_together(&$expected, $changes)).await
            }
        }
    };
}

/// A fault in what is asked for: `read` becomes something else.
macro_rules! ask_fault {
    ($(#[$doc:meta])* $name:ident: |$read:ident| $change:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name;

        impl Fault for $name {
            fn read_entries(&self, mut $read: ReadEntries) -> ReadEntries {
                $change;
                $read
            }
        }
    };
}

/// A fault in what is read: `entries` become something else.
macro_rules! read_fault {
    ($(#[$doc:meta])* $name:ident: |$entries:ident| $change:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name;

        impl Fault for $name {
            fn entries(&self, mut $entries: Vec<Entry>) -> Vec<Entry> {
                $change;
                $entries
            }
        }
    };
}

write_fault! { IgnoresExpectations: |expected, changes| expected.clear() }
write_fault! { IgnoresExpectedAbsence: |expected, changes| expected.retain(|_, value| value.is_some()) }
write_fault! { ChecksOneExpectation: |expected, changes| while expected.len() > 1 {
    expected.pop_last();
} }
write_fault! {
    ChecksOnlyWhatItChanges: |expected, changes| expected.retain(|key, _| changes.contains_key(key))
}
write_fault! { DropsAChange: |expected, changes| if changes.len() > 3 {
    changes.pop_last();
} }
write_fault! { ForgetsRemovals: |expected, changes| changes.retain(|_, value| value.is_some()) }
write_fault! {
    TakesEmptyForRemoved: |expected, changes| for value in changes.values_mut() {
        value.take_if(|value| value.is_empty());
    }
}
write_fault! {
    CutsValues: |expected, changes| changes
        .values_mut()
        .flatten()
        .for_each(|value| value.truncate(0xffff))
}

/// A fault in the keys that are written and expected: `key` becomes something else.
macro_rules! key_fault {
    ($name:ident: |$key:ident| $change:expr) => {
        write_fault! { $name: |expected, changes| {
            let changed = |values: Values| -> Values {
                let change = |(mut $key, value): (Vec<u8>, _)| {
                    $change;
                    ($key, value)
                };
                values.into_iter().map(change).collect()
            };
            (expected, changes) = (changed(expected), changed(changes));
        } }
    };
}

key_fault! { CutsKeys: |key| key.truncate(255) }
key_fault! { EndsKeysAtNul: |key| if let Some(end) = key.iter().skip(1).position(|byte| *byte == 0) {
    key.truncate(end + 1);
} }
key_fault! { FoldsTheCaseOfKeys: |key| key.make_ascii_lowercase() }

write_fault! {
    /// Rather cuts than refuses.
    SkipsEntryLimits: |expected, changes| {
        let fitting = |values: Values| -> Values {
            let fit = |(mut key, mut value): (Vec<u8>, Option<Vec<u8>>)| {
                key.truncate(limits::ENTRY_KEY_BYTES);
                if let Some(value) = &mut value {
                    value.truncate(limits::ENTRY_VALUE_BYTES);
                }
                (!key.is_empty()).then_some((key, value))
            };
            let mut bytes = 0;
            let is_within = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
                bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                bytes <= limits::ENTRY_WRITE_BYTES
            };
            let fitting = values.into_iter().filter_map(fit);
            let most = limits::ENTRIES_PER_WRITE / 2;
            fitting.take(most).take_while(is_within).collect()
        };
        (expected, changes) = (fitting(expected), fitting(changes));
    }
}

/// Makes the first half of the changes before it checks the rest.
#[derive(Default)]
pub(crate) struct WritesHalf;

impl Fault for WritesHalf {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        write.check_limits()?;
        let half = write.changes().len() / 2;
        let (expected, changes) = write.clone().into_parts();
        let half = changes.into_iter().take(half).collect();
        let of_the_first = expected.into_iter().take(1).collect();
        if store
            .write_entries(put_together(&of_the_first, half))
            .await
            .is_ok()
        {
            let (mut expected, changes) = write.into_parts();
            expected.pop_first();
            expected.retain(|key, _| !changes.contains_key(key));
            store
                .write_entries(put_together(&expected, changes))
                .await?;
            return Ok(());
        }
        store.write_entries(write).await
    }
}

/// Checks with the first change only, and makes the others after it.
#[derive(Default)]
pub(crate) struct TearsEntries;

impl Fault for TearsEntries {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        write.check_limits()?;
        let (expected, mut changes) = write.into_parts();
        let first = changes.pop_first().into_iter().collect();
        store.write_entries(put_together(&expected, first)).await?;
        for change in changes {
            (0..50).for_each(|_| thread::yield_now());
            let one = put_together(&Values::new(), Values::from([change]));
            store.write_entries(one).await?;
        }
        Ok(())
    }
}

/// Looks first and writes later, when others may have written.
#[derive(Default)]
pub(crate) struct ChecksEntriesTooEarly;

impl Fault for ChecksEntriesTooEarly {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        write.check_limits()?;
        let (expected, changes) = write.into_parts();
        let check = put_together(&expected, Values::new());
        store.write_entries(check).await?;
        (0..50).for_each(|_| thread::yield_now());
        store
            .write_entries(put_together(&Values::new(), changes))
            .await
    }
}

/// Takes any value for the one that was expected.
#[derive(Default)]
pub(crate) struct ChecksPresenceOnly;

impl Fault for ChecksPresenceOnly {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        let (mut expected, changes) = write.into_parts();
        for (key, wanted) in &mut expected {
            if let (Some(wanted), Some(found)) = (wanted, value(store, key).await?) {
                *wanted = found;
            }
        }
        store.write_entries(put_together(&expected, changes)).await
    }
}

#[derive(Default)]
pub(crate) struct RemovesOnlyWhatIsThere;

impl Fault for RemovesOnlyWhatIsThere {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        for (key, change) in write.changes().iter() {
            if change.is_none() && value(store, key).await?.is_none() {
                return Err(EntryError::Changed { key: key.to_vec() });
            }
        }
        store.write_entries(write).await
    }
}

#[derive(Default)]
pub(crate) struct NamesTheFirstKey;

impl Fault for NamesTheFirstKey {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        let first = write.expected().keys().next().cloned();
        match (store.write_entries(write).await, first) {
            (Err(EntryError::Changed { .. }), Some(key)) => Err(EntryError::Changed { key }),
            (outcome, _) => outcome,
        }
    }
}

/// Keeps entries as events.
#[derive(Default)]
pub(crate) struct LogsEntries;

impl Fault for LogsEntries {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        store.write_entries(write).await?;
        let stream = StreamName::new("entries").map_err(StoreError::from)?;
        let event = NewEvent::json("entry.written", 1, Vec::new());
        let append = Append::to(stream, ExpectedVersion::Any, [event]);
        match store.append(append).await {
            Err(AppendError::Store(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Wakes those who wait for an event when an entry is written.
#[derive(Default)]
pub(crate) struct WakesForEntries(AtomicBool);

impl Fault for WakesForEntries {
    async fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> Result<(), EntryError> {
        self.0.store(true, Ordering::SeqCst);
        store.write_entries(write).await
    }

    async fn wait_past(
        &self,
        store: &MemoryStore,
        log: LogId,
        position: Position,
    ) -> Result<(), StoreError> {
        let mut waiting = pin!(store.wait_past(log, position));
        poll_fn(|context| match self.0.load(Ordering::SeqCst) {
            true => Poll::Ready(Ok(())),
            false => waiting.as_mut().poll(context),
        })
        .await
    }
}

/// Has entries and streams in one table.
#[derive(Default)]
pub(crate) struct AppendsOverEntries;

impl Fault for AppendsOverEntries {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let streams: Vec<_> = append
            .parts()
            .iter()
            .map(|part| part.stream.clone())
            .collect();
        let appended = store.append(append).await?;
        for stream in streams {
            let write = EntryWrite::new().put(stream.as_str().as_bytes(), b"state");
            if let Err(EntryError::Store(error)) = store.write_entries(write).await {
                return Err(error.into());
            }
        }
        Ok(appended)
    }
}

ask_fault! { IgnoresEntryLimits: |read| read.limit = usize::MAX }
ask_fault! { BeginsAtTheKey: |read| if let Bound::Excluded(key) = read.from {
    read.from = Bound::Included(key);
} }
ask_fault! { EndsAfterTheKey: |read| if let Bound::Excluded(key) = read.to {
    read.to = Bound::Included(key);
} }
ask_fault! { OverlooksTheHighestKeys: |read| if read.to == Bound::Unbounded {
    read.to = Bound::Excluded(vec![0xff]);
} }

read_fault! { ReversesEntries: |entries| entries.reverse() }
read_fault! { OrdersByLength: |entries| entries.sort_by_key(|(key, _)| key.len()) }
read_fault! { OrdersAsSigned: |entries| {
    entries.sort_by_key(|(key, _)| key.iter().map(|byte| *byte as i8).collect::<Vec<_>>());
} }
read_fault! { LosesOneEntryOfMany: |entries| if entries.len() > 1024 {
    entries.remove(1024);
} }
read_fault! { RepeatsOneEntryOfMany: |entries| if let Some(last) = entries.get(1023).cloned() {
    entries.insert(1024, last);
} }
