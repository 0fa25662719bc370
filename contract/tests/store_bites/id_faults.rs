//! Stores that take one event for another because of its id.

use crate::broken::{Fault, change};
use midgard::event::{NewEvent, RecordedEvent};
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, IdDifference, ReadLog};
use midgard::{EventId, MemoryStore, Store, Version};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// The event of the log that has an id.
async fn stored(store: &MemoryStore, id: EventId) -> Option<RecordedEvent> {
    let mut found = None;
    let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
        if event.id == id {
            found = Some(event.to_owned());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    store.read_log(&ReadLog::forward(), visit).await.ok()?;
    found
}

/// Does not look at a field of an event whose id is stored: it becomes that of the stored one.
macro_rules! takes_for_the_same {
    ($name:ident, |$event:ident, $stored:ident| $change:expr) => {
        #[derive(Default)]
        pub(crate) struct $name;

        impl Fault for $name {
            async fn append(
                &self,
                store: &MemoryStore,
                append: Append,
            ) -> Result<Appended, AppendError> {
                let mut known = Vec::new();
                for event in append.events() {
                    known.extend(stored(store, event.id).await);
                }
                let append = change(append, |mut part| {
                    for $event in &mut part.events {
                        let of_it = |one: &&RecordedEvent| one.id == $event.id;
                        if let Some($stored) = known.iter().find(of_it).cloned() {
                            $change;
                        }
                    }
                    part
                });
                store.append(append).await
            }
        }
    };
}

takes_for_the_same!(ComparesNoNames, |event, stored| event.name =
    stored.name.into());
takes_for_the_same!(ComparesNoVersions, |event, stored| {
    event.schema_version = stored.schema_version;
});
takes_for_the_same!(ComparesNoCodecs, |event, stored| event.codec = stored.codec);
takes_for_the_same!(ComparesNoPayloads, |event, stored| event.payload =
    stored.payload);
takes_for_the_same!(ComparesBeginnings, |event, stored| {
    if event.payload.len() > 2_000 && event.payload[..2_000] == stored.payload[..2_000] {
        event.payload = stored.payload;
    }
});

/// Compares the events of the first part alone.
#[derive(Default)]
pub(crate) struct ComparesOnePart;

impl Fault for ComparesOnePart {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        if append.parts().len() == 1 {
            return store.append(append).await;
        }
        ComparesNoNames.append(store, append).await
    }
}

/// Takes an event of other tags or metadata for another.
#[derive(Default)]
pub(crate) struct ComparesTags;

impl Fault for ComparesTags {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        for event in append.events() {
            if let Some(stored) = stored(store, event.id).await
                && stored.tags != event.tags
            {
                return Err(AppendError::IdTaken {
                    id: event.id,
                    stream: stored.stream,
                    version: stored.version,
                    difference: IdDifference::Payload,
                });
            }
        }
        store.append(append).await
    }
}

/// Appends what another stream has the id of, as if it expected an exact version.
#[derive(Default)]
pub(crate) struct LooksAtOneStream;

impl Fault for LooksAtOneStream {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        match store.append(append.clone()).await {
            Err(AppendError::IdTaken {
                difference: IdDifference::Stream,
                ..
            }) => {
                let mut exact = Append::default();
                for part in append.into_parts() {
                    let last = store.stream_state(&part.stream).await?.last;
                    exact = exact.and(part.stream, last, part.events);
                }
                store.append(exact).await
            }
            answer => answer,
        }
    }
}

/// Looks for ids in all streams, whatever is expected.
#[derive(Default)]
pub(crate) struct LooksAtAllStreams;

impl Fault for LooksAtAllStreams {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        for part in append.parts() {
            for event in &part.events {
                if let Some(stored) = stored(store, event.id).await
                    && stored.stream != part.stream
                {
                    return Err(AppendError::IdTaken {
                        id: event.id,
                        stream: stored.stream,
                        version: stored.version,
                        difference: IdDifference::Stream,
                    });
                }
            }
        }
        store.append(append).await
    }
}

/// Remembers the ids of what was removed.
#[derive(Default)]
pub(crate) struct RemembersRemovedIds(std::sync::Mutex<HashSet<EventId>>);

impl Fault for RemembersRemovedIds {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        for part in append.parts() {
            for event in &part.events {
                let is_known = self.0.lock().unwrap().contains(&event.id);
                if is_known && stored(store, event.id).await.is_none() {
                    return Err(AppendError::IdTaken {
                        id: event.id,
                        stream: part.stream.clone(),
                        version: Version::FIRST,
                        difference: IdDifference::Stream,
                    });
                }
            }
        }
        let ids: Vec<_> = append.events().map(|event| event.id).collect();
        let answer = store.append(append).await;
        self.0.lock().unwrap().extend(ids);
        answer
    }
}

/// Gives the second event of one id another one.
#[derive(Default)]
pub(crate) struct TakesIdsTwice;

impl Fault for TakesIdsTwice {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let mut seen = HashSet::new();
        let renamed = change(append, |mut part| {
            for event in &mut part.events {
                if !seen.insert(event.id) {
                    event.id = EventId::new();
                }
            }
            part
        });
        store.append(renamed).await
    }
}

/// Looks for ids first and appends later, when others may have appended.
#[derive(Default)]
pub(crate) struct LooksForIdsTooEarly;

impl Fault for LooksForIdsTooEarly {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let first = append.events().next().map(|event| event.id);
        if let Some(id) = first
            && stored(store, id).await.is_some()
        {
            return store.append(append).await;
        }
        (0..50).for_each(|_| std::thread::yield_now());
        let renamed = |event: NewEvent| event.with_id(EventId::new());
        let unknown = change(append, |mut part| {
            part.events = part.events.into_iter().map(renamed).collect();
            part.expected = ExpectedVersion::Any;
            part
        });
        store.append(unknown).await
    }
}
