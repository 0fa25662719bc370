//! The parts of the example programs, so that tests can use them too.

pub mod open;
pub mod shop;

/// The programs in the README of the repository compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
