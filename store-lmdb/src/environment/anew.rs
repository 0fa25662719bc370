//! Reopening an environment: with a larger map, or after a failure. Nobody reads in it meanwhile.

use super::open::Begun;
use super::opening::twice;
use super::{Environment, Open, first_map_size};
use crate::gate::{PATIENCE, SHORT};
use futures_timer::Delay;
use midgard::store::{Full, StoreError};
use std::sync::RwLockWriteGuard;
use std::time::{Duration, Instant};

/// How often to check whether snapshots and backups were released.
const LOOK_AT_HOLDS: Duration = Duration::from_millis(5);
/// What held snapshots and backups keep the writer, or a reader, from doing.
const GROW: &str = "make its map larger";

impl Environment {
    /// Reopens the environment. Waits for current reads to end; returns an error at once if somebody reads for
    /// longer.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        self.open_anew(self.empty()?)
    }

    /// Reopens the environment if nobody reads now. This is only an improvement: nothing depends on it.
    pub(crate) fn reopen_if_idle(&self) -> Result<(), StoreError> {
        match self.gate.empty_now(&self.open) {
            Some(open) => self.open_anew(open),
            None => Ok(()),
        }
    }

    /// Reopens the environment if it has become unusable because a write failed.
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
        open.ok_or_else(|| self.in_the_way("reopen its files after a failure"))
    }

    fn open_anew(&self, mut open: RwLockWriteGuard<'_, Option<Open>>) -> Result<(), StoreError> {
        let map_size = open.take().map(Open::close);
        let map_size = map_size.unwrap_or_else(|| first_map_size(&self.options));
        *open = Some(Open::with_map(&self.files, &self.options, map_size)?);
        tracing::info!(path = %self.path().display(), map_size, "reopened the store");
        Ok(())
    }

    /// Reopens the environment with a larger map than `outgrown`. Does nothing if the map is larger already, as
    /// several may find at once that it is too small. Waits for reads to end, up to a limit, and for held snapshots
    /// no longer than `for_holds`: their holders may be waiting for the work that needs the larger map.
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
            // No more address space: go on with the old map, so that reads still work.
            Err(_) => Open::with_map(&self.files, &self.options, before)?,
        };
        let map_size = grown.map_size;
        *open = Some(grown);
        if map_size <= outgrown {
            return Err(StoreError::Full(Full::Map));
        }
        tracing::info!(path = %self.path().display(), map_size, "reopened the store with a larger map");
        Ok(())
    }

    /// Grows the map for the writer, whose thread waits for held snapshots as well.
    pub(crate) fn grow(&self, outgrown: usize) -> Result<(), StoreError> {
        self.grow_within(outgrown, PATIENCE)
    }

    /// To be awaited before a read. If another process has outgrown the map and a held snapshot keeps it from
    /// growing, waits for that without blocking the thread: the same thread may have to release the snapshot.
    pub(crate) async fn be_large_enough(&self) -> Result<(), StoreError> {
        let mut end = None;
        // If no snapshot is held, the read grows the map by itself.
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
        // An environment that is being opened has the right size.
        let open = self.open.try_read().ok();
        open.is_some_and(|open| open.as_ref().is_some_and(Open::is_outgrown))
    }

    fn in_the_way(&self, action: &'static str) -> StoreError {
        let who = match self.gate.held() {
            0 => "a read is taking very long".to_owned(),
            held => format!("{held} entry snapshots or backups are held"),
        };
        StoreError::Backend {
            action,
            cause: format!(
                "{who}, and the map of {} cannot change until then; wait for them to end, and try again: nothing was done",
                self.path().display()
            )
            .into(),
        }
    }

    /// Reopens with a larger map than was outgrown, or after a failure.
    pub(super) fn make_usable(&self, outgrown: Option<usize>) -> Result<(), StoreError> {
        match outgrown {
            Some(map_size) => self.grow_within(map_size, SHORT),
            None => self.recover(),
        }
    }
}
