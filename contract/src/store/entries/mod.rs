//! Entries: read in the order of their keys, changed all at once and only as expected, and separate from the events,
//! except for appends that change them too.

mod apart;
mod append_races;
mod changing;
mod kit;
mod limits;
mod races;
mod reading;
mod with_appends;

pub(super) use apart::*;
pub(super) use append_races::*;
pub(super) use changing::*;
pub(super) use limits::*;
pub(super) use races::*;
pub(super) use reading::*;
pub(super) use with_appends::*;
