//! A web service: handlers, status codes, live events, start and shutdown, requests that are cancelled.
//!
//! The listings are of `examples/web`, a service with axum that a test drives over loopback. Nothing here depends on axum: a handler is
//! a function that executes a command or reads a row.
//!
//! # What requests need
//!
//! A program that is [started](crate::Midgard::start) is all that a request needs: it has the [repositories](crate::Running::repository) of
//! its store, its [views](crate::Running::views), and its [handle](crate::Running::handle). It is cheap to clone, and may be used from
//! all threads: it is the state of the router.
//!
//! ```ignore
//! /// The program that every request needs: its accounts, its views and its handle.
//! pub type Bank = Running<LmdbStore>;
//! ```
//!
//! # A command
//!
//! A handler executes the command, and waits until the projection shows it, so that the client's next read sees what it wrote:
//!
//! ```ignore
//!     let task = tokio::spawn(async move {
//!         let accounts = bank.repository::<Account>();
//!         let execution = match &key {
//!             Some(key) => accounts.execute_once(key, &id, &book),
//!             None => accounts.execute(&id, &book),
//!         };
//!         execution
//!             .and_wait_for::<Balances>(bank.handle(), SHOWN_WITHIN)
//!             .await
//!     });
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
//! Each error of a handler tells [what it means](crate::error::Classify) to the client, whichever part of the program it comes from. So
//! one conversion is enough for all of them:
//!
//! ```ignore
//! impl<E: Classify + Error + 'static> From<E> for Failure {
//!     fn from(error: E) -> Self {
//!         let (status, sentence) = match error.kind() {
//!             ErrorKind::Rejected(refusal) => {
//!                 return Failure(StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string());
//!             }
//!             // An id or a key that is empty or too long.
//!             ErrorKind::Invalid => return Failure(StatusCode::BAD_REQUEST, error.to_string()),
//!             // It was executed: to say that it failed would have it repeated.
//!             ErrorKind::NotShown => (StatusCode::ACCEPTED, "it is done, and shown soon"),
//!             ErrorKind::Conflict => (
//!                 StatusCode::CONFLICT,
//!                 "others use the account at this moment; try again",
//!             ),
//!             ErrorKind::Gone => (StatusCode::GONE, "the account was closed"),
//!             ErrorKind::Full => (
//!                 StatusCode::INSUFFICIENT_STORAGE,
//!                 "the disk is full; try again later",
//!             ),
//!             ErrorKind::Unavailable => (
//!                 StatusCode::SERVICE_UNAVAILABLE,
//!                 "the service has just begun; try again",
//!             ),
//!             ErrorKind::OutcomeUnknown => (
//!                 StatusCode::SERVICE_UNAVAILABLE,
//!                 "it is not known whether it was done; repeat it with the same Idempotency-Key",
//!             ),
//!             _ => return Failure::hidden(&error),
//!         };
//!         Failure(status, sentence.to_owned())
//!     }
//! }
//! ```
//!
//! | kind | status | why |
//! |---|---|---|
//! | [`Rejected`](crate::error::ErrorKind::Rejected) | 422, or what fits the error | your own error type explains why |
//! | [`Conflict`](crate::error::ErrorKind::Conflict) | 409 | others were faster on every try; nothing was appended |
//! | [`Gone`](crate::error::ErrorKind::Gone) | 410 | the aggregate was ended |
//! | [`Invalid`](crate::error::ErrorKind::Invalid) | 400 | the id or the key is empty or too long |
//! | [`Full`](crate::error::ErrorKind::Full) | 507 | nothing was appended |
//! | [`OutcomeUnknown`](crate::error::ErrorKind::OutcomeUnknown) | 503 | repeat it with the same key |
//! | [`Unavailable`](crate::error::ErrorKind::Unavailable) | 503 | the first events have not been handled yet |
//! | [`NotShown`](crate::error::ErrorKind::NotShown) | 202 | it was executed, and is shown soon |
//! | any other | 500 | log it; its text is for you, not for the client |
//!
//! To answer one error of your own with another status, match on [`ExecuteError::Rejected`](crate::repository::ExecuteError::Rejected).
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
//!         .until(bank.handle().stopped());
//!     let shown = recorded.map(|event| shown(&event?));
//!     Ok(Sse::new(shown).keep_alive(KeepAlive::default()))
//! ```
//!
//! Without `until`, such a response never ends, and a server that waits for its responses never stops. Send a format of your
//! own, not the stored payloads, which may change with the next release.
//!
//! # Start and shutdown
//!
//! [`start`](crate::Midgard::start) runs the program and its consumers in tasks, and waits until each is at work. So it comes before you
//! serve: a program that cannot run fails there, with the reason, such as a process manager without an outbox.
//!
//! ```ignore
//!     let program = Midgard::new(store).project(Balances, views);
//!     // A program that cannot run says why here.
//!     let bank = program.start(tokio::spawn).await?;
//! ```
//!
//! At the end, the server and the program end together:
//!
//! ```ignore
//!     axum::serve(listener, routes(bank.clone()))
//!         .with_graceful_shutdown(async move {
//!             stop.await;
//!             // Ends the streams of events, too; axum would wait for those forever.
//!             handle.drain();
//!         })
//!         .await?;
//!     bank.ended().await?;
//! ```
//!
//! 1. The signal comes; axum takes no new connections.
//! 2. [`drain`](crate::MidgardHandle::drain) ends the streams of events, and the consumers once they have handled what the log has now.
//!    [`stop`](crate::MidgardHandle::stop) ends them after the event that they are handling. Neither loses anything.
//! 3. Requests that came before are answered. A command that is executed after the drain has passed the end of the log is
//!    answered as not shown yet.
//! 4. [`ended`](crate::Running::ended) returns, with the error of a consumer that had failed. What does not end in time is
//!    [dropped](crate::Midgard::stop_within).
//!
//! A process that is killed loses nothing that was acknowledged, either: an orderly shutdown only spares the clients errors.
//!
//! # Health
//!
//! The program continues when one consumer fails for good, because the others still work. So add a route for an alarm to
//! watch: it answers with [`status`](crate::MidgardHandle::status), which serde can write, and with 503 if a state is
//! [`Failed`](crate::consumer::ConsumerState::Failed).
