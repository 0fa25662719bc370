//! Loads aggregates, runs commands on them, and appends what follows.

pub(crate) mod definition;
mod end;
mod error;
mod execution;
mod loaded;

pub(crate) use definition::Repository;
pub use error::{ExecuteError, LoadError};
pub use execution::Execution;
pub use loaded::Loaded;
