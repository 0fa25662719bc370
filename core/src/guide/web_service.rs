//! A web service: handlers, status codes, live events, shutdown, requests that are cancelled.
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
//! Where the projection does not come as far in time, the command was executed all the same. Answer
//! [`NotShown`](crate::consumer::ExecuteAndWaitError::NotShown) with a success, such as 202; a failure would have the client repeat it.
//! Reads of rows are no futures and take microseconds; [what blocks](super::threads) tells when they need a thread of their own.
//!
//! # Requests that are cancelled
//!
//! When a client goes away, hyper drops the future of its handler where it waits. A dropped future of a command
//!
//! - has done nothing, while it loads and decides, and while its append waits in the store's queue;
//! - may still have its effect, once the store's writer has begun with the append: all of its events are there, or none;
//! - never does half of something, blocks nobody, and leaves nothing to clean up.
//!
//! What comes after the `.await` in the handler does not happen then: a second command, a mail. So what must follow belongs in a
//! subscription or a process manager, and two decisions that belong together in one
//! [`execute_together`](crate::repository::Repositories::execute_together). Or run the command in a task of its own, as above: dropping
//! the handler of a task does not end it.
//!
//! The client cannot know what became of its request, and sends it again. With a key that it repeats, such as an `Idempotency-Key`
//! header, the command [takes effect once](super::outcomes).
//!
//! # Errors as status codes
//!
//! | error | status | why |
//! |---|---|---|
//! | [`ExecuteError::Rejected`](crate::repository::ExecuteError::Rejected) | 422, or what fits the error | your own error type says why |
//! | [`ExecuteError::Conflict`](crate::repository::ExecuteError::Conflict) | 409 | others were faster on every try; nothing was appended |
//! | [`LoadError::Tombstoned`](crate::repository::LoadError::Tombstoned), [`AppendError::Tombstoned`](crate::store::AppendError::Tombstoned) | 410 | the aggregate was ended |
//! | [`StoreError::Limit`](crate::store::StoreError::Limit) | 400 | the id or the key is empty or too long |
//! | [`StoreError::Full`](crate::store::StoreError::Full) | 507 | nothing was appended |
//! | [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown) | 503 | repeat it with the same key |
//! | [`ViewError::NotBuilt`](crate::view::ViewError::NotBuilt) | 503 | the first events have not been handled yet |
//! | any other | 500 | log it; its text is for you, and not for the client |
//!
//! A version that the client has seen, in an `If-Match` header, is the expected version of [`save`](crate::Repository::save), or what the
//! command compares with; a conflict is 412 then.
//!
//! # Events as they happen
//!
//! [`Store::into_events`](crate::Store::into_events) is a stream that owns its store, as a response needs it.
//! [`follow`](crate::store::EventStream::follow) goes on live, without a gap. `Last-Event-ID` is a position:
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
//! Without `until`, such a response never ends, and a server that waits for its responses never stops. Send a form of
//! your own, and not the stored payloads: those change with the next release.
//!
//! # Shutdown
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
//!    [`stop`](crate::MidgardHandle::stop) ends them with the event that they are at. Neither loses anything.
//! 3. Requests that came before are answered. A command of those that is later than what is drained is answered as not shown yet.
//! 4. `run` returns, with the error of a consumer that had failed. What does not end in time is
//!    [dropped](crate::Midgard::stop_within).
//!
//! A process that is killed loses nothing that was acknowledged, either: a shutdown in order only spares the clients errors.
//!
//! # Health
//!
//! `run` goes on when one consumer fails for good, as the others still work. So let a route answer with
//! [`status`](crate::MidgardHandle::status), which serde can write, and with 503 where a state is
//! [`Failed`](crate::consumer::ConsumerState::Failed): that is what an alarm watches.
