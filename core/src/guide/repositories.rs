//! More of a repository: the past, metadata, what was decided.
//!
//! [`Repository::load_at`] and [`Repository::load_as_of`] load an aggregate as it was.
//! [`Repository::save`] appends events under an explicit expected version, and [`Repository::commit`]
//! what was [decided](crate::repository::Loaded::decide) on a loaded aggregate; neither is tried again.
//! [`Repository::execute_with`] records [`Metadata`] with the events: what led to them, and headers.
//!
//! A store that lost its connection in the middle of an append says
//! [`OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown). [`Repository::execute_once`] gives a command a key, under
//! which it takes effect once: repeat it with the same key. So can a client whose request got no answer.
//! [Unknown outcomes](super::outcomes) has the rest.
//!
//! # Several aggregates at once
//!
//! [`Repositories::execute_together`](crate::repository::Repositories::execute_together) executes commands on several
//! aggregates, and appends what follows at once: all of it, or nothing. When others were faster on one of them, all is
//! decided again.
//!
//! # A command, and a view that shows it
//!
//! [`Execution::and_wait_for`](crate::repository::Execution::and_wait_for) waits until a projection shows what a command
//! changed: `accounts.execute("a-1", &command).and_wait_for::<Balances>(&handle, timeout).await?`.
//!
//! # The end of an aggregate
//!
//! [`Repository::tombstone`] ends an aggregate for good: its events are removed, and it takes no more. A projection, a
//! subscription or a process manager that lists [`StreamTombstoned`](crate::store::StreamTombstoned) among its events is
//! told of it, in its place of the log, so that rows can be removed. [Erasing](super::erasing) lists what is left.
//!
//! [`Metadata`]: crate::Metadata
//! [`Repository::commit`]: crate::Repository::commit
//! [`Repository::execute_with`]: crate::Repository::execute_with
//! [`Repository::load_as_of`]: crate::Repository::load_as_of
//! [`Repository::load_at`]: crate::Repository::load_at
//! [`Repository::execute_once`]: crate::Repository::execute_once
//! [`Repository::save`]: crate::Repository::save
//! [`Repository::tombstone`]: crate::Repository::tombstone
