//! Not public API. Everything that generated code names, so that nothing a user shadows can break it.
#![allow(missing_docs, missing_debug_implementations)]

pub use core::clone::Clone;
pub use core::convert::{From, Into, TryFrom};
pub use core::default::Default;
pub use core::fmt::{self, Debug, Formatter};
pub use core::marker::{Send, Sized, Sync};
pub use core::option::Option::{self, None, Some};
pub use core::prelude::v1::test;
pub use core::primitive::{bool, i128, str, u8, u16, u32, usize};
pub use core::result::Result::{self, Err, Ok};
pub use core::{concat, module_path};
pub use inventory;
pub use serde::{Deserialize, Deserializer, Serialize, Serializer};
pub use std::borrow::Cow;
pub use std::string::String;
pub use std::vec;
pub use std::vec::Vec;

mod covers;
mod messages;

pub use crate::event::fields::by_name;
pub use covers::assert_covered;
pub use messages::{
    CommandFor, CommandPayload, KeyValue, NamedOnce, NoCommand, NoDeadline, NoOtherCommand,
    NoOtherDeadline, OlderReply, OneCommand, answer, distinct_texts, is_command, is_event,
    read_command, read_reply, topics,
};

use crate::aggregate::Aggregate;
use crate::event::tags::Tags;
use crate::event::{Event, EventDescriptor, EventSet};
use crate::fnv::fnv_1a;
use crate::projection::ViewDefinition;
use crate::view::View;
use core::any::TypeId;
use core::marker::PhantomData;
use serde::de::{self, DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use std::fmt::Display;

pub struct Registration(pub &'static EventDescriptor);
inventory::collect!(Registration);

pub struct AggregateRegistration {
    pub(crate) name: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) type_id: TypeId,
    pub(crate) events: &'static [&'static EventDescriptor],
}
inventory::collect!(AggregateRegistration);

impl AggregateRegistration {
    pub const fn new<A: Aggregate>(type_name: &'static str) -> Self {
        AggregateRegistration {
            name: A::NAME,
            type_name,
            type_id: TypeId::of::<A>(),
            events: <A::Event as EventSet>::DESCRIPTORS,
        }
    }
}

/// The test that `#[derive(Aggregate)]` adds to a user's crate.
///
/// # Panics
/// When types of the program contradict each other.
#[track_caller]
#[allow(clippy::panic)]
pub fn assert_linked_events_are_consistent() {
    if let Err(error) = crate::event::registry::Registry::linked() {
        panic!("{error}");
    }
}

pub const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// The members of all parts, in order. `N` is their number.
pub const fn concat_descriptors<const N: usize>(
    parts: &[&[&'static EventDescriptor]],
) -> [&'static EventDescriptor; N] {
    let mut out = [parts[0][0]; N];
    let (mut i, mut n) = (0, 0);
    while i < parts.len() {
        let mut j = 0;
        while j < parts[i].len() {
            out[n] = parts[i][j];
            n += 1;
            j += 1;
        }
        i += 1;
    }
    out
}

#[must_use]
pub fn has(set: &[&'static EventDescriptor], name: &str) -> bool {
    set.iter().any(|descriptor| descriptor.name == name)
}

#[must_use]
pub fn unknown_version<'de, D: Deserializer<'de>>(name: &str, version: u32) -> D::Error {
    D::Error::custom(format_args!("{name:?} has no version {version}"))
}

#[must_use]
pub fn unknown_event<'de, D: Deserializer<'de>>(name: &str) -> D::Error {
    D::Error::custom(format_args!("unknown event {name:?}"))
}

/// `From`, seen from the older version: rustc then underlines its path in `upcast_from`.
#[diagnostic::on_unimplemented(
    message = "`{New}` cannot be upcast from `{Self}`",
    label = "`{New}` cannot be made of a `{Self}` yet",
    note = "write `impl From<{Self}> for {New} {{ fn from(old: {Self}) -> Self {{ .. }} }}`"
)]
pub trait UpcastTo<New> {
    fn upcast(self) -> New;
}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> UpcastTo<New> for Old {
    fn upcast(self) -> New {
        New::from(self)
    }
}

/// An event, seen from generated code: unlike `Event` itself, naming it asks nothing else of the type,
/// so that what an event lacks is said once, where it is defined.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not implement `Event`",
    note = "add `#[derive(Event)]` and `#[event(name = \"...\")]` to `{Self}`"
)]
pub trait OneEvent: Sized {
    const NAME: &'static str;
    const VERSION: u32;
    const DESCRIPTOR: &'static EventDescriptor;
    fn read<'de, D: Deserializer<'de>>(version: u32, deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> OneEvent for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const DESCRIPTOR: &'static EventDescriptor = E::DESCRIPTOR;
    fn read<'de, D: Deserializer<'de>>(version: u32, deserializer: D) -> Result<Self, D::Error> {
        E::deserialize_version(version, deserializer)
    }
}

/// Reads the version that the type itself writes.
pub fn current<'de, E: Event, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    E::__deserialize(deserializer)
}

