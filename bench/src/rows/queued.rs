//! Raw LMDB behind a queue: what appends cost at least that many producers hand to one thread, which commits them together and
//! answers each. Nothing is checked, found or summed up.

use crate::Outcome;
use crate::raw::{Entry, Raw};
use futures_channel::oneshot;
use midgard::store::Append;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// An append, and the channel for its confirmation.
type Message = (Append, oneshot::Sender<Append>);

/// A log that a thread writes.
pub(super) struct Queued {
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Queued {
    /// A record has this many bytes in addition to its payload; a commit waits for the appends of this many
    /// producers.
    pub(super) fn new(raw: Raw, beside: usize, producers: usize) -> Self {
        let (queue, messages) = channel();
        let thread = thread::spawn(move || {
            // A missing answer is an error for whoever waits for it.
            let _ = commit_all(raw, &messages, beside, producers);
        });
        Queued {
            queue: Some(queue),
            thread: Some(thread),
        }
    }

    pub(super) async fn append(&self, append: Append) -> Outcome<()> {
        let (reply, committed) = oneshot::channel();
        let sent = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.send((append, reply)).is_ok());
        match committed.await {
            Ok(_) if sent => Ok(()),
            _ => Err("raw LMDB behind a queue failed".into()),
        }
    }
}

/// Commits appends: the first one, and those of the other producers, if any come soon.
fn commit_all(
    mut raw: Raw,
    messages: &Receiver<Message>,
    beside: usize,
    producers: usize,
) -> Outcome<()> {
    let (mut waiting, mut records): (Vec<Message>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    records.resize_with(producers, Vec::new);
    while let Ok(first) = messages.recv() {
        waiting.push(first);
        let mut idle = 0;
        while waiting.len() < producers && idle < LOOKS {
            match messages.try_recv() {
                Ok(message) => {
                    waiting.push(message);
                    idle = 0;
                }
                Err(_) => {
                    thread::yield_now();
                    idle += 1;
                }
            }
        }
        for ((append, _), record) in waiting.iter().zip(&mut records) {
            record.clear();
            record.resize(beside, 0);
            for event in append.events() {
                record.extend_from_slice(&event.payload);
            }
        }
        raw.commit_log(records[..waiting.len()].iter().map(|record| Entry {
            record,
            stream: "",
            number: 0,
            version: 0,
        }))?;
        for (append, reply) in waiting.drain(..) {
            // A producer that is done does not wait.
            let _ = reply.send(append);
        }
    }
    raw.close();
    Ok(())
}

/// How often the thread checks for another append before it commits without one.
const LOOKS: usize = 200;

impl Drop for Queued {
    /// Lets the thread close the log.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
