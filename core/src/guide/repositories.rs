//! More of a repository: the past, metadata, what was decided.
//!
//!
//! [`Repository::load_at`] and [`Repository::load_as_of`] load an aggregate as it was.
//! [`Repository::save`] appends events under an explicit expected version, and [`Repository::commit`]
//! what was [decided](crate::repository::Loaded::decide) on a loaded aggregate; neither is tried again.
//! [`Repository::execute_with`] records [`Metadata`] with the events: what led to them, and headers.
//!
//! A store that lost its connection in the middle of an append says
//! [`OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown). Load the aggregate again to see whether it is there; its
//! version tells.
//!
//! [`Metadata`]: crate::Metadata
//! [`Repository::commit`]: crate::Repository::commit
//! [`Repository::execute_with`]: crate::Repository::execute_with
//! [`Repository::load_as_of`]: crate::Repository::load_as_of
//! [`Repository::load_at`]: crate::Repository::load_at
//! [`Repository::save`]: crate::Repository::save
