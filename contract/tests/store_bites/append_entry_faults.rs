//! The ways in which stores are broken whose appends change entries.

use crate::broken::Fault;
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, StoreError};
use midgard::store::{EntryError, EntryWrite, ReadEntries};
use midgard::{LogId, MemoryStore, Position, Store, limits};
use std::future::{pending, poll_fn};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread;

/// The same append with other changes of entries.
fn with(append: Append, entries: Option<EntryWrite>) -> Append {
    let condition = append.condition().cloned();
    let parts = append.into_parts().into_iter();
    let mut changed = parts.fold(Append::default(), |append, part| {
        append.and(part.stream, part.expected, part.events)
    });
    if let Some(condition) = condition {
        changed = changed.unless(condition);
    }
    match entries {
        Some(entries) => changed.with_entries(entries),
        None => changed,
    }
}

/// Takes the entries from an append.
fn apart(append: Append) -> (Append, EntryWrite) {
    let entries = append.entries().cloned().unwrap_or_default();
    (with(append, None), entries)
}

/// What is expected of entries, and nothing else.
fn expectations(write: &EntryWrite) -> EntryWrite {
    let expected = write.expected().iter();
    expected.fold(EntryWrite::new(), |write, (key, value)| {
        write.expect(key, value.as_deref())
    })
}

/// The changes, whatever is expected.
fn changes(write: &EntryWrite) -> EntryWrite {
    let mut changes = EntryWrite::new();
    for (key, value) in write.changes().iter() {
        changes.set(key.to_vec(), value.map(<[u8]>::to_vec));
    }
    changes
}

fn others_come_between() {
    (0..50).for_each(|_| thread::yield_now());
}

