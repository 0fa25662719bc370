//! Opening: which stores are the shards, written down in each of them.

use crate::entries::{ABOUT, get};
use crate::{Routing, ShardedStore};
use midgard::store::{EntryError, EntryWrite, StoreError};
use midgard::{LogId, Position, Store};
use serde::{Deserialize, Serialize};

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
    /// No store was given, or more than there are ids of logs.
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
    /// A store was used by itself before.
    #[error(
        "store {shard} of the given ones has events up to position {last}, and was no shard so far: its streams would be looked for in other shards; begin with empty stores, and copy the events"
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
    /// Opens stores as the shards of one, always in the same order: streams are spread by their whole names. Stores that
    /// are empty become its shards, and this is written down in each of them.
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
        let mut about = About {
            format: FORMAT,
            id: new_id(),
            shard: 0,
            shards: shards.len(),
            routing,
        };
        for (shard, store) in shards.iter().enumerate() {
            about.shard = shard;
            let found = note(store, &about).await?;
            if shard == 0 {
                // That of whoever was first.
                about.id.clone_from(&found.id);
            }
            if let Some(reason) = difference(&found, &about) {
                let shards = about.shards;
                return Err(OpenError::Differs {
                    shard,
                    shards,
                    reason,
                });
            }
        }
        let store = ShardedStore::of(shards, routing);
        let swept = store.shards_of_all().forget_outcomes().await;
        swept.map_err(|(shard, error)| OpenError::Store { shard, error })?;
        Ok(store)
    }
}

/// Writes down what a shard is, unless something is written down; returns what is there then.
async fn note<S: Store>(store: &S, about: &About) -> Result<About, OpenError> {
    let shard = about.shard;
    let failed = |error| OpenError::Store { shard, error };
    loop {
        if let Some(found) = get(store, ABOUT).await.map_err(failed)? {
            return serde_json::from_slice(&found).map_err(|error| OpenError::Differs {
                shard,
                shards: about.shards,
                reason: format!(
                    "what is written down in it cannot be read ({error}); use the release that wrote it"
                ),
            });
        }
        let last = store.last_position(LogId::MAIN).await.map_err(failed)?;
        if last > Position::ZERO && about.shards > 1 {
            return Err(OpenError::NotEmpty { shard, last });
        }
        let text = serde_json::to_vec(about).unwrap_or_default();
        let write = EntryWrite::new().expect(ABOUT, None).put(ABOUT, &text);
        match store.write_entries(write).await {
            // Another process was faster.
            Ok(()) | Err(EntryError::Changed { .. }) => {}
            Err(EntryError::Store(error)) => return Err(failed(error)),
            Err(error) => {
                let cause = error.into();
                let action = "write down what a shard is";
                return Err(failed(StoreError::Backend { action, cause }));
            }
        }
    }
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
        format!("its streams are spread by {}; open it so", found.routing)
    } else if found.shard != wanted.shard {
        format!("it is shard {shard}; give the stores in their order")
    } else {
        "it is a shard of another store; give those that belong together".to_owned()
    })
}

fn new_id() -> String {
    midgard::EventId::new().to_string()
}
