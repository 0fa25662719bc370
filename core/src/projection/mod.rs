//! Projections: events turned into views.

pub(crate) mod context;
pub(crate) mod definition;
mod handler;
mod store;

pub use crate::consumer::handler::ProjectError;
pub(crate) use context::Context;
pub use definition::{Keeps, Projects};
pub(crate) use definition::{Projection, query_of};
pub(crate) use handler::Projected;
pub use store::{
    FieldsDefinition, Generation, IndexDefinition, TableDefinition, ViewDefinition, ViewStore,
};
