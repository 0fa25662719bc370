//! The tags and names of the newest records, in memory.
//!
//! Each process has a tail of its own, which can be rebuilt from the log at any time. It is asked *before* a snapshot
//! is taken: everything in it was committed before. What was in it and no longer is, is in the runs of the snapshot.

use super::{Added, Plan, Postings, Span, TagKey};
use crate::databases::Databases;
use crate::error::is_damaged_page;
use crate::log;
use crate::tail::MERGED_AT;
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How many records are taken in at once, and about how many bytes of them.
pub(crate) const STEP: u64 = 2048;
const STEP_BYTES: usize = 1 << 20;
/// The most records that a commit takes in to keep up with the log, and about how many bytes of them: others wait for
/// it.
const MOST_IN_COMMIT: u64 = 4 * STEP;
const MOST_BYTES: usize = 4 * STEP_BYTES;
/// The most records that are read to begin a tail.
pub(crate) const MOST_AT_ONCE: u64 = 2 * MERGED_AT;
/// The most records in a tail that cannot be merged, and the most spans: older records are forgotten, and scanned.
const MOST: u64 = 4 * MERGED_AT;
const MOST_SPANS: usize = 16 * MERGED_AT as usize;

/// The tags and names of the newest records.
pub(crate) struct TagTail {
    state: RwLock<State>,
    /// Whether the runs cannot be read.
    is_distrusted: AtomicBool,
}

struct State {
    /// How far the log was merged when that was last seen.
    merged: Position,
    /// Records up to here are not in it.
    from: Position,
    /// How far the log was read.
    seen: Position,
    /// Where the log ended at the last commit of this process.
    end: Position,
    /// Where the log ended when that was last seen.
    last: Position,
    postings: Postings,
    /// Positions whose records cannot be read, or are missing: they may match anything.
    unknown: Vec<Span>,
    /// Whether the note of removed records cannot be read.
    is_removed_damaged: bool,
}

/// What the tail has of a query.
#[derive(Debug)]
pub(crate) struct View {
    /// Records up to here are not in it.
    pub(crate) from: Position,
    /// How far the log was read.
    pub(crate) seen: Position,
    /// It says nothing of what comes behind this position.
    pub(crate) until: Position,
    /// The positions of each key of the query's plan.
    pub(super) lists: Vec<Vec<Span>>,
    /// Positions that may match anything.
    pub(super) unknown: Vec<Span>,
}

impl TagTail {
    pub(crate) fn new() -> Self {
        let state = State {
            merged: Position::ZERO,
            from: Position::ZERO,
            seen: Position::ZERO,
            end: Position::ZERO,
            last: Position::ZERO,
            postings: Postings::default(),
            unknown: Vec::new(),
            is_removed_damaged: false,
        };
        TagTail {
            state: RwLock::new(state),
            is_distrusted: AtomicBool::new(false),
        }
    }

    /// Notes that the runs cannot be read: what is in them is scanned, until they are made again.
    pub(crate) fn distrust_runs(&self) {
        self.is_distrusted.store(true, Ordering::Relaxed);
    }

    /// Notes that the runs were removed.
    pub(crate) fn trust_runs(&self) {
        self.set_merged(Position::ZERO);
        self.is_distrusted.store(false, Ordering::Relaxed);
    }

