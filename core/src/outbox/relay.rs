//! The relay: a consumer of the log whose commits publish.

use super::{Outbox, RouteError, Unheard};
use crate::bus::{BusError, Message, Publisher, Purpose, Topic};
use crate::command::{CommandAnswered, CommandSent};
use crate::consumer::ConsumerOptions;
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::event::Event;
use crate::projection::{Generation, HandlerError, ProjectError, ViewStore};
use crate::query::{Query, QueryItem};
use crate::record::RecordedEventRef;
use crate::store::entry_transaction::{NotesTransaction, StoreNotes};
use crate::store::{EntryError, Store};

/// How many messages are published at once, before the checkpoint is written.
const MESSAGES: usize = 1024;

/// An outbox, as the runner runs it.
pub(crate) struct Relay<S, P> {
    outbox: Outbox,
    query: Query,
    notes: RelayNotes<S, P>,
}

impl<S: Store, P: Publisher> Relay<S, P> {
    pub(crate) fn new(outbox: Outbox, store: S, publisher: P) -> Self {
        let mut names: Vec<_> = outbox.routes.keys().copied().collect();
        names.extend([CommandSent::NAME, CommandAnswered::NAME]);
        // The query is compared nowhere, but is shown: always in the same order.
        names.sort_unstable();
        let item = names.into_iter().fold(QueryItem::new(), QueryItem::name);
        Relay {
            notes: RelayNotes {
                notes: StoreNotes(store),
                publisher,
                unheard: outbox.unheard,
            },
            query: item.into(),
            outbox,
        }
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

impl<S: Store, P: Publisher> Continuous for Relay<S, P> {
    fn name(&self) -> &str {
        self.outbox.name()
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

    fn wants(&self, _: &RecordedEventRef<'_>) -> bool {
        true
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, RelayTransaction>,
    ) -> Result<(), ProjectError> {
        match self.message(event) {
            Ok(message) => call.transaction.messages.extend(message),
            Err(RouteError::Decode(error)) => return Err(ProjectError::Decode(error)),
            Err(RouteError::Other(error)) => return Err(ProjectError::Handler(error)),
        }
        Ok(())
    }

    fn is_full(&self, transaction: &RelayTransaction) -> bool {
        transaction.messages.len() >= MESSAGES
    }

    fn is_final(&self, error: &HandlerError) -> bool {
        let refused = error.downcast_ref();
        matches!(refused, Some(RelayError::Bus(BusError::Refused { .. })))
    }
}

/// The notes of an outbox. A commit publishes first, and writes the checkpoint when that is confirmed.
pub(crate) struct RelayNotes<S, P> {
    notes: StoreNotes<S>,
    publisher: P,
    unheard: Unheard,
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
    #[error(
        "nobody has a queue for {topic}, so that message {id} would be lost; start a service that asks for it, or let the outbox discard what is unheard"
    )]
    Unheard { topic: Topic, id: String },
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl<S: Store, P: Publisher> RelayNotes<S, P> {
    async fn publish(&self, messages: &[Message]) -> Result<(), RelayError> {
        if messages.is_empty() {
            return Ok(());
        }
        let published = self.publisher.publish(messages).await?;
        let mut unheard = published
            .unheard
            .iter()
            .filter_map(|index| messages.get(*index));
        let lost = unheard.find(|message| {
            // Who a command or a reply is for cares, and is only not there yet.
            self.unheard == Unheard::Wait || message.purpose != Purpose::Event
        });
        lost.map_or(Ok(()), |message| {
            Err(RelayError::Unheard {
                topic: message.topic(),
                id: message.id.clone(),
            })
        })
    }
}

impl<S: Store, P: Publisher> ViewStore for RelayNotes<S, P> {
    type Transaction = RelayTransaction;
    type Error = RelayError;

    async fn begin(&self, _: &Generation) -> Result<RelayTransaction, RelayError> {
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

    async fn commit(&self, transaction: RelayTransaction) -> Result<(), RelayError> {
        self.publish(&transaction.messages).await?;
        Ok(self.notes.commit(transaction.notes).await?)
    }

    fn is_conflict(&self, error: &RelayError) -> bool {
        matches!(error, RelayError::Entry(error) if self.notes.is_conflict(error))
    }

    fn is_refusal(&self, error: &RelayError) -> bool {
        // What comes before the message at fault is published by itself, and the message alone again.
        matches!(
            error,
            RelayError::Unheard { .. } | RelayError::Bus(BusError::Refused { .. })
        )
    }
}
