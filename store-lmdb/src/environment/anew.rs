//! An environment that is opened anew: with a larger map, or after a failure. Nobody reads in it then.

use super::open::Begun;
use super::opening::twice;
use super::{Environment, Open, first_map_size};
use crate::gate::{PATIENCE, SHORT};
use futures_timer::Delay;
use midgard::store::{Full, StoreError};
use std::sync::RwLockWriteGuard;
use std::time::{Duration, Instant};

/// How often it is looked whether what is held was let go of.
const LOOK_AT_HOLDS: Duration = Duration::from_millis(5);
/// What is held keeps the writer, or a reader, from doing this.
const GROW: &str = "make its map larger";

impl Environment {
    /// Opens the environment anew. Waits for reads of this moment to end; an error at once where somebody reads for longer.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        self.open_anew(self.empty()?)
    }

    /// The same, if it can be done now, as nobody reads: it would only be better.
    pub(crate) fn reopen_if_idle(&self) -> Result<(), StoreError> {
        match self.gate.empty_now(&self.open) {
            Some(open) => self.open_anew(open),
            None => Ok(()),
        }
    }

    /// Opens the environment anew if nobody can use it any more, as a write failed.
    fn recover(&self) -> Result<(), StoreError> {
        let open = self.empty()?;
        let is_unusable = |open: &Open| matches!(open.read_txn(), Ok(Begun::Unusable));
        match open.as_ref().is_none_or(is_unusable) {
            true => self.open_anew(open),
            false => Ok(()),
        }
    }

    fn empty(&self) -> Result<RwLockWriteGuard<'_, Option<Open>>, StoreError> {
        let open = self.gate.empty(&self.open, Duration::ZERO);
        open.ok_or_else(|| self.in_the_way("open its files anew after a failure"))
    }

    fn open_anew(&self, mut open: RwLockWriteGuard<'_, Option<Open>>) -> Result<(), StoreError> {
        let map_size = open.take().map(Open::close);
        let map_size = map_size.unwrap_or_else(|| first_map_size(&self.options));
        *open = Some(Open::with_map(&self.files, &self.options, map_size)?);
        tracing::info!(path = %self.path().display(), map_size, "opened the store anew");
        Ok(())
    }

    /// Opens the environment anew with a larger map than `outgrown`; does nothing when it has one, as
    /// several may find at once that a map is too small. Waits for reads to end, but not for ever, and for what is held no longer
    /// than `for_holds`: they may be waiting for what this is done for.
    fn grow_within(&self, outgrown: usize, for_holds: Duration) -> Result<(), StoreError> {
        let open = self.gate.empty(&self.open, for_holds);
        let mut open = open.ok_or_else(|| self.in_the_way(GROW))?;
        if open.as_ref().is_some_and(|open| open.map_size > outgrown) {
            return Ok(());
        }
        let before = open.take().map(Open::close);
        let before = before.unwrap_or_else(|| first_map_size(&self.options));
        let grown = match Open::with_map(&self.files, &self.options, twice(before)) {
            Ok(grown) => grown,
            // No more address space: go on with the map as it was, so that reads still work.
            Err(_) => Open::with_map(&self.files, &self.options, before)?,
        };
        let map_size = grown.map_size;
        *open = Some(grown);
        if map_size <= outgrown {
            return Err(StoreError::Full(Full::Map));
        }
        tracing::info!(path = %self.path().display(), map_size, "opened the store with a larger map");
        Ok(())
    }

    /// The same, by the writer, whose thread waits for what is held as well.
    pub(crate) fn grow(&self, outgrown: usize) -> Result<(), StoreError> {
        self.grow_within(outgrown, PATIENCE)
    }

    /// To be awaited before a read. Where others have made the file larger than the map is, and what is held keeps that from being made
    /// larger, waits for it, while others have the thread: it may be what lets go.
    pub(crate) async fn be_large_enough(&self) -> Result<(), StoreError> {
        let mut end = None;
        // Where nothing is held, the read makes it larger by itself.
        while self.gate.held() > 0 && self.is_outgrown() {
            self.refuse_child()?;
            if Instant::now() >= *end.get_or_insert_with(|| Instant::now() + PATIENCE) {
                return Err(self.in_the_way(GROW));
            }
            Delay::new(LOOK_AT_HOLDS).await;
        }
        Ok(())
    }

    fn is_outgrown(&self) -> bool {
        // One that is being opened is as large as it has to be.
        let open = self.open.try_read().ok();
        open.is_some_and(|open| open.as_ref().is_some_and(Open::is_outgrown))
    }

    fn in_the_way(&self, action: &'static str) -> StoreError {
        let who = match self.gate.held() {
            0 => "a read takes very long".to_owned(),
            held => format!("{held} entry snapshots or backups are held"),
        };
        StoreError::Backend {
            action,
            cause: format!(
                "{who}, and the map of {} stays where it is so long; let them end, and do it again: nothing was done",
                self.path().display()
            )
            .into(),
        }
    }

    /// With a larger map than was outgrown, or after a failure.
    pub(super) fn make_usable(&self, outgrown: Option<usize>) -> Result<(), StoreError> {
        match outgrown {
            Some(map_size) => self.grow_within(map_size, SHORT),
            None => self.recover(),
        }
    }
}
