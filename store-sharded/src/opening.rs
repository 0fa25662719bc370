//! Opening: which stores are the shards, written down in each of them.

use crate::entries::{ABOUT, COMPLETE, changed, get};
use crate::{Routing, ShardedStore};
use midgard::store::{EntryWrite, ReadEntries, StoreError};
use midgard::{LogId, Position, Store};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// The format of what this release writes into shards.
const FORMAT: u32 = 1;

/// What is written down in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    format: u32,
    /// The same in all shards of one store.
    id: String,
    shard: usize,
    shards: usize,
    routing: Routing,
}

/// Why stores could not be opened as the shards of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No store was given, or more than 1,000.
    #[error("a sharded store was given {0} stores; give it between 1 and 1,000")]
    Number(usize),
    /// A store has several logs itself.
    #[error(
        "store {shard} of the given ones has {logs} logs, and a shard has one; give the stores underneath it as shards"
    )]
    SeveralLogs {
        /// The number of the store, from 0.
        shard: usize,
        /// How many logs it has.
        logs: usize,
    },
    /// A store is empty, and the others are the shards of a store that was complete.
    #[error(
        "store {shard} of the given ones is empty, and shard {shard} of this store was not: look whether its directory or database is the right one, or restore it from a backup"
    )]
    Lost {
        /// The number of the store, from 0.
        shard: usize,
    },
    /// A store was used by itself before.
    #[error(
        "store {shard} of the given ones has entries, or events up to position {last}, and was no shard so far: they would be looked for in other shards; begin with empty stores, and copy the events"
    )]
    NotEmpty {
        /// The number of the store, from 0.
        shard: usize,
        /// Its last position.
        last: Position,
    },
    /// The stores are not those that were written down.
    #[error(
        "store {shard} of the given ones is not shard {shard} of {shards} of this store: {reason}"
    )]
    Differs {
        /// The number of the store, from 0.
        shard: usize,
        /// How many stores were given.
        shards: usize,
        /// How it differs, and what to do.
        reason: String,
    },
    /// One of the stores failed.
    #[error("store {shard} of the given ones could not be opened as a shard: {error}")]
    Store {
        /// The number of the store, from 0.
        shard: usize,
        /// Its error.
        #[source]
        error: StoreError,
    },
}

impl<S: Store> ShardedStore<S> {
    /// Opens stores as the shards of one, with streams spread by their whole names. Empty stores become its shards, in their
    /// order, which is written down in each; later they are given in the same order.
    ///
    /// # Errors
    /// [`OpenError`], when the stores are not the shards of one store, in this order.
    pub async fn open(shards: impl IntoIterator<Item = S>) -> Result<Self, OpenError> {
        Self::open_routed(shards, Routing::default()).await
    }

    /// Opens stores as the shards of one, with streams spread in this way.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_routed(
        shards: impl IntoIterator<Item = S>,
        routing: Routing,
    ) -> Result<Self, OpenError> {
        let shards: Vec<S> = shards.into_iter().collect();
        if !(1..=1000).contains(&shards.len()) {
            return Err(OpenError::Number(shards.len()));
        }
        for (shard, store) in shards.iter().enumerate() {
            let failed = |error| OpenError::Store { shard, error };
            let logs = store.logs().await.map_err(failed)?;
            if logs != [LogId::MAIN] {
                let logs = logs.len();
                return Err(OpenError::SeveralLogs { shard, logs });
            }
        }
        let mut notes = Vec::with_capacity(shards.len());
        for (shard, store) in shards.iter().enumerate() {
            notes.push(read(store, shard, shards.len()).await?);
        }
        // That of whoever was first.
        let id = notes[0]
            .as_ref()
            .map_or_else(new_id, |first| first.id.clone());
        let mut about = About {
            format: FORMAT,
            id,
            shard: 0,
            shards: shards.len(),
            routing,
        };
        for (shard, found) in notes.iter().enumerate() {
            about.shard = shard;
            check(found.as_ref(), &about)?;
        }
        // Nothing is written into any of them before all were looked at.
        let is_new = notes.iter().any(Option::is_none);
        if is_new && is_complete(&shards[0]).await? {
            let shard = notes.iter().position(Option::is_none).unwrap_or_default();
            return Err(OpenError::Lost { shard });
        }
        for (shard, store) in shards.iter().enumerate() {
            about.shard = shard;
            if notes[shard].is_none() {
                let found = note(store, &about).await?;
                if shard == 0 {
                    about.id.clone_from(&found.id);
                }
                check(Some(&found), &about)?;
            }
        }
        if is_new {
            complete(&shards[0]).await?;
        }
        let store = ShardedStore::of(shards, routing);
        store.all_shards().sweep().await;
        Ok(store)
    }
}

