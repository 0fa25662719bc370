//! What an inbox does within a key, one after the other: handle messages, and requests about parked ones.

use super::attempts::Tries;
use super::dispatch::Dispatch;
use super::handling::{InboxWorker, Outcome};
use super::requests::Asked;
use crate::bus::{Received, Settle, Verdict};
use crate::consumer::guard::text_of;

/// A piece of work within a key, done in its turn.
// Most are messages: a box around each would cost more than it saves.
#[allow(clippy::large_enum_variant)]
pub(super) enum Job {
    Message(Received),
    Request(Asked),
}

/// The outcome of a job.
pub(super) struct Done {
    pub(super) key: String,
    /// The number of the parked message, if the job was a request about one.
    pub(super) request: Option<String>,
    pub(super) settled: Settled,
}

/// The outcome of a job.
pub(super) enum Settled {
    Done,
    /// The request must be tried again later.
    Waits,
    /// The message was handled, and is not acknowledged: it is delivered again.
    Unacknowledged,
    /// The program ends before the message is handled. It is delivered again, and so must the later ones be.
    Abandoned(Tries),
    /// The inbox must end with it.
    Failed(u32, String),
}

impl Job {
    pub(super) async fn run<D: Dispatch>(self, worker: &InboxWorker<D>, key: String) -> Done {
        let (request, settled) = match self {
            Job::Message(received) => (None, handle_and_settle(worker, received).await),
            Job::Request(asked) => {
                let is_done = execute_request(worker, &asked).await;
                let settled = if is_done {
                    Settled::Done
                } else {
                    Settled::Waits
                };
                (Some(asked.number), settled)
            }
        };
        Done {
            key,
            request,
            settled,
        }
    }
}

/// Handles a message and settles it.
async fn handle_and_settle<D: Dispatch>(worker: &InboxWorker<D>, received: Received) -> Settled {
    let (content, settle): (_, Box<dyn Settle>) = received.into_parts();
    let verdict = match worker.take(&content).await {
        Outcome::Done => Verdict::Acknowledge,
        Outcome::SetAside(reason) => Verdict::SetAside { reason },
        Outcome::Abandoned(tries) => return Settled::Abandoned(tries),
        Outcome::Failed { failures, message } => return Settled::Failed(failures, message),
    };
    if let Err(error) = settle.settle(verdict).await {
        // It is delivered again, and recognised then.
        tracing::debug!(%error, "a message was handled but not acknowledged");
        return Settled::Unacknowledged;
    }
    Settled::Done
}

/// Executes a request about parked messages; returns whether it is done.
async fn execute_request<D: Dispatch>(worker: &InboxWorker<D>, asked: &Asked) -> bool {
    let mut tries = Tries::default();
    loop {
        let error = match worker.answer_request(asked).await {
            Ok(is_done) => return is_done,
            Err(error) => worker.meet(error, &mut tries).await,
        };
        if error.is_some() || worker.is_given_up(&tries) {
            // The request is still there, and the next check finds it again.
            let parked_message = asked.number.as_str();
            let error = error.map(|error| text_of(&error));
            tracing::warn!(
                parked_message,
                error,
                "a request about a parked message waits"
            );
            return false;
        }
    }
}
