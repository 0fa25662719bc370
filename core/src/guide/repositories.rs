//! More of a repository: the past, metadata, what was decided.
//!
//! [`Repository::load_at`] and [`Repository::load_as_of`] load an aggregate as it was.
//! [`Repository::save`] appends events under an explicit expected version, and [`Repository::commit`]
//! what was [decided](crate::repository::Loaded::decide) on a loaded aggregate; neither is retried.
//! [`Repository::execute_with`] records [`Metadata`] with the events: what led to them, and headers.
//!
//! A store that lost its connection in the middle of an append returns
//! [`OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown). [`Repository::execute_once`] executes a command under a key:
//! repeated with the same key, the command takes effect only once. A client whose request got no answer repeats it in the same
//! way. See [unknown outcomes](super::outcomes).
//!
//! # Several aggregates at once
//!
//! [`Repositories::execute_together`](crate::repository::Repositories::execute_together) executes commands on several
//! aggregates, and appends what follows at once: all of it, or nothing. After a conflict on one of them, all commands are
//! decided again.
//!
//! # A command, and a view that shows it
//!
//! [`Execution::and_wait_for`](crate::repository::Execution::and_wait_for) waits until a projection shows what a command
//! changed: `accounts.execute("a-1", &command).and_wait_for::<Balances>(&handle, timeout).await?`. Commands on decision models can
//! wait as well.
//!
//! # The end of an aggregate
//!
//! [`Repository::tombstone`] ends an aggregate for good: its events are removed, and its stream accepts no more. A projection,
//! a
//! subscription or a process manager that lists [`StreamTombstoned`](crate::store::StreamTombstoned) among its events receives
//! that event in the order of the log, and can remove rows. [Erasing](super::erasing) lists what is left.
//!
//! [`Metadata`]: crate::Metadata
//! [`Repository::commit`]: crate::Repository::commit
//! [`Repository::execute_with`]: crate::Repository::execute_with
//! [`Repository::load_as_of`]: crate::Repository::load_as_of
//! [`Repository::load_at`]: crate::Repository::load_at
//! [`Repository::execute_once`]: crate::Repository::execute_once
//! [`Repository::save`]: crate::Repository::save
//! [`Repository::tombstone`]: crate::Repository::tombstone
