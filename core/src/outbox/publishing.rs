//! The notes of a relay, whose commits publish: which messages the bus has, which it has not taken, and which no queue
//! wants.

use super::Unheard;
use super::aside::Lost;
use super::unsettled::Known;
use crate::bus::{BusError, Message, Publisher, Purpose};
use crate::command::is_client;
use crate::consumer::ProjectError;
use crate::consumer::control::{Control, Mode};
use crate::notes::{NoteStore, NotesTransaction, StoreNotes};
use crate::store::{EntryError, Store};
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many messages are published at once, before the checkpoint is written.
const MESSAGES: usize = 1024;
/// The same after one that could not leave: the messages behind it are created again.
const FEW_MESSAGES: usize = 8;
/// How long the bus may still take to confirm messages when the program is stopped.
const GRACE: Duration = Duration::from_millis(250);
/// How many topics are remembered that a queue wants.
const HEARD: usize = 10_000;

/// The notes of an outbox. A commit publishes first, and writes the checkpoint when that is confirmed.
pub(crate) struct RelayNotes<S, P> {
    notes: StoreNotes<S>,
    publisher: P,
    control: Arc<Control>,
    unheard: Unheard,
    /// How many messages are published at once, for now.
    at_once: AtomicUsize,
    known: Mutex<Known>,
}

/// The messages to publish, and the notes to write then.
#[derive(Default)]
pub(crate) struct RelayTransaction {
    notes: NotesTransaction,
    pub(super) messages: Vec<Message>,
}

