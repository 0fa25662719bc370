//! A web service: handlers, status codes, live events, start and shutdown, requests that are cancelled.
//!
//! The listings are of `examples/web`, a service with axum that a test drives over loopback. Nothing here depends on axum: a handler is
//! a function that executes a command or reads a row.
//!
//! # What requests need
//!
//! A repository, the [`Views`](crate::Views) and the [handle](crate::MidgardHandle) of the program are cheap to clone, and may be used
//! from all threads. They are the state of the router:
//!
//! ```ignore
//! #[derive(Debug, Clone)]
//! pub struct Bank {
//!     /// The accounts.
//!     pub accounts: Repository<Account, LmdbStore>,
//!     /// The views of the program.
//!     pub views: Views,
//!     /// The program that keeps the views.
//!     pub handle: MidgardHandle,
//! }
//! ```
//!
//! # A command
//!
//! A handler executes the command, and waits until the projection shows it, so that the client's next read sees what it wrote:
//!
//! ```ignore
//!         let task = tokio::spawn(async move {
//!             let execution = match &key {
//!                 Some(key) => self.accounts.execute_once(key, &id, &book),
//!                 None => self.accounts.execute(&id, &book),
//!             };
//!             execution
//!                 .and_wait_for::<Balances>(&self.handle, SHOWN_WITHIN)
//!                 .await
//!         });
//! ```
//!
//! If the projection does not catch up in time, the command was executed all the same. Answer
//! [`NotShown`](crate::consumer::ExecuteAndWaitError::NotShown) with a success, such as 202; a failure would make the client
//! repeat the command. Reads of rows are not futures and take microseconds; [what blocks](super::threads) explains when they
//! need a thread of their own.
//!
//! # Requests that are cancelled
//!
//! When a client goes away, hyper drops the future of its handler where it waits. A future of a command that is dropped
//!
//! - has no effect if it was still loading or deciding, or if its append was waiting in the store's queue;
//! - may still take effect once the store's writer has begun with the append: all of its events are stored, or none;
//! - never does half of something, blocks nobody, and leaves nothing to clean up.
//!
//! The code after the `.await` in the handler does not run then: a second command, a mail. So whatever must follow
//! belongs in a subscription or a process manager, and two decisions that belong together go into one
//! [`execute_together`](crate::repository::Repositories::execute_together). Or run the command in a task of its own, as
//! above: dropping the handler of a task does not end it.
//!
//! The client cannot know what became of its request, and sends it again. With a key that it repeats, such as an `Idempotency-Key`
//! header, the command [takes effect once](super::outcomes).
//!
//! # Errors as status codes
//!
//! | error | status | why |
//! |---|---|---|
//! | [`ExecuteError::Rejected`](crate::repository::ExecuteError::Rejected) | 422, or what fits the error | your own error type explains why |
//! | [`ExecuteError::Conflict`](crate::repository::ExecuteError::Conflict) | 409 | others were faster on every try; nothing was appended |
//! | [`LoadError::Tombstoned`](crate::repository::LoadError::Tombstoned), [`AppendError::Tombstoned`](crate::store::AppendError::Tombstoned) | 410 | the aggregate was ended |
//! | [`StoreError::Limit`](crate::store::StoreError::Limit) | 400 | the id or the key is empty or too long |
//! | [`StoreError::Full`](crate::store::StoreError::Full) | 507 | nothing was appended |
//! | [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown) | 503 | repeat it with the same key |
//! | [`ViewError::NotBuilt`](crate::view::ViewError::NotBuilt) | 503 | the first events have not been handled yet |
//! | any other | 500 | log it; its text is for you, not for the client |
//!
//! If the client sends the version that it has seen in an `If-Match` header, pass it to [`save`](crate::Repository::save) as
//! the expected version, or let the command compare it. Answer a conflict with 412 then.
//!
//! # Events as they happen
//!
//! [`Store::into_events`](crate::Store::into_events) is a stream that owns its store, as a response needs it.
//! [`follow`](crate::store::EventStream::follow) continues live, without a gap. `Last-Event-ID` is a position:
//!
//! ```ignore
//!     let bookings = Query::events::<AccountEvent>();
//!     let read = ReadLog::forward().after(after).matching(bookings);
//!     // It ends with the program, and its store is its own.
//!     let recorded = store
//!         .into_events(read)
//!         .follow()
//!         .until(bank.handle.stopped());
//!     let shown = recorded.map(|event| shown(&event?));
//!     Ok(Sse::new(shown).keep_alive(KeepAlive::default()))
//! ```
//!
//! Without `until`, such a response never ends, and a server that waits for its responses never stops. Send a format of your
//! own, not the stored payloads, which may change with the next release.
//!
//! # Start and shutdown
//!
//! The program runs in a task, which keeps the error of `run` until it is awaited. So wait for
//! [`ready`](crate::MidgardHandle::ready) before you serve: a program that cannot run fails there, with the reason, such as a process
//! manager without an outbox.
//!
//! ```ignore
//!     let running = tokio::spawn(program.run());
//!     // A program that cannot run says why here, and not only when it is awaited at the end.
//!     handle.ready().await?;
//! ```
//!
//! At the end, the server and the program end together:
//!
//! ```ignore
//!     axum::serve(listener, routes(bank))
//!         .with_graceful_shutdown(async move {
//!             stop.await;
//!             // Ends the streams of events, too; axum would wait for those forever.
//!             handle.drain();
//!         })
//!         .await?;
//!     running.await??;
//! ```
//!
//! 1. The signal comes; axum takes no new connections.
//! 2. [`drain`](crate::MidgardHandle::drain) ends the streams of events, and the consumers once they have handled what the log has now.
//!    [`stop`](crate::MidgardHandle::stop) ends them after the event that they are handling. Neither loses anything.
//! 3. Requests that came before are answered. A command that is executed after the drain has passed the end of the log is
//!    answered as not shown yet.
//! 4. `run` returns, with the error of a consumer that had failed. What does not end in time is
//!    [dropped](crate::Midgard::stop_within).
//!
//! A process that is killed loses nothing that was acknowledged, either: an orderly shutdown only spares the clients errors.
//!
//! # Health
//!
//! `run` continues when one consumer fails for good, because the others still work. So add a route for an alarm to
//! watch: it answers with [`status`](crate::MidgardHandle::status), which serde can write, and with 503 if a state is
//! [`Failed`](crate::consumer::ConsumerState::Failed).
