//! The relay: a consumer of the log whose commits publish.

use super::aside::Lost;
use super::carrier::{Fleet, Outboxes, Passed, is_command};
use super::{Outbox, RouteError, Unheard};
use crate::bus::{BusError, Message, Publisher, Purpose, Topic};
use crate::command::{CommandAnswered, CommandSent, is_client};
use crate::consumer::StartFrom;
use crate::consumer::control::{Control, Mode};
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::failure::Then;
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::consumer::notes::{Checkpoint, Lease, NoteError};
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::Event;
use crate::event::record::RecordedEventRef;
use crate::notes::{NoteStore, NotesTransaction, StoreNotes};
use crate::store::query::Query;
use crate::store::{EntryError, Store};
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::borrow::Cow;
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
/// When an event that nobody has a queue for is tried again.
const UNHEARD: FailurePolicy = FailurePolicy::retry(u32::MAX).at_most_every(Duration::from_secs(5));
/// When a message is tried again that the bus has no room for now.
const FULL: FailurePolicy = FailurePolicy::retry(u32::MAX).at_most_every(Duration::from_secs(1));
/// How many topics are remembered that somebody has a queue for.
const HEARD: usize = 10_000;

/// An outbox, as the runner runs it.
pub(crate) struct Relay<S, P> {
    outbox: Outbox,
    query: Query,
    /// Whether the sequence of an event is read from it.
    has_sequence: bool,
    notes: RelayNotes<S, P>,
    kind: String,
    /// The outboxes of this program.
    siblings: Outboxes,
    passed: Passed,
}

impl<S: Store, P: Publisher> Relay<S, P> {
    pub(crate) fn new(
        mut outbox: Outbox,
        store: S,
        publisher: P,
        control: Arc<Control>,
        siblings: Outboxes,
    ) -> Self {
        let has_sequence = outbox.options.has_sequence();
        outbox.options = by_key(outbox.options);
        let mut names: Vec<_> = outbox.routes.keys().copied().collect();
        if outbox.carries_commands {
            names.extend([CommandSent::NAME, CommandAnswered::NAME]);
        }
        // The query is compared nowhere, but is shown: always in the same order.
        names.sort_unstable();
        Relay {
            notes: RelayNotes {
                notes: StoreNotes::of(store),
                publisher,
                control,
                unheard: outbox.unheard,
                at_once: AtomicUsize::new(MESSAGES),
                known: Mutex::default(),
            },
            query: Query::named(names),
            kind: outbox.kind(),
            siblings,
            passed: Passed::default(),
            has_sequence,
            outbox,
        }
    }

    fn fleet(&self) -> Fleet<'_, S> {
        Fleet {
            notes: &self.notes.notes,
            kind: &self.kind,
            name: self.outbox.name(),
        }
    }

    /// Whether somebody had a queue for a topic when a message of it was last published.
    pub(super) fn is_heard(&self, topic: &str) -> bool {
        self.notes.known().heard.contains(topic)
    }

    /// The message of an event, if it is to leave.
    fn message(&self, event: &RecordedEventRef<'_>) -> Result<Option<Message>, RouteError> {
        let source = self.outbox.source.as_str();
        let message = match event.name {
            CommandSent::NAME => {
                let sent: CommandSent = event.decode().map_err(RouteError::Decode)?;
                sent.message(source)
            }
            CommandAnswered::NAME => {
                let answered: CommandAnswered = event.decode().map_err(RouteError::Decode)?;
                let causation_id = answered.command.parse().ok();
                Message {
                    causation_id,
                    ..answered.message(source)
                }
            }
            name => {
                let Some(route) = self.outbox.routes.get(name) else {
                    return Ok(None);
                };
                let Some(public) = route(event)? else {
                    return Ok(None);
                };
                let (name, version) = (public.name, public.schema_version);
                Message {
                    key: public.key.unwrap_or_default(),
                    headers: event.headers.to_owned(),
                    ..Message::event(source, name, version, public.data)
                }
            }
        };
        let stream = || event.stream.to_owned();
        let key = Some(message.key).filter(|key| !key.is_empty());
        Ok(Some(Message {
            id: event.id.to_string(),
            time: Some(event.time),
            key: key.unwrap_or_else(stream),
            subject: message.subject.or_else(|| Some(stream())),
            correlation_id: event.correlation_id,
            causation_id: message.causation_id.or(event.causation_id),
            position: Some(event.position),
            ..message
        }))
    }
}

