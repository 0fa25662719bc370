//! The notes of a consumer, read and written from outside, even when the consumer runs elsewhere.

use super::about::{AboutProjection, Seen};
use super::dead_letter::DeadLetter;
use super::handler::{Handler, TransactionOf};
use super::noted::Noted;
use super::notes::{self, Keys, Letter, NoteError, Request, backend};
use crate::notes::NoteStore as _;
use crate::place::{LogId, Place, Position};

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

    fn noted(&self) -> Noted<'_, H::Notes> {
        Noted {
            notes: self.handler.notes(),
            keys: &self.keys,
            seen: self.seen,
        }
    }

    /// Lists what is parked after a place, log by log and in the order of each, and at most `limit`.
    pub(crate) async fn dead_letters(
        &self,
        after: Place,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, NoteError> {
        self.noted().dead_letters(after, limit).await
    }

    /// Reads the position up to which all of a log was noted as handled; `None` when it has not begun.
    pub(crate) async fn checkpoint(&self, log: LogId) -> Result<Option<Position>, NoteError> {
        self.noted().checkpoint(log).await
    }

    /// Leaves requests about the events parked at these places: to give them up, or to retry their sequences. Returns at how
    /// many places something is parked.
    pub(crate) async fn ask(
        &self,
        places: &[Place],
        is_eviction: bool,
    ) -> Result<usize, NoteError> {
        let (mut transaction, notes) = (self.begin().await?, self.handler.notes());
        let Some(seen) = self.noted().seen(&mut transaction).await? else {
            return Ok(0);
        };
        let mut asked = 0;
        for place in places {
            let key = self.keys.letter(seen.generation, *place);
            let letter: Option<Letter> = notes::get(notes, &mut transaction, &key).await?;
            let Some(Letter { log, position, .. }) = letter else {
                continue;
            };
            let key = self.keys.request(seen.generation, *place);
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
        // Views that were never built are built from the first event on anyway.
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
