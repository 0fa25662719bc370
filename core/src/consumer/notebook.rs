//! What can be read and asked of a consumer from outside, through its notes: also where it runs elsewhere.

use super::about::{AboutProjection, Seen};
use super::dead_letter::DeadLetter;
use super::handler::{Handler, TransactionOf};
use super::notes::{self, Checkpoint, Keys, Letter, NoteError, Request, backend};
use crate::inbox::ParkedMessage;
use crate::place::{LogId, Position};
use crate::process::Process;
use crate::projection::{Generation, ViewStore as _};
use std::future::ready;
use std::pin::Pin;

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, NoteError>> + Send + 'a>>;

/// Which parked events something is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// Retry a sequence, from its first parked event on.
    Retry { sequence: &'a str },
    /// Give up one event.
    Evict { position: Position },
}

/// The notes of any consumer. What one does not have, it has none of.
pub(crate) trait Notebook: Send + Sync {
    /// Up to where all of it was written down as handled; `None` when it has not begun.
    fn checkpoint(&self) -> Answer<'_, Option<Position>> {
        Box::pin(ready(Ok(None)))
    }

    /// What is parked, in the order of the log.
    fn dead_letters(&self) -> Answer<'_, Vec<DeadLetter>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Leaves a request about dead letters; says whether there is one of that kind.
    fn ask<'a>(&'a self, ask: Ask<'a>) -> Answer<'a, bool> {
        let _ = ask;
        Box::pin(ready(Ok(false)))
    }

    /// Leaves a request for a rebuild; says whether it is a projection.
    fn rebuild(&self) -> Answer<'_, bool> {
        Box::pin(ready(Ok(false)))
    }

    /// The processes that go on, by their ids.
    fn processes(&self) -> Answer<'_, Vec<Process>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// The messages that are parked, in the order of time.
    fn parked_messages(&self) -> Answer<'_, Vec<ParkedMessage>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Leaves a request about a parked message; says whether there is one of that number.
    fn ask_message<'a>(&'a self, number: &'a str, is_eviction: bool) -> Answer<'a, bool> {
        let _ = (number, is_eviction);
        Box::pin(ready(Ok(false)))
    }
}

/// The notes of a consumer, by its handler.
pub(crate) struct NotebookOf<H> {
    pub(crate) handler: H,
    pub(crate) keys: Keys,
    /// Reads the note about the consumer.
    pub(crate) seen: fn(&str, &str) -> Result<Option<Seen>, NoteError>,
    pub(crate) is_projection: bool,
}

impl<H: Handler> NotebookOf<H> {
    async fn begin(&self) -> Result<TransactionOf<H>, NoteError> {
        let none = Generation::new("", 0, Vec::new());
        self.handler.notes().begin(&none).await.map_err(backend)
    }

    async fn begin_read(&self) -> Result<TransactionOf<H>, NoteError> {
        self.handler.notes().begin_read().await.map_err(backend)
    }

    async fn seen(&self, transaction: &mut TransactionOf<H>) -> Result<Option<Seen>, NoteError> {
        let key = self.keys.about();
        let about = self.handler.notes().get(transaction, &key).await;
        match about.map_err(backend)? {
            Some(about) => (self.seen)(&key, &about),
            None => Ok(None),
        }
    }

    async fn letters(
        &self,
        transaction: &mut TransactionOf<H>,
        seen: Seen,
    ) -> Result<Vec<Letter>, NoteError> {
        let prefix = self.keys.letters(seen.generation);
        let letters = notes::list(self.handler.notes(), transaction, &prefix).await?;
        Ok(letters.into_iter().map(|(_, letter)| letter).collect())
    }

    async fn lowest_checkpoint(&self) -> Result<Option<Position>, NoteError> {
        let mut transaction = self.begin_read().await?;
        let Some(seen) = self.seen(&mut transaction).await? else {
            return Ok(None);
        };
        let mut lowest = Position::MAX;
        for partition in 0..seen.partitions {
            let key = self
                .keys
                .checkpoint(seen.generation, LogId::MAIN, partition);
            let checkpoint = notes::get(self.handler.notes(), &mut transaction, &key).await?;
            let position = checkpoint.map_or(Position(seen.start), |at: Checkpoint| at.handled());
            lowest = lowest.min(position);
        }
        Ok(Some(lowest))
    }

    async fn leave_request(&self, ask: Ask<'_>) -> Result<bool, NoteError> {
        let mut transaction = self.begin().await?;
        let Some(seen) = self.seen(&mut transaction).await? else {
            return Ok(false);
        };
        let mut letters = self.letters(&mut transaction, seen).await?.into_iter();
        let (letter, is_eviction) = match ask {
            Ask::Retry { sequence } => (letters.find(|one| one.sequence == sequence), false),
            Ask::Evict { position } => (letters.find(|one| one.position == position.0), true),
        };
        let Some(Letter { log, position, .. }) = letter else {
            return Ok(false);
        };
        let place = (LogId(log), Position(position));
        let key = self.keys.request(seen.generation, place.0, place.1);
        let request = Request {
            log,
            position,
            is_eviction,
        };
        notes::put(self.handler.notes(), &mut transaction, &key, request).await?;
        notes::commit(self.handler.notes(), transaction).await?;
        Ok(true)
    }

    async fn ask_for_rebuild(&self) -> Result<bool, NoteError> {
        if !self.is_projection {
            return Ok(false);
        }
        let (key, notes) = (self.keys.about(), self.handler.notes());
        let mut transaction = self.begin().await?;
        let about = notes::get(notes, &mut transaction, &key).await?;
        // What was never built is built from the first event on as it is.
        let Some(about): Option<AboutProjection> = about else {
            return Ok(true);
        };
        let about = AboutProjection {
            rebuilds: about.rebuilds + 1,
            ..about
        };
        notes::put(notes, &mut transaction, &key, about).await?;
        notes::commit(notes, transaction).await?;
        Ok(true)
    }
}

impl<H: Handler> Notebook for NotebookOf<H> {
    fn checkpoint(&self) -> Answer<'_, Option<Position>> {
        Box::pin(self.lowest_checkpoint())
    }

    fn dead_letters(&self) -> Answer<'_, Vec<DeadLetter>> {
        Box::pin(async {
            let mut transaction = self.begin_read().await?;
            let Some(seen) = self.seen(&mut transaction).await? else {
                return Ok(Vec::new());
            };
            let letters = self.letters(&mut transaction, seen).await?;
            Ok(letters.into_iter().map(DeadLetter::from).collect())
        })
    }

    fn ask<'a>(&'a self, ask: Ask<'a>) -> Answer<'a, bool> {
        Box::pin(self.leave_request(ask))
    }

    fn rebuild(&self) -> Answer<'_, bool> {
        Box::pin(self.ask_for_rebuild())
    }
}
