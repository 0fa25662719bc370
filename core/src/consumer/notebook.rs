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

/// The notes of any consumer. What one does not have, it has none of.
pub(crate) trait Notebook: Send + Sync {
    /// Up to where all of it was written down as handled; `None` when it has not begun.
    fn checkpoint(&self) -> Answer<'_, Option<Position>> {
        Box::pin(ready(Ok(None)))
    }

    /// What is parked after a position, in the order of the log, and at most so many.
    fn dead_letters(&self, after: Position, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        let _ = (after, limit);
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Leaves requests about what is parked at these positions: to give it up, or to retry its sequence. Says how many of
    /// them there are.
    fn ask<'a>(&'a self, positions: &'a [Position], is_eviction: bool) -> Answer<'a, usize> {
        let _ = (positions, is_eviction);
        Box::pin(ready(Ok(0)))
    }

    /// Leaves a request for a rebuild; says whether it is a projection.
    fn rebuild(&self) -> Answer<'_, bool> {
        Box::pin(ready(Ok(false)))
    }

    /// The processes that go on, by their ids.
    fn processes(&self) -> Answer<'_, Vec<Process>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// The messages that are parked after a number, in the order of time, and at most so many.
    fn parked_messages<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<ParkedMessage>> {
        let _ = (after, limit);
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Leaves requests about parked messages; says how many there are of these numbers.
    fn ask_messages<'a>(&'a self, numbers: &'a [String], is_eviction: bool) -> Answer<'a, usize> {
        let _ = (numbers, is_eviction);
        Box::pin(ready(Ok(0)))
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

    async fn letters(&self, after: Position, limit: usize) -> Result<Vec<DeadLetter>, NoteError> {
        let mut transaction = self.begin_read().await?;
        let Some(seen) = self.seen(&mut transaction).await? else {
            return Ok(Vec::new());
        };
        let prefix = self.keys.letters(seen.generation);
        let after = self.keys.letter(seen.generation, LogId::MAIN, after);
        let notes = self.handler.notes();
        let page = notes.list_page(&mut transaction, &prefix, &after, limit);
        let page = page.await.map_err(backend)?;
        let letters = page.into_iter().map(|(key, note)| {
            let letter: Letter = notes::read(&key, &note)?;
            Ok(DeadLetter::from(letter))
        });
        letters.collect()
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

    async fn leave_requests(
        &self,
        positions: &[Position],
        is_eviction: bool,
    ) -> Result<usize, NoteError> {
        let (mut transaction, notes) = (self.begin().await?, self.handler.notes());
        let Some(seen) = self.seen(&mut transaction).await? else {
            return Ok(0);
        };
        let mut asked = 0;
        for position in positions {
            let key = self.keys.letter(seen.generation, LogId::MAIN, *position);
            let letter: Option<Letter> = notes::get(notes, &mut transaction, &key).await?;
            let Some(Letter { log, position, .. }) = letter else {
                continue;
            };
            let place = (LogId(log), Position(position));
            let key = self.keys.request(seen.generation, place.0, place.1);
            let request = Request {
                log,
                position,
                is_eviction,
            };
            notes::put(notes, &mut transaction, &key, request).await?;
            asked += 1;
        }
        if asked > 0 {
            notes::commit(notes, transaction).await?;
        }
        Ok(asked)
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

    fn dead_letters(&self, after: Position, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        Box::pin(self.letters(after, limit))
    }

    fn ask<'a>(&'a self, positions: &'a [Position], is_eviction: bool) -> Answer<'a, usize> {
        Box::pin(self.leave_requests(positions, is_eviction))
    }

    fn rebuild(&self) -> Answer<'_, bool> {
        Box::pin(self.ask_for_rebuild())
    }
}
