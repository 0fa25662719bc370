//! Loads aggregates, executes commands on them, and appends the events that follow.

mod appending;
mod decision;
pub(crate) mod definition;
mod encoding;
mod end;
mod error;
pub(crate) mod execution;
mod loaded;
mod model_replay;
mod models;
mod on_model;
mod on_stream;
mod once;
mod repeating;
mod replay;
mod repositories;
mod unit_models;
mod unit_of_work;

pub(crate) use definition::Repository;
pub use error::{ExecuteError, LoadError};
pub use execution::Execution;
pub use loaded::Loaded;
pub use on_model::Decided;
pub use repositories::{Committed, DecideTogether, Repositories};
pub use unit_of_work::UnitOfWork;
