//! The parts of the example programs, so that tests can use them too.

pub mod open;
pub mod shop;
