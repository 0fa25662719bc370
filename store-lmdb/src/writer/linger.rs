//! How long the writer waits for more appends before it commits.
//!
//! A commit costs two flushes of the disk, whatever it holds, so fuller is better. The producers that
//! were just answered are about to come back: the writer waits for about as many as came last time,
//! but never long, and not at all for a producer that is alone.

use super::{Message, Request, Work};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The most events in one commit, about.
const MOST_EVENTS: usize = 8192;
/// The most bytes of payload in one commit, about.
const MOST_BYTES: usize = 16 << 20;
/// How long a gap between two appends ends the wait.
const GAP: Duration = Duration::from_micros(100);

/// What was committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Committed {
    pub(super) appends: usize,
    pub(super) took: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Linger {
    /// About how many appends came at once lately.
    usual: usize,
    /// The longest wait that pays: less than what the last commit took.
    longest: Duration,
}

impl Linger {
    /// Takes what is queued, and waits for as much as usual. Tells whether it is time to stop.
    pub(super) fn fill(&self, messages: &Receiver<Message>, requests: &mut Vec<Request>) -> bool {
        let mut size = Size::default();
        requests.iter().for_each(|request| size.add(&request.work));
        let mut deadline = None;
        loop {
            if size.events >= MOST_EVENTS || size.bytes >= MOST_BYTES {
                return false;
            }
            let message = match messages.try_recv() {
                Ok(message) => message,
                Err(_) if requests.len() >= self.usual => return false,
                Err(_) => {
                    let now = Instant::now();
                    let end = *deadline.get_or_insert(now + self.longest);
                    match messages.recv_timeout(GAP.min(end.saturating_duration_since(now))) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => return false,
                        Err(RecvTimeoutError::Disconnected) => return true,
                    }
                }
            };
            match message {
                Message::Work(work, reply) => {
                    size.add(&work);
                    requests.push(Request { work, reply });
                }
                Message::Watch => {}
                Message::Stop => return true,
            }
        }
    }

    /// Learns from a commit.
    pub(super) fn committed(&mut self, committed: Committed) {
        // Forgets slowly, so that one small commit does not halve the ones after it.
        self.usual = committed.appends.max(self.usual * 7 / 8);
        self.longest = committed.took / 2;
    }
}

/// How much work there is.
#[derive(Debug, Default)]
struct Size {
    events: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, work: &Work) {
        if let Work::Append(append) = work {
            for event in append.events() {
                self.bytes += event.payload.len();
                self.events += 1;
            }
        }
        // What only checks, or ends a stream, costs about as much as an event.
        self.events += 1;
    }
}
