//! What runs where, and what blocks.
//!
//! Midgard has no runtime of its own. Its futures run in the thread that polls them: that of your executor, or of
//! [`block_on`](crate::block_on).
//!
//! | what | where it runs | what it waits for |
//! |---|---|---|
//! | [`Repository::load`](crate::Repository::load), [`Store::events`](crate::Store::events) | the thread that polls | the disk, if pages of the map are not in memory: this blocks the thread |
//! | `decide`, `apply`, serde | the thread that polls | nothing |
//! | [`Repository::execute`](crate::Repository::execute) | loads and decides in the thread that polls | its commit: no thread is blocked |
//! | the commit of an append, in LMDB | the store's writer, a thread of its own | the disk |
//! | [`Views::get`](crate::Views::get), [`select`](crate::Views::select), [`page`](crate::Views::page) | the calling thread: these are not futures | the disk, like `load` |
//! | `LmdbStore::open`, `backup`, `verify`, `statistics` | the calling thread | the disk, for as long as it takes |
//! | handlers of subscriptions, projections, inboxes, process managers | the task of [`Midgard::run`], or of their [spawner](crate::Midgard::spawner) | what they await |
//! | the rows of a projection | collected by its task, and committed by the writer | the commit |
//! | buses over tokio | the program's tokio | the network |
//! | timeouts, pauses between retries, deadlines | one thread of the program for all timers | nothing |
//!
//! # Reads block for microseconds, as a rule
//!
//! An event that is in memory is read and decoded in about two microseconds; so aggregates, rows and pages of rows may be read
//! on the threads of an async runtime. A page of the file that is not in memory is read from the disk while
//! the thread waits: 0.1 ms on an SSD. A scan of a large cold log, or a `select` of a million rows, belongs to a thread that may block:
//!
//! ```ignore
//! let rows = tokio::task::spawn_blocking(move || views.select(Order::all())).await??;
//! ```
//!
//! The same goes for `LmdbStore::open`, backups and `verify`. Keep a [snapshot](crate::Views::snapshot) of the views only
//! briefly, and not across an `.await` that may take long: while it is held, the store cannot reuse the space that is freed.
//!
//! # Writes block no thread
//!
//! The LMDB store has one writer thread per store and process, which exists while there is something to write. It takes all
//! waiting appends, commits them together, and wakes their futures. 256 tasks that each await an append are 256 futures, one
//! thread and a few commits. So do not await independent appends one after the other in a loop: await many of them at once.
//!
//! # Consumers
//!
//! One future runs all consumers of a program in turn. That is fine as long as no handler blocks its thread.
//!
//! - [`Midgard::spawner`] makes each consumer a task of the program's executor. Consumers then use several cores, and a handler that
//!   computes for long holds up its own consumer only:
//!   `midgard.spawner(tokio::spawn)`.
//! - [`Midgard::thread_per_consumer`] gives each consumer a thread, for handlers that block, such as those that use files or a
//!   database driver without async. These threads have no runtime: `tokio::time::sleep` and a tokio client panic in such a
//!   handler, and a bus over tokio has nothing to run on.
//! - For a single blocking call in an async handler, `tokio::task::spawn_blocking(..).await` is enough.
//!
//! A subscription with [`partitions`](crate::Subscription::partitions) is spread over workers: several programs, or several
//! `Midgard` values in one program. The partitions of one `Midgard` take turns in one task.
//!
//! A handler that blocks cannot be dropped: a [`handler_timeout`](crate::consumer::ConsumerOptions::handler_timeout), and
//! [`stop_within`](crate::Midgard::stop_within) when the program ends, drop a handler at an `.await`, but must wait while it
//! blocks. Hold no lock of `std::sync` across an `.await`: it blocks everyone else who needs the lock.
//!
//! ```
//! # use midgard::event::NewEvent;
//! # use midgard::store::{Append, ExpectedVersion};
//! # use midgard::{Event, MemoryStore, Store, StreamName};
//! # use serde::{Deserialize, Serialize};
//! # use std::{thread, time::Duration};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.placed")]
//! # struct OrderPlaced {}
//! use midgard::{Midgard, StartFrom, Subscription};
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let event = NewEvent::encode(&OrderPlaced {})?;
//! # store.append(Append::to(StreamName::new("order-1")?, ExpectedVersion::NoStream, [event])).await?;
//! let printing = Subscription::<OrderPlaced>::events("printing", StartFrom::Start);
//! let program = Midgard::new(store.clone())
//!     .subscribe(printing, |_| async {
//!         assert_eq!(thread::current().name(), Some("midgard consumer"));
//!         thread::sleep(Duration::from_millis(1)); // a driver that blocks
//!         Ok(())
//!     })
//!     .thread_per_consumer();
//! program.catch_up().await?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Processes
//!
//! Several processes may use one LMDB store at once; a consumer of one name is at work in one of them at a time, and continues
//! in another when that one is gone. A store that was opened before a fork cannot be used in the child: open it afterwards.
//!
//! [`Midgard::run`]: crate::Midgard::run
//! [`Midgard::spawner`]: crate::Midgard::spawner
//! [`Midgard::thread_per_consumer`]: crate::Midgard::thread_per_consumer