/// Replies of a service stand in one stream, and have nothing to do with each other unless they are about the same. Commands
/// with a key of their own stay in order with those of other processes, and may be parked apart from what else theirs does.
fn by_key(options: ConsumerOptions) -> ConsumerOptions {
    let others = options.clone();
    options.sequence_by(move |event| {
        if event.name == CommandAnswered::NAME
            && let Ok(CommandAnswered {
                subject, command, ..
            }) = event.decode()
        {
            return Cow::Owned(format!("{}/{}", event.stream, subject.unwrap_or(command)));
        }
        if event.name == CommandSent::NAME
            && let Ok(CommandSent {
                service,
                key: Some(key),
                ..
            }) = event.decode()
        {
            return Cow::Owned(format!("{service}/{key}"));
        }
        others.sequence_of(event)
    })
}

impl<S: Store, P: Publisher> Continuous for Relay<S, P> {
    fn name(&self) -> &str {
        self.outbox.name()
    }

    fn start(&self) -> StartFrom {
        self.outbox.start.unwrap_or_default()
    }

    async fn refuses_to_begin(&self) -> Result<Option<String>, NoteError> {
        match self.outbox.start {
            Some(_) => Ok(None),
            None => self.fleet().refuses_to_begin(&self.siblings).await,
        }
    }
}

impl<S: Store, P: Publisher> Handler for Relay<S, P> {
    type Notes = RelayNotes<S, P>;
    const ATOMIC: bool = true;

    fn notes(&self) -> &RelayNotes<S, P> {
        &self.notes
    }

    fn options(&self) -> &ConsumerOptions {
        &self.outbox.options
    }

    fn query(&self) -> &Query {
        &self.query
    }

    fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        self.passed.wants(event)
    }

    /// Only the events: commands and answers have a checkpoint of their own, whatever outbox carries them.
    fn covers(&self) -> Covered {
        let versions = self.outbox.versions.iter();
        let all = versions.map(|(name, version)| (*name, *version));
        let mut covered = covered(&self.query, all);
        covered.retain(|name, _| !is_command(name));
        covered
    }

    fn tells_sequence(&self) -> bool {
        !self.has_sequence
    }

    async fn resume(
        &self,
        lease: (&str, &Lease),
        checkpoint: Checkpoint,
    ) -> Result<Checkpoint, NoteError> {
        let fleet = self.fleet();
        if self.outbox.carries_commands {
            fleet.take_over(&self.passed, lease, checkpoint).await
        } else {
            fleet.leave(lease, checkpoint).await
        }
    }

    async fn why_standby(&self) -> Option<String> {
        if !self.outbox.carries_commands {
            return None;
        }
        // When the store fails, the next look at the leases says so.
        let carrier = self.fleet().other_carrier().await.ok().flatten()?;
        Some(format!(
            "outbox \"{}\" waits until outbox \"{carrier}\" is stopped, which carries the commands and answers of this store; where both \
             are to run, let one carry only events, with `Outbox::events_only`",
            self.outbox.name()
        ))
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, RelayTransaction>,
    ) -> Result<(), ProjectError> {
        match self.message(event) {
            Ok(message) => {
                if let Some(message) = &message {
                    self.notes.check_unheard(message, call.transaction)?;
                }
                call.transaction.messages.extend(message);
            }
            Err(RouteError::Decode(error)) => return Err(ProjectError::Decode(error)),
            Err(RouteError::Other(error)) => return Err(ProjectError::Handler(error)),
        }
        Ok(())
    }

    fn is_full(&self, transaction: &RelayTransaction) -> bool {
        transaction.messages.len() >= self.notes.at_once.load(Ordering::Relaxed)
    }

    fn wait_after(
        &self,
        error: &HandlerError,
        policy: &FailurePolicy,
        failures: u32,
    ) -> Option<Duration> {
        match error.downcast_ref() {
            Some(RelayError::Bus(BusError::Refused { .. })) => None,
            Some(RelayError::Bus(BusError::Full { .. })) => FULL.wait_after(failures),
            Some(RelayError::Unheard(Lost { is_event: true, .. })) => UNHEARD.wait_after(failures),
            // It goes out of the way at once, and comes back.
            Some(RelayError::Unheard(_)) => None,
            _ => policy.wait_after(failures),
        }
    }

    fn then_after(&self, error: &HandlerError, then: Then) -> Then {
        match error.downcast_ref() {
            // It is to leave, whatever is done with what the bus refuses.
            Some(RelayError::Unheard(_)) => Then::Park,
            _ => then,
        }
    }
}

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
    messages: Vec<Message>,
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
    /// Gives up a message that has just turned out to be unheard, before others are published with it.
    fn check_unheard(
        &self,
        message: &Message,
        transaction: &RelayTransaction,
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
        if transaction.messages.is_empty() {
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
        let is_alone = messages.len() == 1 || self.control.mode() == Mode::Drain;
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
