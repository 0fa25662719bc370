//! Entries: read in the order of their keys, changed all at once and only as expected, and apart from
//! the events.

mod apart;
mod changing;
mod kit;
mod limits;
mod races;
mod reading;

pub(super) use apart::*;
pub(super) use changing::*;
pub(super) use limits::*;
pub(super) use races::*;
pub(super) use reading::*;
