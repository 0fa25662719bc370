//! The tags and names of the records in a group, and the search for the first event that matches a condition.

use crate::databases::Databases;
use crate::error::is_damaged_page;
use crate::log::Pending;
use crate::tags::{
    self, Added, Finding, Plan, Postings, STEP, Section, Source, TagTail, View, Visited, sections,
};
use heed::RoTxn;
use midgard::Position;
use midgard::store::{Direction, StoreError};
use std::cell::Cell;
use std::ops::ControlFlow;

/// The tags and names of the records that a group has added.
#[derive(Debug, Default)]
pub(super) struct GroupTags {
    /// In the order of positions.
    pub(super) added: Added,
    /// By key, as far as a condition has asked for them.
    postings: Postings,
    /// How far they are there by key.
    seen: Position,
    /// The last position before the group.
    before: Position,
    /// How many records that the tail lacked its conditions have scanned, and how many bytes of them.
    scanned: u64,
    scanned_bytes: usize,
}

/// About how many bytes the conditions of a group scan before the tail takes in what it lacks.
const MOST_SCANNED_BYTES: usize = 4 << 20;

impl GroupTags {
    /// Forgets all, and begins after this position.
    pub(super) fn begin(&mut self, before: Position) {
        self.added.clear();
        self.postings.clear();
        self.seen = before;
        self.before = before;
        (self.scanned, self.scanned_bytes) = (0, 0);
    }

    /// Returns the last position before the group.
    pub(super) const fn before(&self) -> Position {
        self.before
    }

    /// Counts the records after a position, and before the group, that the tail lacks at its end. Returns whether the
    /// conditions of the group would scan so much that the tail is to take them in: others need not scan them again.
    pub(super) fn would_scan_much(&mut self, tail: &TagTail, after: Position) -> bool {
        let lacking_after = tail.seen().max(after);
        let lacking = self.before.get().saturating_sub(lacking_after.get());
        self.scanned = self.scanned.saturating_add(lacking);
        lacking > 0 && (self.scanned > STEP || self.scanned_bytes > MOST_SCANNED_BYTES)
    }

    /// Returns the first position after one whose record matches, of those that the plan leads to.
    pub(super) fn first_match(
        &mut self,
        (databases, tail): (&Databases, &TagTail),
        (transaction, pending): (&RoTxn<'_>, &Pending),
        (plan, after): (&Plan, Position),
        is_match: impl Fn(Position, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<Option<Position>, StoreError> {
        let (places, query) = ((databases, tail), (plan, after));
        let (lacking, bytes) = (tail.seen().next()..=self.before, Cell::new(0_usize));
        let is_match = |position, record: &[u8]| {
            if lacking.contains(&position) {
                bytes.set(bytes.get().saturating_add(record.len()));
            }
            is_match(position, record)
        };
        let found = self.find(places, (transaction, pending), query, &is_match);
        self.scanned_bytes = self.scanned_bytes.saturating_add(bytes.get());
        match found {
            // Where LMDB itself has met a damaged page, the whole group is written again.
            Err(error) if tags::is_damage(&error) && !is_damaged_page(&error) => {
                tracing::warn!(%error, "the log is scanned");
                tail.distrust_runs();
                self.find(places, (transaction, pending), query, &is_match)
            }
            found => found,
        }
    }

    fn find(
        &mut self,
        (databases, tail): (&Databases, &TagTail),
        (transaction, pending): (&RoTxn<'_>, &Pending),
        (plan, after): (&Plan, Position),
        is_match: &impl Fn(Position, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<Option<Position>, StoreError> {
        let first = after.next();
        let known_until = match plan.is_scan() {
            true => pending.last(),
            false => self.before,
        };
        let committed = tail.view(plan, first..=known_until);
        // What is only in memory needs no runs.
        let runs = match tail.distrusts_runs() || first > committed.from {
            true => None,
            false => databases.runs(transaction)?,
        };
        let sections = sections(first, known_until, &runs, &committed);
        let sections = sections.into_iter().map(|section| (section, &committed));

        let in_group = first.max(known_until.next())..=pending.last();
        let group = match in_group.is_empty() {
            true => None,
            false => {
                self.catch_up(pending.last());
                Some(View::of(&self.postings, plan, &in_group))
            }
        };
        let section = Section {
            source: Source::Tail,
            first: *in_group.start(),
            last: *in_group.end(),
        };
        let group = group.as_ref().map(|view| (section, view));

        for (mut section, view) in sections.chain(group) {
            let finding = Finding {
                databases,
                transaction,
                pending: Some(pending),
                plan,
                runs: &runs,
                view,
                direction: Direction::Forward,
            };
            loop {
                let visited = finding.visit(section, |position, record| {
                    Ok(match is_match(position, &record)? {
                        true => ControlFlow::Break(position),
                        false => ControlFlow::Continue(()),
                    })
                })?;
                match visited {
                    Visited::Broke(position) => return Ok(Some(position)),
                    Visited::Paused(position) => section.first = position,
                    Visited::All => break,
                }
            }
        }
        Ok(None)
    }

    /// Takes in the keys of the records up to the last one.
    fn catch_up(&mut self, last: Position) {
        for (key, span) in self.added.after(self.seen) {
            self.postings.insert(key, span);
        }
        self.seen = last;
    }
}
