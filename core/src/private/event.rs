//! Called by the derives of events, sets and aggregates. Not public API.
#![allow(missing_docs, missing_debug_implementations)]

use crate::__private::{Many, Maybe, One};
use crate::aggregate::Aggregate;
use crate::event::reading::Reader;
use crate::event::registry::AggregateRegistration;
use crate::event::{
    DecodeError, DecodeReason, Decoded, EncodeError, Encoded, Event, EventDescriptor, EventSet,
    RecordedEventRef, UpcastContext,
};
use crate::fnv::fnv_1a;
use crate::process::Concerned;
use core::any::TypeId;
use serde::Deserializer;
use serde::de::Error as _;

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

/// Returns the members of all parts, in order. `N` is their number.
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
    label = "there is no conversion from `{Self}` to `{New}`",
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

/// An event, as generated code sees it: unlike `Event` itself, naming it requires nothing else of the type,
/// so that anything missing is reported once, where the event is defined.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not implement `Event`",
    note = "add `#[derive(Event)]` and `#[event(name = \"...\")]` to `{Self}`"
)]
pub trait OneEvent: Sized {
    const NAME: &'static str;
    const VERSION: u32;
    const DESCRIPTOR: &'static EventDescriptor;
    fn read<'de, D: Deserializer<'de>>(
        context: &UpcastContext<'_>,
        deserializer: D,
    ) -> Result<Decoded<Self>, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> OneEvent for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const DESCRIPTOR: &'static EventDescriptor = E::DESCRIPTOR;
    fn read<'de, D: Deserializer<'de>>(
        context: &UpcastContext<'_>,
        deserializer: D,
    ) -> Result<Decoded<Self>, D::Error> {
        E::deserialize_version(context, deserializer)
    }
}

/// Reads the version that the type itself writes.
pub fn current<'de, E: Event, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Decoded<E>, D::Error> {
    E::__deserialize(deserializer).map(Decoded::of)
}

/// Reads the version that the type itself writes, its fields by name.
pub fn by_name<'de, E: Event, D: Deserializer<'de>, const N: usize>(
    needed: &'static [&'static [&'static str]; N],
    deserializer: D,
) -> Result<Decoded<E>, D::Error> {
    crate::event::fields::by_name(needed, deserializer).map(Decoded::of)
}

/// The result of a function in `upcast_with`. `Kind` keeps the impls apart.
#[diagnostic::on_unimplemented(
    message = "the function in `upcast_with` of `{New}` returns `{Self}`",
    label = "expected `{New}`, `Option<{New}>` or `Vec<{New}>`, found `{Self}`",
    note = "let it return `{New}` for one event, `Option<{New}>` for at most one, or `Vec<{New}>` for any number"
)]
pub trait Outcome<New, Kind> {
    fn add_to(self, events: &mut Vec<New>);
}

#[diagnostic::do_not_recommend]
impl<New> Outcome<New, One> for New {
    fn add_to(self, events: &mut Vec<New>) {
        events.push(self);
    }
}

#[diagnostic::do_not_recommend]
impl<New> Outcome<New, Maybe<One>> for Option<New> {
    fn add_to(self, events: &mut Vec<New>) {
        events.extend(self);
    }
}

#[diagnostic::do_not_recommend]
impl<New> Outcome<New, Many<One>> for Vec<New> {
    fn add_to(self, events: &mut Vec<New>) {
        events.extend(self);
    }
}

/// Upcasts with a function that sees the record.
pub fn upcast_with<Old, New, Kind, R: Outcome<New, Kind>>(
    old: Decoded<Old>,
    context: &UpcastContext<'_>,
    upcast: impl Fn(Old, &UpcastContext<'_>) -> R,
) -> Decoded<New> {
    let mut events = Vec::with_capacity(old.len());
    for old in old {
        upcast(old, context).add_to(&mut events);
    }
    Decoded::rewritten(events)
}

/// Returns a reader of a record, for a list of events.
///
/// # Errors
/// [`DecodeError`], when the record cannot be read.
pub fn read_recorded<'a>(
    event: &'a RecordedEventRef<'a>,
    events: &[&'static EventDescriptor],
) -> Result<Reader<'a>, DecodeError> {
    Reader::new(events, event.encoded(), event).map_err(|reason| DecodeError::new(event, reason))
}

#[must_use]
pub fn unreadable(event: &RecordedEventRef<'_>, reason: DecodeReason) -> DecodeError {
    DecodeError::new(event, reason)
}

