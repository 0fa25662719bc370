//! Events: how they are defined, encoded, tagged, recorded and read.

pub(crate) mod codec;
mod decided;
pub(crate) mod definition;
mod descriptor;
pub(crate) mod encoded;
pub(crate) mod fields;
pub(crate) mod metadata;
pub(crate) mod packed;
pub(crate) mod reading;
pub(crate) mod record;
pub(crate) mod registry;
mod serde_methods;
pub(crate) mod tags;
pub(crate) mod upcast;

pub use codec::{Codec, DecodeError, DecodeReason, EncodeError, EncodeReason, JsonError};
#[doc(hidden)]
pub use decided::Decidable;
pub use decided::{DecidedEvent, ToStream};
pub use definition::EventPayload;
pub(crate) use definition::{Event, EventSet};
pub use descriptor::{AnyEvent, EventDescriptor};
pub use encoded::{Encoded, EncodedRef};
pub use metadata::{Headers, HeadersRef};
pub use packed::PackedIter;
pub use record::{NewEvent, RecordedEvent, RecordedEventRef};
pub use registry::{Registry, RegistryError};
pub use tags::{Tags, TagsRef};
#[doc(hidden)]
pub use upcast::SplitSource;
pub use upcast::{Decoded, IntoIter, Split, SplitEvents, SplitFrom, UpcastContext};
