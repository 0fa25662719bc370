//! The records that tags and names lead to.

use super::runs::InRuns;
use super::{
    InMemory, Plan, Posting, Search, Searched, Section, Source, TagManifest, Tags, View, damaged,
};
use crate::databases::{Databases, NONE_KNOWN};
use crate::log::{Backward, Forward, Near, Pending, Record};
use heed::RoTxn;
use midgard::Position;
use midgard::store::{Direction, StoreError};
use std::cell::Cell;
use std::ops::{ControlFlow, RangeInclusive};

/// Records that are no further apart are read one after the other, with those between them, and not looked up.
const NEAR: u64 = 16;
/// Where this many records in a row are no further apart than every other one, most of the log is asked for: the next
/// so many positions are scanned, which costs less for each than a search.
const DENSE: (u64, u64) = (2, 16);
const SCANNED: u64 = 1024;
/// The search pauses after it was led in vain so many times: to records that were removed, or to stretches without any.
const MOST_IN_VAIN: usize = 1024;

/// Reads the records at some positions, each further in the direction than the one before.
pub(crate) struct Hits<'d, 's, 't> {
    databases: &'d Databases,
    transaction: &'t RoTxn<'s>,
    direction: Direction,
    near: Cell<Near<'t>>,
    last: Position,
    in_order: Option<InOrder<'t>>,
    /// A record that was read ahead.
    ahead: Option<(Position, Record<'t>)>,
    none_removed: RangeInclusive<Position>,
}

enum InOrder<'t> {
    Forward(Forward<'t>),
    Backward(Backward<'t>),
}

impl<'d, 's, 't> Hits<'d, 's, 't> {
    pub(crate) fn new(
        databases: &'d Databases,
        transaction: &'t RoTxn<'s>,
        direction: Direction,
    ) -> Self {
        Hits {
            databases,
            transaction,
            direction,
            near: Cell::default(),
            last: Position::ZERO,
            in_order: None,
            ahead: None,
            none_removed: NONE_KNOWN,
        }
    }

    /// Returns the record at a position; `None` when it was removed.
    pub(crate) fn record(&mut self, position: Position) -> Result<Option<Record<'t>>, StoreError> {
        let is_near = position.get().abs_diff(self.last.get()) <= NEAR;
        self.last = position;
        let (databases, transaction) = (self.databases, self.transaction);
        let record = match is_near {
            true => self.step_to(position)?,
            false => {
                (self.in_order, self.ahead) = (None, None);
                databases
                    .log
                    .record_near(transaction, position, &self.near)?
            }
        };
        match record {
            Some(record) => {
                databases.refuse_removed(transaction, position, &mut self.none_removed)?;
                Ok(Some(record))
            }
            None => {
                databases.expect(transaction, position, position.next())?;
                Ok(None)
            }
        }
    }

    fn step_to(&mut self, position: Position) -> Result<Option<Record<'t>>, StoreError> {
        if self.in_order.is_none() {
            let (log, transaction) = (self.databases.log, self.transaction);
            self.in_order = Some(match self.direction {
                Direction::Forward => {
                    InOrder::Forward(log.forward(transaction, position..=Position::MAX)?)
                }
                Direction::Backward => InOrder::Backward(log.backward(transaction, position)?),
            });
        }
        loop {
            let found = match (self.ahead.take(), &mut self.in_order) {
                (Some(ahead), _) => Some(ahead),
                (None, Some(InOrder::Forward(records))) => records.next_towards(position)?,
                (None, Some(InOrder::Backward(records))) => records.next_towards(position)?,
                (None, None) => None,
            };
            let Some((found, record)) = found else {
                return Ok(None);
            };
            if found == position {
                return Ok(Some(record));
            }
            if (found > position) == (self.direction == Direction::Forward) {
                self.ahead = Some((found, record));
                return Ok(None);
            }
        }
    }
}

/// The result of visiting a section: `one` broke, the search paused before a position, or all was visited.
pub(crate) enum Visited<B> {
    Broke(B),
    Paused(Position),
    All,
}

/// The runs of a transaction, unless there are none.
pub(crate) type Runs = Option<(Tags, TagManifest)>;

/// A search in a transaction.
pub(crate) struct Finding<'d, 's, 't, 'v> {
    pub(crate) databases: &'d Databases,
    pub(crate) transaction: &'t RoTxn<'s>,
    /// Records that the transaction has not put into the log yet.
    pub(crate) pending: Option<&'t Pending>,
    pub(crate) plan: &'v Plan,
    pub(crate) runs: &'v Runs,
    pub(crate) view: &'v View,
    pub(crate) direction: Direction,
}