/// Adds the processes that the events of a record belong to.
///
/// # Errors
/// [`DecodeError`], when an event returned by an upcast cannot be encoded.
// No `E: EventSet`: a listed type that is no event would be a second error here.
pub fn add_processes<E, I>(
    events: Decoded<E>,
    recorded: &RecordedEventRef<'_>,
    process: impl Fn(&E) -> Option<I>,
    encode: impl Fn(&E) -> Result<Encoded, EncodeError>,
    processes: &mut Vec<Concerned<I>>,
) -> Result<(), DecodeError> {
    let is_rewritten = events.is_rewritten();
    for event in events {
        let Some(id) = process(&event) else {
            continue;
        };
        let rewritten = is_rewritten.then(|| encode(&event)).transpose();
        let rewritten = rewritten.map_err(|error| {
            DecodeError::new(recorded, DecodeReason::Rewritten(Box::new(error.reason)))
        })?;
        processes.push(Concerned::new(id, rewritten));
    }
    Ok(())
}

/// The body of the functions of a type that the derive has refused. It never runs.
///
/// # Panics
/// Always.
#[allow(clippy::panic)]
pub fn refused() -> ! {
    panic!("a derive refused this type")
}

/// Returns whether an older version is the expected one. 0 stands for a version that was refused: the mistake
/// has been reported there.
pub const fn is_version(version: u32, expected: u32) -> bool {
    version == 0 || version == expected
}

/// Returns whether an older version has the expected name, or one that was refused, which begins with a zero.
pub const fn is_name(name: &str, expected: &str) -> bool {
    matches!(name.as_bytes(), [0, ..]) || str_eq(name, expected)
}

/// `Old: OtherName<New, OK>` holds for `OK = true` only, as above.
#[diagnostic::on_unimplemented(
    message = "`{New}` cannot be split from `{Self}`: they have the same name",
    label = "`{Self}` has the same name as `{New}`",
    note = "for an earlier version of the same event, write `upcast_from = {Self}`, and `upcast_with = ..` if one event becomes several or none"
)]
pub trait OtherName<New, const OK: bool> {
    const HOLDS: () = ();
}
impl<Old, New> OtherName<New, true> for Old {}

/// `Old: SplitsNothing<New, OK>` holds for `OK = true` only, as above.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an earlier version of `{New}`, but still has `split_from(..)`",
    label = "`split_from(..)` belongs to the newest version, `{New}`",
    note = "move `split_from(..)` from `{Self}` to `{New}`, and let `Split` return events of type `{New}`"
)]
pub trait SplitsNothing<New, const OK: bool> {
    const HOLDS: () = ();
}
impl<Old, New> SplitsNothing<New, true> for Old {}

#[must_use]
pub const fn is_split(event: &EventDescriptor) -> bool {
    !event.split_from.is_empty()
}

/// `V1: Precedes<V2, OK>` holds for `OK = true` only; the derive computes `OK` in a const.
#[diagnostic::on_unimplemented(
    message = "`{New}` cannot be upcast from `{Self}`: the versions are not consecutive",
    label = "`{Self}` is not the version just before `{New}`",
    note = "upcasts go one version at a time: keep the type of every version in between"
)]
pub trait Precedes<New, const OK: bool> {
    const HOLDS: () = ();
}
impl<Old, New> Precedes<New, true> for Old {}

#[diagnostic::on_unimplemented(
    message = "`{New}` cannot be upcast from `{Self}`: they have different names",
    label = "`{Self}` has another name than `{New}`",
    note = "all versions have the same name: write the same `name = \"..\"` for both"
)]
pub trait SameName<New, const OK: bool> {
    const HOLDS: () = ();
}
impl<Old, New> SameName<New, true> for Old {}

#[diagnostic::on_unimplemented(
    message = "`{Self}` repeats the stored name of an earlier event of `{Set}`",
    label = "this `#[event(name = \"..\")]` is taken",
    note = "give another name to the event that is not stored yet; if an event is listed twice, remove one of the two entries"
)]
pub trait Distinct<Set, const OK: bool> {
    const HOLDS: () = ();
}
impl<E, Set> Distinct<Set, true> for E {}

#[diagnostic::on_unimplemented(
    message = "an event of `{Self}` is listed twice in `{P}`",
    label = "an earlier entry lists the same event",
    note = "an event set stands for all of its events: remove one of the two entries"
)]
pub trait ListedOnce<P, const OK: bool> {
    const HOLDS: () = ();
}
impl<E, P> ListedOnce<P, true> for E {}

/// The conversion of an event in `events!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not one of the events of `{Set}`",
    label = "`{Set}` has no variant for `{Self}`",
    note = "add `{Self}` to `events(..)` of the aggregate, and implement `Apply<{Self}>`",
    note = "on a decision model, any type with `#[derive(Event)]` may be decided"
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

/// Returns for every part whether it shares no name with an earlier one. `LEN` is the number of all members.
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
