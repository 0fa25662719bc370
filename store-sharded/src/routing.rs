//! The shard of each stream.

use serde::{Deserialize, Serialize};
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// The part of a stream's name that picks its shard. It is written down in each shard, and can never change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Routing {
    /// The whole name: streams are spread as evenly as can be.
    #[default]
    Stream,
    /// The part behind the first `-`, which is the id of an aggregate: `order-42` and `payment-42` are in one shard, and
    /// can be appended to together. The whole name, where there is no `-`.
    Id,
}

impl Routing {
    /// Returns the number of the stream's shard, of so many.
    pub(crate) fn shard(self, stream: &str, shards: usize) -> usize {
        let part = match self {
            Routing::Stream => stream,
            Routing::Id => stream.split_once('-').map_or(stream, |(_, id)| id),
        };
        // The hash is the same on every machine and in every release.
        (xxh3_64(part.as_bytes()) % shards as u64) as usize
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Routing::Stream => "the names of streams",
            Routing::Id => "the ids in the names of streams",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Routing;

    #[test]
    fn streams_stay_in_their_shards_forever() {
        let shard = |routing: Routing, stream| routing.shard(stream, 4);
        let streams = ["order-1", "order-2", "order-3", "payment-1", "log", "a-b-c"];
        let by_name = streams.map(|stream| shard(Routing::Stream, stream));
        assert_eq!(by_name, [2, 0, 0, 1, 3, 2]);
        let by_id = streams.map(|stream| shard(Routing::Id, stream));
        assert_eq!(by_id, [0, 0, 0, 0, 3, 3]);
    }

    #[test]
    fn streams_are_spread_evenly() {
        let mut streams = [0; 4];
        for number in 0..10_000 {
            streams[Routing::Stream.shard(&format!("order-{number}"), 4)] += 1;
        }
        assert!(
            streams.iter().all(|shard| (2_300..2_700).contains(shard)),
            "{streams:?}"
        );
    }
}