    /// Returns whether the runs cannot be read.
    pub(crate) fn distrusts_runs(&self) -> bool {
        self.is_distrusted.load(Ordering::Relaxed)
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of a query within some positions. To be called before the snapshot is taken in which the
    /// records are read, or after the snapshot was [taken in](TagTail::catch_up).
    pub(crate) fn view(&self, plan: &Plan, positions: RangeInclusive<Position>) -> View {
        match plan.is_scan() {
            true => View::NONE,
            false => self.state().view(plan, &positions, Position::MAX),
        }
    }

    /// As [`view`](TagTail::view), for a read that takes several snapshots: what comes before the tail is read first,
    /// without it.
    pub(crate) fn next_view(&self, plan: &Plan, positions: RangeInclusive<Position>) -> View {
        let state = self.state();
        if plan.is_scan() {
            View::NONE
        } else if *positions.start() > state.from {
            state.view(plan, &positions, Position::MAX)
        } else {
            state.view(plan, &(Position::MAX..=Position::ZERO), state.from)
        }
    }

    /// Forgets everything if the tail goes beyond the end of the log, which then is another log than before.
    pub(crate) fn forget_beyond(&self, last: Position) {
        if self.state().seen > last {
            self.change().begin_after(Position::ZERO);
        }
    }

    /// Returns whether a log that ends at `last` has records beyond the tail.
    pub(crate) fn is_behind(&self, last: Position) -> bool {
        self.state().seen < last
    }

    /// Returns whether the tail is known to lack records at the end of the log.
    pub(crate) fn lags(&self) -> bool {
        self.lack() > 0
    }

    /// Returns how many records at the end of the log it is known to lack.
    pub(crate) fn lack(&self) -> u64 {
        let state = self.state();
        state.last.get().saturating_sub(state.seen.get())
    }

    /// Returns whether the records that no run has are enough for one, which can be written once the tail has all of
    /// them.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.state();
        let unmerged = state.last.get().saturating_sub(state.merged.get());
        unmerged >= MERGED_AT && state.has_all_after(state.merged, state.last)
    }

    /// Takes in some of the snapshot's records beyond the tail, if any: a step, and no fewer than `least` if they are
    /// not too large. `last` is where its log ends. Returns how far the tail goes then.
    pub(crate) fn catch_up(
        &self,
        last: Position,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        least: u64,
    ) -> Result<Position, StoreError> {
        let seen = self.seen();
        if seen >= last {
            return Ok(seen);
        }
        self.change().catch_up(last, databases, snapshot, least)
    }

    /// Returns how far the log was read.
    pub(crate) fn seen(&self) -> Position {
        self.state().seen
    }

    /// Returns how many records a commit has to take in at least, so that the tail gets to the end of the log, which
    /// is at `last` now: more than were appended since the last commit, if those are not too many.
    pub(crate) fn pace(&self, last: Position) -> u64 {
        let mut state = self.change();
        state.last = last;
        let least = match std::mem::replace(&mut state.end, last) {
            Position::ZERO => 0,
            before => 2 * last.get().saturating_sub(before.get()),
        };
        least.min(MOST_IN_COMMIT)
    }

    /// Takes in committed records: those up to `last`, behind everything up to `before`, which is in the runs now if
    /// it `is_merged`.
    pub(crate) fn extend(&self, before: Position, last: Position, added: &Added, is_merged: bool) {
        let mut state = self.change();
        state.last = last;
        if state.seen != before {
            // A read has taken it in already, or will.
            return;
        }
        if is_merged {
            state.begin_after(before);
            state.merged = before;
        }
        for (key, span) in added.entries() {
            state.postings.insert(*key, *span);
        }
        state.seen = last;
        state.forget(Position::ZERO);
    }

    /// Returns everything after `merged`, in the order of keys, when the tail has all of that up to `until`.
    pub(crate) fn entries(&self, merged: Position, until: Position) -> Option<Vec<(TagKey, Span)>> {
        let state = self.state();
        let positions = merged.next()..=until;
        let is_complete = state.seen == until && state.has_all_after(merged, until);
        is_complete.then(|| state.postings.sorted(&positions))
    }

    /// Returns how far the log was merged when that was last seen.
    pub(crate) fn merged(&self) -> Position {
        self.state().merged
    }

    /// Notes how far the log was merged.
    pub(crate) fn set_merged(&self, merged: Position) {
        self.change().merged = merged;
    }

    /// Returns the last position that is neither in the runs nor in the tail; `None` when there is none.
    pub(crate) fn gap(&self) -> Option<Position> {
        let state = self.state();
        (state.merged < state.from).then_some(state.from)
    }

    /// Returns the number of records after `merged` that it has, and of its entries.
    pub(crate) fn size(&self, merged: Position) -> (u64, usize) {
        let state = self.state();
        let records = state.seen.get().saturating_sub(merged.get());
        (records, state.postings.spans())
    }
}

impl View {
    /// Knows of nothing.
    const NONE: View = View {
        from: Position::ZERO,
        seen: Position::ZERO,
        until: Position::MAX,
        lists: Vec::new(),
        unknown: Vec::new(),
    };

