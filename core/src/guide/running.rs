//! Running a program: its handle, threads, async runtimes.
//!
//! # Running consumers
//!
//! [`Midgard::run`] is a future: spawn it, or block on it in a thread. Its [handle](crate::MidgardHandle) shows how each
//! consumer is doing, waits for consumers, and stops them:
//!
//! ```
//! # use midgard::store::{Append, ExpectedVersion};
//! # use midgard::{Event, MemoryStore, Midgard, StartFrom, Store, StreamName, Subscription};
//! # use midgard::event::NewEvent;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.placed")]
//! # struct OrderPlaced {}
//! use std::time::Duration;
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let orders = Subscription::<OrderPlaced>::events("mailer", StartFrom::Start);
//! # let midgard = Midgard::new(store.clone()).subscribe(orders, |_| async { Ok(()) });
//! let handle = midgard.handle();
//! let running = std::thread::spawn(|| midgard::block_on(midgard.run()));
//!
//! # let order = NewEvent::encode(&OrderPlaced {})?;
//! # let append = Append::to(StreamName::new("order-1")?, ExpectedVersion::NoStream, [order]);
//! let appended = store.append(append).await?;
//! // Read your own writes: after this, the order is handled, wherever the consumer runs.
//! handle.wait_for("mailer", appended.place(), Duration::from_secs(5)).await?;
//! println!("{}", handle.status_of("mailer")?); // subscription mailer: live, at 1 of 1
//!
//! handle.stop(); // or `drain`, which handles first what the log has now
//! running.join().unwrap()?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! [`MidgardHandle::ready`] and [`ended`](crate::MidgardHandle::ended) wait until all consumers have started, or have ended;
//! [`stopped`](crate::MidgardHandle::stopped) is a future with which other parts of the program end at the same time. When
//! `run` fails at once, is dropped or aborted, each [status](crate::consumer::ConsumerState) shows it, and every wait for a
//! consumer ends with an error.
//!
//! One future runs all consumers in turn: a handler that blocks its thread holds up the others.
//! [`Midgard::spawner`] makes a task of each, on the runtime of the program, as in
//! `midgard.spawner(tokio::spawn)`; [`Midgard::thread_per_consumer`] gives each a thread.
//! [`Midgard::start`] runs the program and its consumers in tasks, and returns what requests need: repositories, views, the handle.
//! [What runs where](super::threads) explains the details; [a web service](super::web_service) shows a program that also serves
//! requests.
//!
//! # Any async runtime
//!
//! Futures here need no runtime: [`block_on`] runs them, and so does any executor.
//!
//! [`Midgard::run`]: crate::Midgard::run
//! [`Midgard::start`]: crate::Midgard::start
//! [`Midgard::spawner`]: crate::Midgard::spawner
//! [`Midgard::thread_per_consumer`]: crate::Midgard::thread_per_consumer
//! [`MidgardHandle::ready`]: crate::MidgardHandle::ready
//! [`block_on`]: crate::block_on