/// Why messages did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Unheard(Lost),
    #[error("message {id} has not left, and what comes after it waits")]
    Stuck { id: String },
    #[error("the outbox was stopped before the bus confirmed what was published")]
    Stopped,
    #[error(
        "an inbox of this program has failed, and the bus has not confirmed what was published; the status of the inbox shows why"
    )]
    Unsettled,
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl<S: Store, P: Publisher> RelayNotes<S, P> {
    pub(super) fn new(store: S, publisher: P, control: Arc<Control>, unheard: Unheard) -> Self {
        RelayNotes {
            notes: StoreNotes::of(store),
            publisher,
            control,
            unheard,
            at_once: AtomicUsize::new(MESSAGES),
            known: Mutex::default(),
        }
    }

    /// Returns the notes alone, without anything to publish.
    pub(super) const fn entries(&self) -> &StoreNotes<S> {
        &self.notes
    }

    /// Returns whether a queue wanted a topic when a message was last published to it.
    pub(super) fn is_heard(&self, topic: &str) -> bool {
        self.known().heard.contains(topic)
    }

    /// Returns whether the transaction has as many messages as are published at once for now.
    pub(super) fn is_full(&self, transaction: &RelayTransaction) -> bool {
        transaction.messages.len() >= self.at_once.load(Ordering::Relaxed)
    }

    /// Gives up a message that has just turned out to be unheard, before others are published with it.
    pub(super) fn check_unheard(
        &self,
        message: &Message,
        is_first: bool,
    ) -> Result<(), ProjectError> {
        let mut known = self.known();
        let known = known.of(std::slice::from_ref(message));
        let is_meant = |lost: &Lost| lost.id == message.id;
        let Some(lost) = known
            .unheard
            .as_ref()
            .filter(|lost| is_meant(lost))
            .cloned()
        else {
            return Ok(());
        };
        if is_first {
            // The next try finds out again whether it is unheard.
            known.unheard = None;
        }
        Err(ProjectError::Handler(RelayError::Unheard(lost).into()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what the bus does not have yet. When a message cannot leave, those before it are still
    /// published, only once, and those after it when it has left.
    async fn publish(&self, messages: &[Message]) -> Result<(), RelayError> {
        let (mut rest, stuck) = self.rest(messages);
        if let Some(at) = stuck {
            rest = &rest[..at];
        }
        let left = self.publish_all(rest).await;
        let mut known = self.known();
        let known = known.of(messages);
        match left {
            Err((at, error)) => {
                if self.is_refusal(&error) {
                    self.at_once.store(FEW_MESSAGES, Ordering::Relaxed);
                }
                if let RelayError::Unheard(lost) = &error
                    && messages.len() > 1
                    && self.goes_aside(lost)
                {
                    known.unheard = Some(lost.clone());
                }
                let before = rest[..at].iter().map(|message| message.id.clone());
                known.confirmed.extend(before);
                Err(error)
            }
            Ok(()) if stuck.is_some() => {
                let confirmed = rest.iter().map(|message| message.id.clone());
                known.confirmed.extend(confirmed);
                let id = known.stuck.clone().unwrap_or_default();
                Err(RelayError::Stuck { id })
            }
            Ok(()) => {
                let at_once = self.at_once.load(Ordering::Relaxed);
                if messages.len() >= at_once {
                    let more = MESSAGES.min(at_once * 2);
                    self.at_once.store(more, Ordering::Relaxed);
                }
                for message in messages {
                    known.confirmed.remove(&message.id);
                    known.stuck.take_if(|id| *id == message.id);
                }
                Ok(())
            }
        }
    }

    /// Returns the messages not known to be at the bus, and the index of the one that must be tried alone.
    fn rest<'a>(&self, messages: &'a [Message]) -> (&'a [Message], Option<usize>) {
        let mut known = self.known();
        let known = known.of(messages);
        let is_confirmed = |message: &&Message| known.confirmed.contains(&message.id);
        let confirmed = messages.iter().take_while(is_confirmed).count();
        if confirmed == 0 {
            // The confirmed messages were since written down, or published by another worker.
            known.confirmed.clear();
        }
        let rest = &messages[confirmed..];
        let is_stuck = |message: &Message| known.stuck.as_ref() == Some(&message.id);
        let stuck = rest.iter().position(is_stuck);
        // When the outbox is drained, it is tried in its order.
        let first = messages.first().map(|message| message.place);
        let is_alone = messages.iter().all(|message| Some(message.place) == first)
            || self.control.mode() == Mode::Drain;
        (rest, stuck.filter(|_| !is_alone))
    }

    /// Publishes messages; on failure, returns how many of the first the bus has for sure.
    ///
    /// A bus takes all the messages that it is given, except those that no queue wants. So no message is passed to it
    /// behind one that may be unheard: the later one would arrive first.
    async fn publish_all(&self, messages: &[Message]) -> Result<(), (usize, RelayError)> {
        let mut rest = messages;
        while !rest.is_empty() {
            let done = messages.len() - rest.len();
            let (now, later) = rest.split_at(self.heard_and_one(rest));
            let published = self.publish_at_once(now).await;
            published.map_err(|(at, error)| (done + at, error))?;
            rest = later;
        }
        Ok(())
    }

    /// Returns how many messages there are up to and including the first that may be unheard.
    fn heard_and_one(&self, messages: &[Message]) -> usize {
        let known = self.known();
        let is_new =
            |message: &Message| self.is_missed(message) && !known.heard.contains(&message.topic());
        let new = messages.iter().position(is_new);
        new.map_or(messages.len(), |at| at + 1)
    }

    async fn publish_at_once(&self, messages: &[Message]) -> Result<(), (usize, RelayError)> {
        let publishing = pin!(self.publisher.publish(messages));
        let published = match select(publishing, pin!(until_stopped(&self.control))).await {
            Either::Left((Ok(published), _)) => published,
            Either::Left((Err(error), _)) => return Err(self.not_taken(messages, error)),
            Either::Right((error, _)) => return Err((0, error)),
        };
        let Some(at) = self.first_missed(messages, &published.unheard) else {
            let mut known = self.known();
            if let Some(last) = messages.last().filter(|last| self.is_missed(last)) {
                if known.heard.len() >= HEARD {
                    known.heard.clear();
                }
                known.heard.insert(last.topic());
            }
            return Ok(());
        };
        Err(self.missed(messages, at))
    }

    /// Returns the index of the first unheard message that must wait for a queue.
    fn first_missed(&self, messages: &[Message], unheard: &[usize]) -> Option<usize> {
        let missed = unheard.iter().copied().filter(|index| {
            let message = messages.get(*index);
            message.is_some_and(|message| self.is_missed(message))
        });
        missed.min()
    }

    /// Remembers that no queue wants the message at this index.
    fn missed(&self, messages: &[Message], at: usize) -> (usize, RelayError) {
        let lost = Lost {
            topic: messages[at].topic(),
            id: messages[at].id.clone(),
            is_event: messages[at].purpose == Purpose::Event,
        };
        let mut known = self.known();
        known.heard.remove(&lost.topic);
        known.of(messages).stuck = Some(lost.id.clone());
        drop(known);
        (at, RelayError::Unheard(lost))
    }

    /// Handles messages that the bus has not all taken: returns how many of the first it has for sure, and the error. The
    /// message at fault is tried alone from here on.
    fn not_taken(&self, messages: &[Message], error: BusError) -> (usize, RelayError) {
        match &error {
            BusError::Refused { id, .. } => {
                self.known().of(messages).stuck = Some(id.clone());
            }
            BusError::Full {
                confirmed, unheard, ..
            } => {
                if let Some(at) = self.first_missed(messages, unheard) {
                    return self.missed(messages, at);
                }
                let confirmed = (*confirmed).min(messages.len());
                if let Some(next) = messages.get(confirmed) {
                    self.known().of(messages).stuck = Some(next.id.clone());
                }
                return (confirmed, error.into());
            }
            _ => {}
        }
        (0, error.into())
    }

    /// Returns whether an unheard message is parked rather than waited for. In a drain, commands must leave and are not
    /// parked; but the sender of a command names the topic of its answer, and must not cause a failure here.
    fn goes_aside(&self, lost: &Lost) -> bool {
        !lost.is_event && (lost.topic.is_reply() || self.control.mode() != Mode::Drain)
    }

    /// Returns whether a message that no queue wants must wait until one does.
    fn is_missed(&self, message: &Message) -> bool {
        match &message.purpose {
            Purpose::Event => self.unheard == Unheard::Wait,
            // Its service cares, and is only not there yet.
            Purpose::Command { .. } => true,
            // A client that is gone does not come back.
            Purpose::Reply { to } => !is_client(to),
        }
    }
}

/// Waits until the program is stopped, or is draining and has lost the receiver of the messages, and a little longer.
async fn until_stopped(control: &Control) -> RelayError {
    let error = loop {
        let wake_count = control.wake_count();
        match control.mode() {
            Mode::Stop => break RelayError::Stopped,
            Mode::Drain if control.has_lost_receiver() => break RelayError::Unsettled,
            _ => control.pause(wake_count, Duration::from_secs(3600)).await,
        }
    };
    Delay::new(GRACE).await;
    error
}

impl<S: Store, P: Publisher> NoteStore for RelayNotes<S, P> {
    type Transaction = RelayTransaction;
    type Error = RelayError;

    async fn begin(&self) -> Result<RelayTransaction, RelayError> {
        Ok(RelayTransaction::default())
    }

    async fn get(
        &self,
        transaction: &mut RelayTransaction,
        key: &str,
    ) -> Result<Option<String>, RelayError> {
        Ok(self.notes.get(&mut transaction.notes, key).await?)
    }

    async fn put(
        &self,
        transaction: &mut RelayTransaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), RelayError> {
        Ok(self.notes.put(&mut transaction.notes, key, value).await?)
    }

    async fn list(
        &self,
        transaction: &mut RelayTransaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, RelayError> {
        Ok(self.notes.list(&mut transaction.notes, prefix).await?)
    }

    async fn list_page(
        &self,
        transaction: &mut RelayTransaction,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, RelayError> {
        Ok(self
            .notes
            .list_page(&mut transaction.notes, prefix, after, limit)
            .await?)
    }

    async fn commit(&self, transaction: RelayTransaction) -> Result<(), RelayError> {
        // A checkpoint alone forgets nothing of what the bus has already.
        if !transaction.messages.is_empty() {
            self.publish(&transaction.messages).await?;
        }
        Ok(self.notes.commit(transaction.notes).await?)
    }

    fn is_conflict(&self, error: &RelayError) -> bool {
        match error {
            RelayError::Entry(error) => self.notes.is_conflict(error),
            // Not a failure: whoever stops the outbox should not see one.
            error => matches!(error, RelayError::Stopped),
        }
    }

    fn is_refusal(&self, error: &RelayError) -> bool {
        let is_drained = self.control.mode() == Mode::Drain;
        match error {
            // The messages before the one at fault are committed without it, and it is tried again alone.
            RelayError::Bus(BusError::Refused { .. }) | RelayError::Stuck { .. } => true,
            // In a drain, an unheard event and a full bus are failures of the bus like any other.
            RelayError::Unheard(lost) => self.goes_aside(lost) || (lost.is_event && !is_drained),
            RelayError::Bus(BusError::Full { .. }) => !is_drained,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