/// A fault in appends that change entries; others go through as ever.
macro_rules! append_fault {
    ($(#[$doc:meta])* $name:ident: |$store:ident, $append:ident| $change:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name;

        impl Fault for $name {
            async fn append(
                &self,
                $store: &MemoryStore,
                $append: Append,
            ) -> Result<Appended, AppendError> {
                if $append.entries().is_none() {
                    return $store.append($append).await;
                }
                $change
            }
        }
    };
}

/// A fault in what an append changes and expects of entries: `write` becomes something else.
macro_rules! write_fault {
    ($(#[$doc:meta])* $name:ident: |$write:ident| $change:expr) => {
        append_fault! {
            $(#[$doc])*
            $name: |store, append| {
                let (append, $write) = apart(append);
                store.append(with(append, Some($change))).await
            }
        }
    };
}

write_fault! { ForgetsEntriesOfAppends: |write| expectations(&write) }
write_fault! { IgnoresExpectationsOfAppends: |write| changes(&write) }
write_fault! { IgnoresAbsenceExpectedByAppends: |write| {
    let present = write.expected().iter().filter(|(_, value)| value.is_some());
    present.fold(changes(&write), |write, (key, value)| write.expect(key, value.as_deref()))
} }
write_fault! { AppendsCheckOnlyWhatTheyChange: |write| {
    let changed = |wanted: &[u8]| write.changes().iter().any(|(key, _)| key == wanted);
    let checked = write.expected().iter().filter(|(key, _)| changed(key));
    checked.fold(changes(&write), |write, (key, value)| write.expect(key, value.as_deref()))
} }
write_fault! { AppendsForgetRemovals: |write| {
    let mut kept = expectations(&write);
    for (key, value) in write.changes().iter().filter(|(_, value)| value.is_some()) {
        kept.set(key.to_vec(), value.map(<[u8]>::to_vec));
    }
    kept
} }
write_fault! {
    /// Rather cuts than refuses.
    AppendsSkipEntryLimits: |write| {
        let mut fitting = EntryWrite::new();
        for (key, value) in write.expected().iter().filter(|(key, _)| !key.is_empty()) {
            let key = &key[..key.len().min(limits::ENTRY_KEY_BYTES)];
            fitting = fitting.expect(key, value.as_deref());
        }
        for (key, value) in write.changes().iter().filter(|(key, _)| !key.is_empty()) {
            let key = &key[..key.len().min(limits::ENTRY_KEY_BYTES)];
            let value = value.map(|value| value[..value.len().min(limits::ENTRY_VALUE_BYTES)].to_vec());
            fitting.set(key.to_vec(), value);
        }
        fitting
    }
}

append_fault! {
    /// Changes the entries in a step of its own, before the events.
    ChangesEntriesFirst: |store, append| {
        let (append, entries) = apart(append);
        store.write_entries(entries).await?;
        store.append(append).await
    }
}

append_fault! {
    /// Changes the entries in a step of its own, after the events.
    ChangesEntriesAfterwards: |store, append| {
        let (append, entries) = apart(append);
        let appended = store.append(append).await?;
        others_come_between();
        store.write_entries(entries).await?;
        Ok(appended)
    }
}

append_fault! {
    /// Checks all there is in one step, and has its changes seen in another.
    ShowsEntriesLate: |store, append| {
        let (append, entries) = apart(append);
        let before = store.last_position(LogId::MAIN).await?;
        let appended = store.append(with(append, Some(expectations(&entries)))).await?;
        if appended.position.is_none_or(|position| position > before) {
            others_come_between();
            store.write_entries(changes(&entries)).await?;
        }
        Ok(appended)
    }
}

append_fault! {
    /// Looks at the entries first and appends later, when others may have changed them.
    AppendsCheckEntriesTooEarly: |store, append| {
        let (append, entries) = apart(append);
        let check = store.write_entries(expectations(&entries)).await;
        if let Err(EntryError::Changed { .. }) = check {
            // It refuses what it should.
            return store.append(with(append, Some(entries))).await;
        }
        others_come_between();
        store.append(with(append, Some(changes(&entries)))).await
    }
}

append_fault! {
    /// Leaves what it changed when the events cannot be appended.
    KeepsEntriesOfRefusedAppends: |store, append| {
        let (append, entries) = apart(append);
        let refused = store.append(with(append, Some(entries.clone()))).await;
        if matches!(
            refused,
            Err(AppendError::Conflict { .. } | AppendError::ConditionFailed { .. } | AppendError::Tombstoned { .. })
        ) {
            store.write_entries(changes(&entries)).await?;
        }
        refused
    }
}

append_fault! {
    /// Leaves the events when an entry is not as expected.
    KeepsEventsOfRefusedAppends: |store, append| {
        let (append, entries) = apart(append);
        let refused = store.append(with(append.clone(), Some(entries))).await;
        if let Err(AppendError::EntryChanged { .. }) = refused {
            store.append(append).await?;
        }
        refused
    }
}

append_fault! {
    /// Looks at the entries before it looks at the streams, and so refuses what it should only answer.
    ChecksEntriesOfRetries: |store, append| {
        let (append, entries) = apart(append);
        store.write_entries(expectations(&entries)).await?;
        store.append(with(append, Some(entries))).await
    }
}

append_fault! {
    /// Tells of entries before it tells of streams and conditions, but for retries.
    ChecksEntriesBeforeVersions: |store, append| {
        let (append, entries) = apart(append);
        let outcome = store.append(with(append, Some(entries.clone()))).await;
        if outcome.is_err() {
            store.write_entries(expectations(&entries)).await?;
        }
        outcome
    }
}

/// Makes the changes of a retry again.
#[derive(Default)]
pub(crate) struct ChangesEntriesAgain(AtomicU64);

impl Fault for ChangesEntriesAgain {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let entries = append.entries().cloned().unwrap_or_default();
        let appended = store.append(append).await?;
        if let Some(Position(position)) = appended.position
            && self.0.fetch_max(position, Ordering::SeqCst) >= position
        {
            store.write_entries(changes(&entries)).await?;
        }
        Ok(appended)
    }
}

append_fault! {
    /// Takes an append without events for one that has nothing to do.
    IgnoresEntriesWithoutEvents: |store, append| {
        let is_empty = append.events().next().is_none();
        let (append, entries) = apart(append);
        store.append(with(append, (!is_empty).then_some(entries))).await
    }
}

append_fault! {
    /// Takes an append without events for a mere change of entries.
    IgnoresVersionsWithoutEvents: |store, append| {
        if append.events().next().is_some() {
            return store.append(append).await;
        }
        let (append, entries) = apart(append);
        let parts = append.into_parts().into_iter();
        let unchecked = parts.fold(Append::default(), |append, part| {
            append.and(part.stream, ExpectedVersion::Any, part.events)
        });
        store.append(unchecked.with_entries(entries)).await
    }
}

append_fault! {
    /// Makes the changes of entries once for each part, as if it were an append of its own.
    TearsPartsFromEntries: |store, append| {
        let (append, entries) = apart(append);
        let mut answer = Appended::new(LogId::MAIN, None, Vec::new());
        let mut entries = Some(entries);
        if append.parts().len() < 2 {
            return store.append(with(append, entries)).await;
        }
        for part in append.into_parts() {
            let part = Append::to(part.stream, part.expected, part.events);
            let appended = store.append(with(part, entries.take())).await?;
            answer.position = appended.position.or(answer.position);
            answer.versions.extend(appended.versions.iter().copied());
        }
        Ok(answer)
    }
}

append_fault! {
    NamesTheFirstKeyOfAppends: |store, append| {
        let entries = append.entries().cloned().unwrap_or_default();
        let first = entries.expected().keys().next().cloned();
        match (store.append(append).await, first) {
            (Err(AppendError::EntryChanged { .. }), Some(key)) => {
                Err(AppendError::EntryChanged { key })
            }
            (outcome, _) => outcome,
        }
    }
}

append_fault! {
    /// Says of an entry that changed what it says of a stream.
    CallsChangedEntriesConflicts: |store, append| {
        let part = append.parts().first().cloned();
        match (store.append(append).await, part) {
            (Err(AppendError::EntryChanged { .. }), Some(part)) => Err(AppendError::Conflict {
                actual: store.stream_state(&part.stream).await?.last,
                stream: part.stream,
                expected: part.expected,
            }),
            (outcome, _) => outcome,
        }
    }
}

/// Wakes nobody when an append changes entries.
#[derive(Default)]
pub(crate) struct SleepsOverEntries(AtomicBool);

impl Fault for SleepsOverEntries {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        if append.entries().is_some() {
            self.0.store(true, Ordering::SeqCst);
        }
        store.append(append).await
    }

    async fn wait_past(
        &self,
        store: &MemoryStore,
        log: LogId,
        position: Position,
    ) -> Result<(), StoreError> {
        let waits = store.last_position(log).await? <= position;
        store.wait_past(log, position).await?;
        if waits && self.0.load(Ordering::SeqCst) {
            return pending().await;
        }
        Ok(())
    }
}

/// Wakes those who wait for an event when an append changes only entries.
#[derive(Default)]
pub(crate) struct WakesForEntriesOfAppends(AtomicBool);

impl Fault for WakesForEntriesOfAppends {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let is_empty = append.events().next().is_none();
        if is_empty && append.entries().is_some() {
            self.0.store(true, Ordering::SeqCst);
        }
        store.append(append).await
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

append_fault! {
    /// Has a lock for the streams and one for the entries, and takes the second when it has let go of the first.
    LosesAChangeOfAnother: |store, append| {
        let (append, entries) = apart(append);
        let mut found = EntryWrite::new();
        for key in entries.expected().keys() {
            let mut value = None;
            store
                .read_entries(&ReadEntries::key(key), &mut |_, found| {
                    value = Some(found.to_vec());
                    ControlFlow::Break(())
                })
                .await?;
            found = found.expect(key, value.as_deref());
        }
        if found.expected() != entries.expected() {
            return store.append(with(append, Some(entries))).await;
        }
        let appended = store.append(append).await?;
        others_come_between();
        store.write_entries(changes(&entries)).await?;
        Ok(appended)
    }
}