/// What stands in the functions of a type that the derive has refused. It never runs.
///
/// # Panics
/// Always.
#[allow(clippy::panic)]
pub fn refused() -> ! {
    panic!("a derive refused this type")
}

/// A field that is marked `#[event(tag = "..")]`.
///
/// `Kind` keeps the impls apart, and the compiler finds it by the field's type: what an `Option` is
/// does not depend on how the type is written.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be a tag",
    label = "a tag is text, but this type has no `Display`",
    note = "a tag is a value that implements `std::fmt::Display`, or an `Option` or a `Vec` of such values"
)]
pub trait TagValue<Kind> {
    fn push(&self, key: &str, tags: &mut Tags);
}

pub struct One;
pub struct Maybe<Kind>(PhantomData<Kind>);
pub struct Many<Kind>(PhantomData<Kind>);

#[diagnostic::do_not_recommend]
impl<T: Display> TagValue<One> for T {
    fn push(&self, key: &str, tags: &mut Tags) {
        tags.push(key, self);
    }
}

#[diagnostic::do_not_recommend]
impl<Kind, T: TagValue<Kind>> TagValue<Maybe<Kind>> for Option<T> {
    fn push(&self, key: &str, tags: &mut Tags) {
        self.iter().for_each(|value| value.push(key, tags));
    }
}

#[diagnostic::do_not_recommend]
impl<Kind, T: TagValue<Kind>> TagValue<Many<Kind>> for Vec<T> {
    fn push(&self, key: &str, tags: &mut Tags) {
        self.iter().for_each(|value| value.push(key, tags));
    }
}

struct Payload<'a, S>(&'a S);
impl<S: EventSet> Serialize for Payload<'_, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.0.serialize_payload(serializer)
    }
}

/// The serde form of a set: `{"event": name, "version": n, "data": {..}}`.
pub fn serialize_tagged<S: EventSet, Z: Serializer>(
    event: &S,
    serializer: Z,
) -> Result<Z::Ok, Z::Error> {
    let descriptor = event.descriptor();
    let mut out = serializer.serialize_struct("Event", 3)?;
    out.serialize_field("event", descriptor.name)?;
    out.serialize_field("version", &descriptor.version)?;
    out.serialize_field("data", &Payload(event))?;
    out.end()
}

pub fn deserialize_tagged<'de, S: EventSet, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<S, D::Error> {
    struct Tagged<S>(PhantomData<S>);
    struct Data<'a, S>(&'a str, u32, PhantomData<S>);
    impl<'de, S: EventSet> DeserializeSeed<'de> for Data<'_, S> {
        type Value = S;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S, D::Error> {
            S::deserialize_payload(self.0, self.1, deserializer)
        }
    }
    impl<'de, S: EventSet> Visitor<'de> for Tagged<S> {
        type Value = S;
        fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str("an event with `event`, `version` and `data`, in this order")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S, A::Error> {
            let (mut name, mut version) = (None, None);
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                match &*key {
                    "event" => name = Some(map.next_value::<Cow<'de, str>>()?),
                    "version" => version = Some(map.next_value::<u32>()?),
                    "data" => {
                        let name = name.ok_or_else(|| de::Error::missing_field("event"))?;
                        let version = version.ok_or_else(|| de::Error::missing_field("version"))?;
                        return map.next_value_seed(Data(&name, version, PhantomData));
                    }
                    other => {
                        return Err(de::Error::unknown_field(
                            other,
                            &["event", "version", "data"],
                        ));
                    }
                }
            }
            Err(de::Error::missing_field("data"))
        }
    }
    deserializer.deserialize_struct("Event", &["event", "version", "data"], Tagged(PhantomData))
}

/// Whether an older version is the expected one. 0 stands for a version that was refused: the mistake
/// has been reported there.
pub const fn is_version(version: u32, expected: u32) -> bool {
    version == 0 || version == expected
}

/// Whether an older version has the expected name, or one that was refused, which begins with a zero.
pub const fn is_name(name: &str, expected: &str) -> bool {
    matches!(name.as_bytes(), [0, ..]) || str_eq(name, expected)
}

