//! The contract of a store, and the types that all stores share.

mod address;
mod append;
pub(crate) mod definition;
mod entries;
pub(crate) mod entry_changes;
pub(crate) mod erased;
mod error;
mod event_stream;
mod event_times;
mod layer;
pub(crate) mod memory;
pub(crate) mod query;
mod read;
pub mod rules;
mod tombstone;
mod versions;

pub use crate::give_way::give_way;
pub use crate::process_mark::ProcessMark;
pub use address::{Forms, OpenError, Opening, Scheme};
pub use append::{Append, AppendPart, Appended, ExpectedVersion};
pub(crate) use definition::Store;
pub use definition::Visit;
pub use entries::{
    EmbeddedStore, EntrySnapshot, EntryWrite, KeyRange, ReadEntries, ScanEntry, VisitEntry,
    after_prefix, range_of,
};
pub use entry_changes::EntryChanges;
pub(crate) use erased::DynStore;
pub use error::{AppendError, EntryError, Full, IdDifference, StoreError};
pub use event_stream::EventStream;
pub use event_times::EventTimes;
pub use layer::{Layer, Layered, Operation};
pub(crate) use memory::MemoryStore;
pub use query::{AppendCondition, Query, QueryItem};
pub use read::{Direction, ReadLog, ReadStream, StreamState};
pub use tombstone::StreamTombstoned;
pub use versions::Versions;