    /// Returns what some postings have of a query.
    pub(crate) fn of(
        postings: &Postings,
        plan: &Plan,
        positions: &RangeInclusive<Position>,
    ) -> Self {
        let keys = plan.keys().iter();
        let lists = keys.map(|key| postings.within(*key, positions));
        View {
            lists: lists.collect(),
            ..View::NONE
        }
    }
}

impl State {
    fn view(&self, plan: &Plan, positions: &RangeInclusive<Position>, until: Position) -> View {
        let unknown = self.unknown.iter();
        View {
            from: self.from,
            seen: self.seen,
            until,
            unknown: unknown.filter_map(|span| span.within(positions)).collect(),
            ..View::of(&self.postings, plan, positions)
        }
    }

    /// Returns whether it has all records after `merged` up to `until`, as far as they were read.
    fn has_all_after(&self, merged: Position, until: Position) -> bool {
        let positions = merged.next()..=until;
        let mut unknown = self.unknown.iter();
        self.from <= merged && !unknown.any(|span| span.within(&positions).is_some())
    }

    /// Forgets everything, and begins after a position.
    fn begin_after(&mut self, position: Position) {
        self.postings.clear();
        self.unknown.clear();
        self.from = position;
        self.seen = position;
    }

    /// Forgets the oldest records when there are many, of those that are `merged` as many as it pays.
    fn forget(&mut self, merged: Position) {
        let records = self.seen.get() - self.from.get();
        let until = if records > MOST || self.postings.spans() > MOST_SPANS {
            Position(self.from.get() + records / 2)
        } else if records > MOST_AT_ONCE && self.from < merged {
            merged
        } else {
            return;
        };
        let kept = until.next()..=Position::MAX;
        self.postings.retain(&kept);
        self.unknown.retain(|span| span.last > until);
        self.from = until;
    }

    fn catch_up(
        &mut self,
        last: Position,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        least: u64,
    ) -> Result<Position, StoreError> {
        if self.seen >= last {
            return Ok(self.seen);
        }
        self.last = last;
        // If its manifest is damaged, the records are scanned.
        let manifest = databases.about.tag_manifest(snapshot);
        let merged = manifest.map_or(Position::ZERO, |manifest| manifest.merged);
        self.merged = merged;
        if self.seen < merged {
            self.begin_after(merged);
        }
        if last.get().saturating_sub(self.seen.get()) > MOST_AT_ONCE {
            self.begin_after(Position(last.get() - MERGED_AT));
        }
        let after = |records| Position(self.seen.get().saturating_add(records));
        let (least, most) = (after(least), after(STEP.max(least)));
        let (mut until, mut expected, mut bytes) = (last.min(most), self.seen.next(), 0);
        for found in databases.log.walk(snapshot, expected..=until)? {
            let (position, record) = found?;
            self.expect(databases, snapshot, expected, position)?;
            expected = position.next();
            let record = record.as_deref().unwrap_or_default();
            match log::header(position, record) {
                Ok(header) => databases.tag_keys.each_of(&header, |key| {
                    self.postings.insert(key, Span::of(position));
                }),
                Err(_) => self.unknown.push(Span::of(position)),
            }
            // If the next one cannot be read, this one need not be read again.
            self.seen = position;
            if self.postings.spans() > MOST_SPANS {
                self.forget(merged);
            }
            bytes += record.len();
            if bytes >= MOST_BYTES || bytes >= STEP_BYTES && position >= least {
                until = position;
                break;
            }
        }
        // If keys are damaged, a read may end too early.
        self.expect(databases, snapshot, expected, until.next())?;
        self.seen = until;
        self.forget(merged);
        Ok(until)
    }

    /// Notes what is missing between an expected position and the one that was found. If a damaged page hides which
    /// records were removed, a gap may be a loss: that is an error once, as LMDB reads no more in a transaction that
    /// has met a damaged page.
    fn expect(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        expected: Position,
        found: Position,
    ) -> Result<(), StoreError> {
        let nothing_missing = if self.is_removed_damaged {
            databases.adjoins(expected, found)
        } else {
            let answer = databases.nothing_missing(snapshot, expected, found);
            answer.inspect_err(|error| self.is_removed_damaged = is_damaged_page(error))?
        };
        if !nothing_missing {
            self.unknown.push(Span {
                first: expected,
                last: found.previous(),
            });
        }
        Ok(())
    }
}
