//! The parts of the example programs, so that tests can use them too.

pub mod credit;
pub mod open;
pub mod shop;
pub mod sql_views;
