//! Who handles the messages of a queue: the handlers of an inbox, or a process manager, for the answers to its commands.

use super::notes::Line;
use super::{Inbox, InboxError, MessageContext};
use crate::bus::{Message, Topic};
use crate::event::Encoded;
use crate::unit_of_work::NotedUnitOfWork;

/// Handles messages for a worker.
pub(crate) trait Dispatch: Send + Sync + 'static {
    /// Returns the name of the queue.
    fn queue(&self) -> &str;

    fn topics(&self) -> Vec<Topic>;

    /// Returns the line in which a message stays in order.
    fn line<'m>(&self, message: &'m Message) -> Line<'m> {
        Line::new(&message.source, &message.key)
    }

    /// Handles a message within a unit of work; returns the reply to a command.
    fn dispatch(
        &self,
        message: &Message,
        unit: &mut NotedUnitOfWork,
    ) -> impl Future<Output = Result<Option<Encoded>, InboxError>> + Send;
}

/// Passes messages to the handlers of an inbox.
pub(crate) struct InboxDispatch<I>(pub(crate) I);

impl<I: Inbox> Dispatch for InboxDispatch<I> {
    fn queue(&self) -> &str {
        I::NAME
    }

    fn topics(&self) -> Vec<Topic> {
        I::topics()
    }

    async fn dispatch(
        &self,
        message: &Message,
        unit: &mut NotedUnitOfWork,
    ) -> Result<Option<Encoded>, InboxError> {
        let mut context = MessageContext::new(message, unit);
        self.0.handle_message(message, &mut context).await?;
        Ok(context.take_reply())
    }
}
