//! The notes of a consumer, as they are read and written from outside: also where the consumer runs elsewhere.

use super::about::{AboutProjection, Seen};
use super::dead_letter::DeadLetter;
use super::handler::{Handler, TransactionOf};
use super::notes::{self, Checkpoint, Keys, Letter, NoteError, Request, backend};
use crate::notes::NoteStore as _;
use crate::place::{LogId, Position};

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
        self.handler.notes().begin().await.map_err(backend)
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

    /// Lists what is parked after a position, in the order of the log, and at most `limit`.
    pub(crate) async fn dead_letters(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, NoteError> {
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

    /// Reads up to where all of it was written down as handled; `None` when it has not begun.
    pub(crate) async fn checkpoint(&self) -> Result<Option<Position>, NoteError> {
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

    /// Leaves requests about what is parked at these positions: to give it up, or to retry its sequence. Returns how many of
    /// them there are.
    pub(crate) async fn ask(
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

    /// Leaves a request for a rebuild; returns whether it is a projection.
    pub(crate) async fn rebuild(&self) -> Result<bool, NoteError> {
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