/// `V1: Precedes<V2, OK>` holds for `OK = true` only; the derive computes `OK` in a const.
#[diagnostic::on_unimplemented(
    message = "`{New}` cannot be upcast from `{Self}`: the versions are not consecutive",
    label = "not the version just before `{New}`",
    note = "upcasts go one version at a time; keep the type of every version in between"
)]
pub trait Precedes<New, const OK: bool> {
    const HOLDS: () = ();
}
impl<Old, New> Precedes<New, true> for Old {}

#[diagnostic::on_unimplemented(
    message = "`{New}` cannot be upcast from `{Self}`: they have different names",
    label = "`{Self}` has another name"
)]
pub trait SameName<New, const OK: bool> {
    const HOLDS: () = ();
}
impl<Old, New> SameName<New, true> for Old {}

#[diagnostic::on_unimplemented(
    message = "`{Self}` has a name in the store that an earlier event of `{Set}` already has",
    label = "its `#[event(name = \"..\")]` is taken"
)]
pub trait Distinct<Set, const OK: bool> {
    const HOLDS: () = ();
}
impl<E, Set> Distinct<Set, true> for E {}

#[diagnostic::on_unimplemented(
    message = "an event of `{Self}` is listed by an earlier entry of `{P}` already",
    label = "each event is listed once",
    note = "an event set stands for all of its events: remove one of the two entries"
)]
pub trait ListedOnce<P, const OK: bool> {
    const HOLDS: () = ();
}
impl<E, P> ListedOnce<P, true> for E {}

/// Whether two variants of a key, as they are declared, have numbers that sort in the same way.
///
/// # Panics
/// When they have not, which is while the program is compiled.
#[track_caller]
pub const fn assert_in_order(is_in_order: bool) {
    assert!(
        is_in_order,
        "the variants of a key sort as they are declared: declare this one where its number belongs"
    );
}

/// A view, seen from generated code, as [`OneEvent`] is an event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    label = "this type does not implement `View`",
    note = "add `#[derive(Serialize, Deserialize, View)]` and `#[view(key = ..)]` to `{Self}`"
)]
pub trait OneView {
    const NAME: &'static str;
    fn definition() -> ViewDefinition;
}

#[diagnostic::do_not_recommend]
impl<V: View> OneView for V {
    const NAME: &'static str = V::NAME;

    fn definition() -> ViewDefinition {
        ViewDefinition::of::<V>()
    }
}

#[diagnostic::on_unimplemented(
    message = "view `{Self}` has the name of an earlier view of projection `{P}`",
    label = "two views of one name would be one table",
    note = "give it another name: `#[view(name = \"..\", ..)]`"
)]
pub trait OneTable<P, const OK: bool> {
    const HOLDS: () = ();
}
impl<V, P> OneTable<P, true> for V {}

/// What a projection without views keeps.
pub struct NoView;

/// What `events!` turns its events into.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not one of the events of `{Set}`",
    label = "`{Set}` has no variant for `{Self}`",
    note = "list `{Self}` in `events(..)` of the aggregate, and write its `Apply`"
)]
pub trait IntoSet<Set> {
    fn into_set(self) -> Set;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Set>, Set> IntoSet<Set> for E {
    fn into_set(self) -> Set {
        self.into()
    }
}

/// What holds for no execution: its future is to be awaited first.
#[diagnostic::on_unimplemented(
    message = "the command has not been executed yet, so it has no state, version or position",
    label = "await it before this call",
    note = "`execute` returns a future of a `Result`: write `repository.execute(..).await?` before `.state()`, `.version()` or `.position()`"
)]
pub trait Executed {
    fn never<T>(&self) -> T;
}

/// For every part, whether it shares no name with an earlier one. `LEN` is the number of all members.
///
/// The compiler's own interpreter runs this for every pair of members, so a pair costs it no more than
/// a comparison of two numbers: letter by letter, a hundred events took longer than all else about them.
pub const fn distinct_names<const N: usize, const LEN: usize>(
    parts: &[&[&'static EventDescriptor]; N],
) -> [bool; N] {
    let mut ok = [true; N];
    let mut seen = [(0, ""); LEN];
    let (mut part, mut end) = (0, 0);
    while part < N {
        let start = end;
        let mut i = 0;
        while i < parts[part].len() {
            let name = parts[part][i].name;
            let hash = fnv_1a(name.as_bytes());
            let mut j = 0;
            while j < start {
                if seen[j].0 == hash && str_eq(seen[j].1, name) {
                    ok[part] = false;
                }
                j += 1;
            }
            seen[end] = (hash, name);
            end += 1;
            i += 1;
        }
        part += 1;
    }
    ok
}