impl<'t> Finding<'_, '_, 't, '_> {
    /// Calls `one` with the records of a section that may match: all of them, where only the log has them.
    pub(crate) fn visit<B>(
        &self,
        section: Section,
        one: impl FnMut(Position, Record<'t>) -> Result<ControlFlow<B>, StoreError>,
    ) -> Result<Visited<B>, StoreError> {
        match section.source {
            Source::Log => self.scan(section, one),
            Source::Runs => {
                let runs = self
                    .runs
                    .as_ref()
                    .ok_or_else(|| damaged("its database is missing"))?;
                let (keys, transaction) = (self.plan.keys(), self.transaction);
                let search = Search::new(self.plan, self.direction, |place| {
                    let runs = (runs.0, &runs.1);
                    InRuns::new(runs, transaction, keys[place], self.direction)
                });
                self.follow(section, search, one)
            }
            Source::Tail => {
                let View { lists, unknown, .. } = self.view;
                let list = |spans| InMemory::new(spans, self.direction);
                let search = Search::new(self.plan, self.direction, |place| list(&lists[place]));
                self.follow(section, search.with(list(unknown)), one)
            }
        }
    }

    fn scan<B>(
        &self,
        section: Section,
        mut one: impl FnMut(Position, Record<'t>) -> Result<ControlFlow<B>, StoreError>,
    ) -> Result<Visited<B>, StoreError> {
        let (databases, Section { first, last, .. }) = (self.databases, section);
        match self.direction {
            Direction::Forward => {
                let pending = self.pending.into_iter();
                let pending = pending.flat_map(|pending| pending.records_from(first));
                let pending = pending.take_while(|(position, _)| *position <= last);
                let pending =
                    pending.map(|(position, record)| Ok((position, Record::Borrowed(record))));
                let records = databases.forward(self.transaction, first..=last)?;
                for record in records.chain(pending) {
                    let (position, record) = record?;
                    if let ControlFlow::Break(broke) = one(position, record)? {
                        return Ok(Visited::Broke(broke));
                    }
                }
            }
            Direction::Backward => {
                for record in databases.backward(self.transaction, last)? {
                    let (position, record) = record?;
                    if position < first {
                        break;
                    }
                    if let ControlFlow::Break(broke) = one(position, record)? {
                        return Ok(Visited::Broke(broke));
                    }
                }
            }
        }
        Ok(Visited::All)
    }

    /// Calls `one` with the records at the positions of a search, as far as they are in the section.
    fn follow<P: Posting, B>(
        &self,
        section: Section,
        mut search: Search<P>,
        mut one: impl FnMut(Position, Record<'t>) -> Result<ControlFlow<B>, StoreError>,
    ) -> Result<Visited<B>, StoreError> {
        let mut hits = Hits::new(self.databases, self.transaction, self.direction);
        let is_forward = self.direction == Direction::Forward;
        let mut target = match is_forward {
            true => section.first,
            false => section.last,
        };
        let (mut last, mut in_a_row, mut in_vain) = (target, 0, 0);
        loop {
            if in_a_row >= DENSE.1 {
                let stretch = match is_forward {
                    true => {
                        target
                            ..=section
                                .last
                                .min(Position(target.get().saturating_add(SCANNED)))
                    }
                    false => {
                        section
                            .first
                            .max(Position(target.get().saturating_sub(SCANNED)))
                            ..=target
                    }
                };
                let (first, end) = stretch.into_inner();
                let scanned = Section {
                    source: Source::Log,
                    first,
                    last: end,
                };
                let mut is_empty = true;
                let visited = self.scan(scanned, |position, record| {
                    is_empty = false;
                    one(position, record)
                })?;
                in_vain += usize::from(is_empty);
                target = match is_forward {
                    true => end.next(),
                    false => first.previous(),
                };
                if !matches!(visited, Visited::All)
                    || !(section.first..=section.last).contains(&target)
                {
                    return Ok(visited);
                }
                in_a_row = 0;
            }
            let found = search.next(target)?;
            let (Searched::At(position) | Searched::Paused(position)) = found else {
                return Ok(Visited::All);
            };
            if position < section.first || position > section.last {
                return Ok(Visited::All);
            }
            if matches!(found, Searched::Paused(_)) || in_vain >= MOST_IN_VAIN {
                return Ok(Visited::Paused(position));
            }
            let is_dense = position.get().abs_diff(last.get()) <= DENSE.0;
            (last, in_a_row) = (position, if is_dense { in_a_row + 1 } else { 0 });
            let pending = self.pending.and_then(|pending| pending.record(position));
            let record = match pending {
                Some(record) => Some(Record::Borrowed(record)),
                None => hits.record(position)?,
            };
            match record {
                Some(record) => {
                    if let ControlFlow::Break(broke) = one(position, record)? {
                        return Ok(Visited::Broke(broke));
                    }
                }
                None => in_vain += 1,
            }
            target = match is_forward {
                true => position.next(),
                false => position.previous(),
            };
        }
    }
}
