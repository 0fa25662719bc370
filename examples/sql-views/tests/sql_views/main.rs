//! Views in SQL: rows, checkpoint and notes are committed together, whatever happens.

mod busy;
mod contract;
mod failures;
mod kit;
mod program;
mod rebuilds;
mod workers;
