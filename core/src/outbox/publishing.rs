//! The notes of a relay, whose commits publish: what the bus has, what it has not taken, and what nobody has a queue for.

use super::Unheard;
use super::aside::Lost;
use crate::bus::{BusError, Message, Publisher, Purpose, Topic};
use crate::command::is_client;
use crate::consumer::ProjectError;
use crate::consumer::control::{Control, Mode};
use crate::notes::{NoteStore, NotesTransaction, StoreNotes};
use crate::store::{EntryError, Store};
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many messages are published at once, before the checkpoint is written.
const MESSAGES: usize = 1024;
/// How many after one that could not leave: what was made of those behind it is made again.
const FEW_MESSAGES: usize = 8;
/// For how long the bus may still confirm what is being published when the program is stopped.
const GRACE: Duration = Duration::from_millis(250);
/// How many topics are remembered that somebody has a queue for.
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

/// What is known of messages that could not all leave at once.
#[derive(Default)]
struct Known {
    /// Those that the bus has, and that no checkpoint tells of yet, by their ids: they are not published again.
    confirmed: HashSet<String>,
    /// The first that could not leave. It is tried alone.
    stuck: Option<String>,
    /// The command or reply that has just turned out to be unheard.
    unheard: Option<Lost>,
    /// What somebody had a queue for when it was last published.
    heard: HashSet<Topic>,
}

/// What is to be published, and then written down.
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
        "an inbox of this program has failed, and the bus has not confirmed what was published; what it failed on is in its status"
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

    /// The notes alone, without anything to publish.
    pub(super) const fn entries(&self) -> &StoreNotes<S> {
        &self.notes
    }

    /// Whether somebody had a queue for a topic when a message of it was last published.
    pub(super) fn is_heard(&self, topic: &str) -> bool {
        self.known().heard.contains(topic)
    }

    /// Whether as many messages are in a transaction as are published at once for now.
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
            // It is not known to be unheard the next time that it is tried.
            known.unheard = None;
        }
        Err(ProjectError::Handler(Box::new(RelayError::Unheard(lost))))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what the bus does not have yet. When one message cannot leave, those before it are published once all the
    /// same, and those after it only once it has.
    async fn publish(&self, messages: &[Message]) -> Result<(), RelayError> {
        let (mut rest, stuck) = self.rest(messages);
        if let Some(at) = stuck {
            rest = &rest[..at];
        }
        let left = self.publish_all(rest).await;
        let mut known = self.known();
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

    /// What is not known to be at the bus, and which of it is not to be tried beside others.
    fn rest<'a>(&self, messages: &'a [Message]) -> (&'a [Message], Option<usize>) {
        let mut known = self.known();
        let is_confirmed = |message: &&Message| known.confirmed.contains(&message.id);
        let confirmed = messages.iter().take_while(is_confirmed).count();
        if confirmed == 0 {
            // What was confirmed before was written down since, or by another worker.
            known.confirmed.clear();
        }
        let rest = &messages[confirmed..];
        let is_stuck = |message: &Message| known.stuck.as_ref() == Some(&message.id);
        let stuck = rest.iter().position(is_stuck);
        // When all is to be handled at once, it is tried as it comes.
        let first = messages.first().map(|message| message.position);
        let is_alone = messages
            .iter()
            .all(|message| Some(message.position) == first)
            || self.control.mode() == Mode::Drain;
        (rest, stuck.filter(|_| !is_alone))
    }

    /// Publishes messages; else gives how many of the first the bus has for sure.
    ///
    /// A bus takes all of what it is given, but for what nobody has a queue for. So nothing is given to it behind a message of
    /// which that is not known: it would come first.
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

    /// How many messages there are up to the first of which it is not known whether anybody has a queue for it.
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

    /// The first message, by its index, of those that nobody has a queue for and that are to wait until someone has.
    fn first_missed(&self, messages: &[Message], unheard: &[usize]) -> Option<usize> {
        let missed = unheard.iter().copied().filter(|index| {
            let message = messages.get(*index);
            message.is_some_and(|message| self.is_missed(message))
        });
        missed.min()
    }

    /// Nobody has a queue for the message of this index.
    fn missed(&self, messages: &[Message], at: usize) -> (usize, RelayError) {
        let lost = Lost {
            topic: messages[at].topic(),
            id: messages[at].id.clone(),
            is_event: messages[at].purpose == Purpose::Event,
        };
        let mut known = self.known();
        known.heard.remove(&lost.topic);
        known.stuck = Some(lost.id.clone());
        drop(known);
        (at, RelayError::Unheard(lost))
    }

    /// The bus has not taken all of the messages: how many of the first it has for sure, and why no more. The one that it is about
    /// is tried alone from here on.
    fn not_taken(&self, messages: &[Message], error: BusError) -> (usize, RelayError) {
        match &error {
            BusError::Refused { id, .. } => self.known().stuck = Some(id.clone()),
            BusError::Full {
                confirmed, unheard, ..
            } => {
                if let Some(at) = self.first_missed(messages, unheard) {
                    return self.missed(messages, at);
                }
                let confirmed = (*confirmed).min(messages.len());
                if let Some(next) = messages.get(confirmed) {
                    self.known().stuck = Some(next.id.clone());
                }
                return (confirmed, error.into());
            }
            _ => {}
        }
        (0, error.into())
    }

    /// Whether what is unheard is parked, and not waited for. What is to leave all at once does not leave then; but whoever sends a
    /// command says where its answer goes, and must not make that a trouble of others.
    fn goes_aside(&self, lost: &Lost) -> bool {
        !lost.is_event && (lost.topic.is_reply() || self.control.mode() != Mode::Drain)
    }

    /// Whether a message that nobody has a queue for is to wait until someone has.
    fn is_missed(&self, message: &Message) -> bool {
        match &message.purpose {
            Purpose::Event => self.unheard == Unheard::Wait,
            // Who it is for cares, and is only not there yet.
            Purpose::Command { .. } => true,
            // A client that is gone does not come back.
            Purpose::Reply { to } => !is_client(to),
        }
    }
}

/// Waits until the program is stopped, or wants to end and has lost who would take what is published, and a little longer.
async fn until_stopped(control: &Control) -> RelayError {
    let error = loop {
        let asked = control.asked();
        match control.mode() {
            Mode::Stop => break RelayError::Stopped,
            Mode::Drain if control.has_lost_receiver() => break RelayError::Unsettled,
            _ => control.pause(asked, Duration::from_secs(3600)).await,
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
        self.publish(&transaction.messages).await?;
        Ok(self.notes.commit(transaction.notes).await?)
    }

    fn is_conflict(&self, error: &RelayError) -> bool {
        match error {
            RelayError::Entry(error) => self.notes.is_conflict(error),
            // No failure: whoever stops it is not to be told of one.
            error => matches!(error, RelayError::Stopped),
        }
    }

    fn is_refusal(&self, error: &RelayError) -> bool {
        let is_drained = self.control.mode() == Mode::Drain;
        match error {
            // What comes before the message at fault is written down by itself, and the message alone tried again.
            RelayError::Bus(BusError::Refused { .. }) | RelayError::Stuck { .. } => true,
            // Where they are not to be waited for, an event and a full bus are a trouble like any other.
            RelayError::Unheard(lost) => self.goes_aside(lost) || (lost.is_event && !is_drained),
            RelayError::Bus(BusError::Full { .. }) => !is_drained,
            _ => false,
        }
    }
}
