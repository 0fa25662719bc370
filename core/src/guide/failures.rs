//! When handlers fail.
//!
//! A [`FailurePolicy`] retries an event with growing waits. Then it [stops](crate::consumer::FailurePolicy::then_stop)
//! before the event, which is the default, [skips](crate::consumer::FailurePolicy::then_skip) it, or
//! [parks](crate::consumer::FailurePolicy::then_park) it: the event becomes a [`DeadLetter`], and so do the later
//! events of its sequence (by default, its stream), so that they stay in order; other sequences go on.
//! [`ConsumerOptions`] hold the policy of a projection, and those of single events; pass them to
//! [`Midgard::project_with`]. A consumer that has stopped continues after [`restart`](crate::MidgardHandle::restart).
//!
//! [`MidgardHandle::dead_letters`] lists the parked events, all at once or [in pages](crate::MidgardHandle::dead_letters_page).
//! [`retry`](crate::MidgardHandle::retry) and [`retry_all`](crate::MidgardHandle::retry_all) hand them over again, in their
//! newest versions; [`evict`](crate::MidgardHandle::evict) gives one up. A panic of a handler is a failure like any other, and
//! so is a handler that exceeds its [time limit](crate::consumer::ConsumerOptions::handler_timeout). [`Status::handling`] shows
//! which event a handler is working on, and since when. When a program is stopped, a handler that does not end
//! [in time](crate::Midgard::stop_within) is dropped. [`Status`] and `tracing` report all of this.
//!
//! [`ConsumerOptions`]: crate::consumer::ConsumerOptions
//! [`DeadLetter`]: crate::consumer::DeadLetter
//! [`FailurePolicy`]: crate::consumer::FailurePolicy
//! [`Midgard::project_with`]: crate::Midgard::project_with
//! [`MidgardHandle::dead_letters`]: crate::MidgardHandle::dead_letters
//! [`Status`]: crate::consumer::Status
//! [`Status::handling`]: crate::consumer::Status::handling
