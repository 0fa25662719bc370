//! The relay: a consumer of the log whose commits publish.

use super::Outbox;
use super::aside::Lost;
use super::carrier::{Fleet, Outboxes, Passed, is_command};
use super::leaving::RouteError;
use super::publishing::{RelayError, RelayNotes, RelayTransaction};
use crate::bus::{BusError, Message, Publisher};
use crate::command::{CommandAnswered, CommandSent};
use crate::consumer::control::Control;
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::failure::Then;
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::consumer::notes::{Checkpoint, Lease, NoteError};
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::Event;
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::place::LogId;
use crate::store::Store;
use crate::store::query::Query;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// When to retry an event that no queue wants.
const UNHEARD: FailurePolicy = FailurePolicy::retry(u32::MAX).at_most_every(Duration::from_secs(5));
/// When to retry a message that the bus has no room for now.
const FULL: FailurePolicy = FailurePolicy::retry(u32::MAX).at_most_every(Duration::from_secs(1));

/// An outbox, as the runner runs it.
pub(crate) struct Relay<S, P> {
    outbox: Outbox,
    query: Query,
    /// Whether the options compute the sequence from the event.
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
        let events = with_sources(&outbox.events).into_iter();
        let mut names: Vec<_> = events.map(|event| event.name).collect();
        if outbox.carries_commands {
            names.extend([CommandSent::NAME, CommandAnswered::NAME]);
        }
        // The query is never compared, but it is shown: so keep one order.
        names.sort_unstable();
        Relay {
            notes: RelayNotes::new(store, publisher, control, outbox.unheard),
            query: Query::named(names),
            kind: outbox.kind(),
            siblings,
            passed: Passed::default(),
            has_sequence,
            outbox,
        }
    }

    fn fleet(&self, log: LogId) -> Fleet<'_, S> {
        Fleet {
            log,
            notes: self.notes.entries(),
            kind: &self.kind,
            name: self.outbox.name(),
        }
    }

    /// Returns whether a queue wanted a topic when a message was last published to it.
    pub(super) fn is_heard(&self, topic: &str) -> bool {
        self.notes.is_heard(topic)
    }

    /// Adds the messages of an event: none, if it does not leave; several, where it is read as several events.
    fn messages_of(
        &self,
        event: &RecordedEventRef<'_>,
        messages: &mut Vec<Message>,
    ) -> Result<(), RouteError> {
        let source = self.outbox.source.as_str();
        match event.name {
            CommandSent::NAME => {
                let sent: CommandSent = event.decode().map_err(RouteError::Decode)?;
                messages.push(sent.message(source, event));
                Ok(())
            }
            CommandAnswered::NAME => {
                let answered: CommandAnswered = event.decode().map_err(RouteError::Decode)?;
                messages.push(answered.message(source, event));
                Ok(())
            }
            _ => self.outbox.messages_of(event, messages),
        }
    }
}

/// Replies of a service share one stream, and are independent unless they have the same subject. Commands with a key of
/// their own stay in order with those of other processes, and may be parked apart from the other commands of their process.
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

    fn start(&self) -> Option<StartFrom> {
        self.outbox.start
    }

    async fn refuses_to_begin(&self) -> Result<Option<String>, NoteError> {
        match self.outbox.start {
            Some(_) => Ok(None),
            None => {
                self.fleet(LogId::MAIN)
                    .refuses_to_begin(&self.siblings)
                    .await
            }
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

    /// Returns only the events: commands and answers have a checkpoint of their own, whichever outbox carries them.
    fn covers(&self) -> Covered {
        let events = with_sources(&self.outbox.events).into_iter();
        let all = events.map(|event| (event.name, event.version));
        let mut covered = covered(&self.query, all);
        covered.retain(|name, _| !is_command(name));
        covered
    }

    fn tells_sequence(&self) -> bool {
        !self.has_sequence
    }

    async fn resume(
        &self,
        log: LogId,
        lease: (&str, &Lease),
        checkpoint: Checkpoint,
    ) -> Result<Checkpoint, NoteError> {
        let fleet = self.fleet(log);
        if self.outbox.carries_commands {
            fleet.take_over(&self.passed, lease, checkpoint).await
        } else {
            fleet.leave(lease, checkpoint).await
        }
    }

    async fn why_standby(&self, log: LogId) -> Option<String> {
        if !self.outbox.carries_commands {
            return None;
        }
        // If the store fails, the next check of the leases reports it.
        let carrier = self.fleet(log).other_carrier().await.ok().flatten()?;
        Some(format!(
            "outbox \"{}\" waits until outbox \"{carrier}\" is stopped, as that one carries the commands and answers of this store; \
             to run both, let one carry only events, with `Outbox::events_only`",
            self.outbox.name()
        ))
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, RelayTransaction>,
    ) -> Result<(), ProjectError> {
        let messages = &mut call.transaction.messages;
        let before = messages.len();
        let added = self
            .messages_of(event, messages)
            .map_err(|error| match error {
                RouteError::Decode(error) => ProjectError::Decode(error),
                RouteError::Other(error) => ProjectError::Handler(error),
            });
        let mut new = messages[before..].iter();
        let checked = added.and_then(|()| {
            new.try_for_each(|message| self.notes.check_unheard(message, before == 0))
        });
        if checked.is_err() {
            messages.truncate(before);
        }
        checked
    }

    fn is_full(&self, transaction: &RelayTransaction) -> bool {
        self.notes.is_full(transaction)
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
            // It is parked at once, and comes back.
            Some(RelayError::Unheard(_)) => None,
            _ => policy.wait_after(failures),
        }
    }

    fn then_after(&self, error: &HandlerError, then: Then) -> Then {
        match error.downcast_ref() {
            // It must leave, whatever the policy for refused messages is.
            Some(RelayError::Unheard(_)) => Then::Park,
            _ => then,
        }
    }
}
