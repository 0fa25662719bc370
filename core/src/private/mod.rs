//! Not public API. Everything that generated code names, so that no name of a user's can break it.
#![allow(missing_docs, missing_debug_implementations)]

pub use core::clone::Clone;
pub use core::convert::{From, Into, TryFrom};
pub use core::default::Default;
pub use core::fmt::{self, Debug, Display, Formatter};
pub use core::marker::{Send, Sized, Sync};
pub use core::option::Option::{self, None, Some};
pub use core::prelude::v1::test;
pub use core::primitive::{bool, i128, str, u8, u16, u32, usize};
pub use core::result::Result::{self, Err, Ok};
pub use core::str::FromStr;
pub use core::{concat, module_path};
pub use inventory;
pub use serde;
pub use serde::{Deserialize, Deserializer, Serialize, Serializer};
pub use std::borrow::Cow;
pub use std::string::String;
pub use std::vec;
pub use std::vec::Vec;

/// An event that was read in the place of another.
pub type AnyBox = Box<dyn crate::event::AnyEvent>;

mod covers;
mod decision_models;
mod event;
mod messages;
mod tagged;
mod tags;
mod views;

pub use crate::decision_model::Tagged;
pub use crate::event::reading::Reader;
pub use crate::event::registry::{AggregateRegistration, Registration};
pub use crate::repository::execution::{Awaited, Executed};
pub use covers::assert_covered;
pub use decision_models::{
    ModelField, ModelTag, NotSame, Part, Same, TagAt, assert_tagged, items, tag_at, take_decided,
};
pub use event::{
    Distinct, IntoSet, ListedOnce, OneEvent, OtherName, Outcome, Precedes, SameName, SplitsNothing,
    UpcastTo, add_processes, assert_linked_events_are_consistent, by_name, concat_descriptors,
    current, distinct_names, has, is_name, is_split, is_version, read_recorded, refused, str_eq,
    unknown_event, unknown_version, unreadable, upcast_with,
};
pub use messages::{
    CommandFor, CommandPayload, KeyValue, NamedOnce, NoCommand, NoDeadline, NoOtherCommand,
    NoOtherDeadline, OlderReply, OneCommand, answer, distinct_texts, is_command, read_command,
    read_message, read_reply, topics, unreadable_message,
};
pub use tagged::{deserialize_tagged, serialize_tagged};
pub use tags::{Many, Maybe, One, TagValue};
pub use views::{NoView, OneTable, OneView, assert_in_order};