/// Fails unless what is written down in a shard is as wanted; nothing may be.
fn check(found: Option<&About>, wanted: &About) -> Result<(), OpenError> {
    match found.and_then(|found| difference(found, wanted)) {
        None => Ok(()),
        Some(reason) => Err(OpenError::Differs {
            shard: wanted.shard,
            shards: wanted.shards,
            reason,
        }),
    }
}

/// Returns what is written down in a shard; `None` where the store is empty.
async fn read<S: Store>(
    store: &S,
    shard: usize,
    shards: usize,
) -> Result<Option<About>, OpenError> {
    let failed = |error| OpenError::Store { shard, error };
    loop {
        if let Some(found) = get(store, ABOUT).await.map_err(failed)? {
            let read = serde_json::from_slice(&found);
            return read.map(Some).map_err(|error| OpenError::Differs {
                shard,
                shards,
                reason: format!(
                    "what is written down in it cannot be read ({error}); use the release that wrote it"
                ),
            });
        }
        let last = store.last_position(LogId::MAIN).await.map_err(failed)?;
        let has_entries = !is_empty(store).await.map_err(failed)?;
        if (last == Position::ZERO && !has_entries) || shards == 1 {
            return Ok(None);
        }
        // Another process may have written it down, and used the store, in between.
        if get(store, ABOUT).await.map_err(failed)?.is_none() {
            return Err(OpenError::NotEmpty { shard, last });
        }
    }
}

/// Writes down what a shard is, unless another process has; returns what is there then.
async fn note<S: Store>(store: &S, about: &About) -> Result<About, OpenError> {
    let shard = about.shard;
    let text = serde_json::to_vec(about).unwrap_or_default();
    write(store, shard, ABOUT, &text).await?;
    let found = read(store, shard, about.shards).await?;
    Ok(found.unwrap_or_else(|| about.clone()))
}

/// Writes down in the first shard that all of them are written down.
async fn complete<S: Store>(first: &S) -> Result<(), OpenError> {
    write(first, 0, COMPLETE, b"").await
}

async fn is_complete<S: Store>(first: &S) -> Result<bool, OpenError> {
    let found = get(first, COMPLETE).await;
    let found = found.map_err(|error| OpenError::Store { shard: 0, error })?;
    Ok(found.is_some())
}

/// Writes an entry that is not there; that of another process stays.
async fn write<S: Store>(
    store: &S,
    shard: usize,
    key: &[u8],
    value: &[u8],
) -> Result<(), OpenError> {
    let write = EntryWrite::new().expect(key, None).put(key, value);
    let written = changed(store.write_entries(write).await);
    written.map_err(|error| OpenError::Store { shard, error })?;
    Ok(())
}

async fn is_empty<S: Store>(store: &S) -> Result<bool, StoreError> {
    let mut is_empty = true;
    let each = &mut |_: &[u8], _: &[u8]| {
        is_empty = false;
        ControlFlow::Break(())
    };
    let read = ReadEntries::prefix(b"").limit(1);
    store.read_entries(&read, each).await?;
    Ok(is_empty)
}

fn difference(found: &About, wanted: &About) -> Option<String> {
    if found == wanted {
        return None;
    }
    let About { shard, shards, .. } = found;
    Some(if found.format != wanted.format {
        format!(
            "it was written in format {}, and this release knows format {}; use the release that wrote it",
            found.format, wanted.format
        )
    } else if found.shards != wanted.shards {
        format!("it is one of {shards} shards; open all of them")
    } else if found.routing != wanted.routing {
        format!(
            "its streams are spread by {}; open it with `Routing::{:?}`",
            found.routing, found.routing
        )
    } else if found.shard != wanted.shard {
        format!("it is shard {shard}; give the stores in their order")
    } else {
        "it is a shard of another store; give those that belong together".to_owned()
    })
}

fn new_id() -> String {
    midgard::EventId::new().to_string()
}
