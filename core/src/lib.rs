#![doc = include_str!("../../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// Lets this crate's own tests and docs use the derives, whose output names `::midgard`.
#[allow(unused_extern_crates)]
extern crate self as midgard;

mod aggregate;
mod codec;
mod error;
mod event;
pub mod limits;
mod metadata;
mod packed;
mod place;
mod query;
mod record;
mod registry;
mod repository;
pub mod store;
mod stream_name;
mod tags;
pub mod testing;
mod time;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use aggregate::{Aggregate, Apply, Command, Events};
pub use codec::{Codec, DecodeError, DecodeReason, EncodeError};
pub use error::{AppendError, ExecuteError, Full, LoadError, StoreError};
pub use event::{AnyEvent, Event, EventDescriptor, EventPayload, EventSet};
pub use limits::{LimitError, Limited};
pub use metadata::{EventId, Headers, HeadersRef, Metadata};
pub use packed::PackedIter;
pub use place::{LogId, Position, Version};
pub use query::{AppendCondition, Query, QueryItem};
pub use record::{NewEvent, RecordedEvent, RecordedEventRef};
pub use registry::{Registry, RegistryError};
pub use repository::{Execution, Loaded, Repository};
pub use store::{
    Append, AppendPart, Appended, Direction, DynStore, EventStream, ExpectedVersion, MemoryStore,
    ReadLog, ReadStream, Store, StreamState,
};
pub use stream_name::StreamName;
pub use tags::{Tags, TagsRef};
pub use time::Timestamp;

pub use midgard_macros::{Aggregate, Event, EventSet};
pub use pollster::block_on;
