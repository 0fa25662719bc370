//! The memory of messages that were taken care of, and how old ones are forgotten.
//!
//! Age is measured by clocks, and clocks go wrong: one that was a week ahead for a moment must not erase the memory by
//! which redeliveries are recognised. So time passes here only as fast as the inbox has seen it pass: while the inbox runs,
//! at most twice as fast as real time; over a pause, at most up to the last event of the log, and by a part of the window.
//! After a long pause time lags behind, and messages are remembered for longer than necessary.

use super::dispatch::Dispatch;
use super::handling::InboxWorker;
use super::notes::Seen;
use crate::bus::Message;
use crate::consumer::notes::{self, NoteError, backend};
use crate::store::{EntryError, EntryWrite, ReadEntries, ReadLog, Store as _};
use crate::time::Timestamp;
use crate::unit_of_work::NotedUnitOfWork;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How often old messages are forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// By how much time may pass in between, at most.
const AT_MOST: Duration = Duration::from_secs(120);
/// What part of the window may pass while no inbox runs.
const PART_OF_WINDOW: u32 = 4;
/// How many notes are removed at once.
const AT_ONCE: usize = 1000;

/// Up to when time has passed, as far as the inbox has watched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    /// Microseconds since 1970.
    at: u64,
}

/// When messages were last forgotten.
#[derive(Debug, Default)]
pub(super) struct Memory {
    last: Option<Instant>,
    /// Messages that were taken care of before this time are being forgotten.
    forgetting: Option<Timestamp>,
}

impl<D: Dispatch> InboxWorker<D> {
    /// Returns the note of a message that was taken care of before. The commit fails if another worker takes care of it
    /// meanwhile.
    pub(super) async fn recall(
        &self,
        message: &Message,
        unit: &mut NotedUnitOfWork,
    ) -> Result<Option<Seen>, NoteError> {
        let seen = self.keys.seen(message);
        notes::get(&self.work, unit, &seen).await
    }

    /// Notes that a message was taken care of, for [`recall`](Self::recall).
    pub(super) async fn remember(
        &self,
        unit: &mut NotedUnitOfWork,
        message: &Message,
        is_aside: bool,
    ) -> Result<(), NoteError> {
        let (seen, now) = (self.keys.seen(message), self.control.now());
        let at = now.as_micros();
        notes::put(&self.work, unit, &seen, Seen { at, is_aside }).await?;
        let at = Seen {
            at,
            is_aside: false,
        };
        notes::put(&self.work, unit, &self.keys.seen_at(now, &seen), at).await
    }

    /// Forgets messages that were taken care of before the window, a few at a time.
    pub(super) async fn forget(&self, memory: &mut Memory) -> Result<(), NoteError> {
        let before = match memory.forgetting {
            Some(before) => before,
            None if memory.last.is_some_and(|at| at.elapsed() < FORGET) => return Ok(()),
            None => {
                let is_first = memory.last.is_none();
                memory.last = Some(Instant::now());
                self.before_window(is_first).await?
            }
        };
        memory.forgetting = None;
        if self.forget_before(before).await? {
            memory.forgetting = Some(before);
        }
        Ok(())
    }

    /// Lets time pass, and returns the beginning of the window.
    async fn before_window(&self, is_first: bool) -> Result<Timestamp, NoteError> {
        let now = self.control.now().as_micros();
        let mut unit = self.work.unit();
        let key = self.keys.watched();
        let watched: Option<Watched> = notes::get(&self.work, &mut unit, &key).await?;
        let at = match watched {
            None => now,
            Some(Watched { at }) if is_first => {
                let most = (self.options.window / PART_OF_WINDOW).max(AT_MOST);
                let pause = self.last_event().await?.min(now);
                at.max(pause.min(at.saturating_add(micros(most))))
            }
            Some(Watched { at }) => at.max(now.min(at.saturating_add(micros(AT_MOST)))),
        };
        if watched != Some(Watched { at }) {
            notes::put(&self.work, &mut unit, &key, Watched { at }).await?;
            // Another worker of this inbox keeps the time as well.
            match notes::commit(&self.work, unit).await {
                Ok(()) | Err(NoteError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let passed = at.min(now).saturating_sub(micros(self.options.window));
        Ok(Timestamp::from_micros(passed))
    }

    /// Returns when the last event of the log was recorded.
    async fn last_event(&self) -> Result<u64, NoteError> {
        let mut last = 0;
        let read = ReadLog::backward().limit(1);
        let store = self.work.store();
        let each = &mut |event: crate::event::record::RecordedEventRef<'_>| {
            last = event.time.as_micros();
            ControlFlow::Break(())
        };
        store.read_log(&read, each).await.map_err(backend)?;
        Ok(last)
    }

    /// Returns whether there may be more.
    async fn forget_before(&self, before: Timestamp) -> Result<bool, NoteError> {
        let end = self.keys.seen_at(before, "");
        let mut old = Vec::new();
        let prefix = self.keys.seen_at_all();
        let read = ReadEntries::prefix(prefix.as_bytes()).limit(AT_ONCE);
        let each = &mut |key: &[u8], note: &[u8]| {
            if key >= end.as_bytes() {
                return ControlFlow::Break(());
            }
            let key = str::from_utf8(key).map(ToOwned::to_owned);
            old.extend(key.map(|key| (key, note.to_vec())));
            ControlFlow::Continue(())
        };
        let visited = self.work.store().read_entries(&read, each).await;
        visited.map_err(backend)?;
        let mut write = EntryWrite::new();
        for (key, note) in &old {
            // If another worker has forgotten it already, the message may have been delivered again since.
            write = write.expect(key.as_bytes(), Some(note));
            write.set(key.clone().into_bytes(), None);
            let seen = self.keys.seen_of(key);
            seen.into_iter()
                .for_each(|seen| write.set(seen.into_bytes(), None));
        }
        if !old.is_empty() {
            match self.work.store().write_entries(write).await {
                Err(EntryError::Changed { .. }) => return Ok(false),
                written => written.map_err(backend)?,
            }
        }
        Ok(old.len() == AT_ONCE)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
