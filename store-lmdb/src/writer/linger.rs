//! How long the writer waits for more appends before it commits.
//!
//! A commit costs two flushes of the disk, whatever its size, so fuller is better. Producers that were just answered
//! are about to come back: the writer waits for about as many appends as came last time, but never long, and not at
//! all for a lone producer. Appends are written while the next ones are on their way; only the commit waits.

use super::Message;
use super::work::Request;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// About the most events in one commit.
const MOST_EVENTS: usize = 8192;
/// About the most bytes of payload in one commit.
const MOST_BYTES: usize = 16 << 20;
/// A gap of this length between two appends ends the wait.
const GAP: Duration = Duration::from_micros(100);

/// A group that is being filled.
pub(super) struct Filling<'m> {
    messages: &'m Receiver<Message>,
    /// The requests that were counted.
    requests: usize,
    events: usize,
    bytes: usize,
    /// When the wait ends; `None` until it has begun.
    end: Option<Instant>,
    stopped: bool,
}

impl<'m> Filling<'m> {
    pub(super) const fn new(messages: &'m Receiver<Message>) -> Self {
        Filling {
            messages,
            requests: 0,
            events: 0,
            bytes: 0,
            end: None,
            stopped: false,
        }
    }

    /// Returns whether it is time to stop once the group is committed.
    pub(super) const fn stopped(&self) -> bool {
        self.stopped
    }

    fn is_full(&mut self, requests: &[Request]) -> bool {
        for request in requests.iter().skip(self.requests) {
            // A request that only checks, or ends a stream, costs about as much as an event.
            self.events += 1;
            let (count, bytes) = request.written();
            self.events += count;
            self.bytes += bytes;
        }
        self.requests = requests.len();
        self.events >= MOST_EVENTS || self.bytes >= MOST_BYTES
    }
}

/// Returns the next message within `wait`. Polls before it sleeps: the next append is usually some microseconds away,
/// and waking a thread for each takes longer than that on both sides.
fn receive_within(
    messages: &Receiver<Message>,
    wait: Duration,
) -> Result<Message, RecvTimeoutError> {
    const LOOKS: usize = 32;
    for _ in 0..LOOKS {
        if let Ok(message) = messages.try_recv() {
            return Ok(message);
        }
        thread::yield_now();
    }
    messages.recv_timeout(wait)
}

#[derive(Debug, Default)]
pub(super) struct Linger {
    /// About how many appends came together recently.
    usual: usize,
    /// The longest wait that pays: no more than the time of the last commit.
    longest: Duration,
}

impl Linger {
    /// Returns the next request of the group: a queued one, or, up to the usual number, one that comes soon.
    pub(super) fn next(&self, filling: &mut Filling<'_>, requests: &[Request]) -> Option<Request> {
        while !filling.stopped && !filling.is_full(requests) {
            let message = match filling.messages.try_recv() {
                Ok(message) => message,
                Err(_) if requests.len() >= self.usual => return None,
                Err(_) => {
                    let now = Instant::now();
                    let end = *filling.end.get_or_insert(now + self.longest);
                    let wait = GAP.min(end.saturating_duration_since(now));
                    match receive_within(filling.messages, wait) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => return None,
                        Err(RecvTimeoutError::Disconnected) => Message::Stop,
                    }
                }
            };
            match message {
                Message::Work(request) if request.is_abandoned() => {}
                Message::Work(request) => return Some(request),
                Message::Watch => {}
                Message::Stop => filling.stopped = true,
            }
        }
        None
    }

    /// Learns from a commit: its number of appends, and the time of its flushes.
    pub(super) fn committed(&mut self, appends: usize, took: Duration) {
        // Decreases slowly, so that one small commit does not halve the ones after it.
        self.usual = appends.max(self.usual * 7 / 8);
        self.longest = took;
    }
}
