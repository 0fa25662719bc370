//! Reads of the log: bounded batches, each in a transaction of its own, so that a long read pins no old pages.

use crate::environment::Environment;
use crate::log::{self, Record};
use crate::reader::{Batch, check_log};
use crate::record::Kind;
use crate::tags::{self, Finding, Plan, STEP, Visited, sections};
use midgard::Position;
use midgard::store::{Direction, ReadLog, StoreError, Visit, give_way};
use std::ops::{ControlFlow, RangeInclusive};

/// Reads the log up to its end at the beginning of the read.
pub(crate) async fn read_log(
    environment: &Environment,
    read: &ReadLog,
    visit: &mut Visit<'_>,
) -> Result<Position, StoreError> {
    check_log(read.log)?;
    if read.limit == 0 {
        return Ok(match read.direction {
            Direction::Forward => read.from.previous(),
            Direction::Backward => read.from.next(),
        });
    }
    let plan = environment.plan(&read.query);
    let mut reading = Reading {
        read,
        visit,
        from: match read.direction {
            Direction::Forward => read.from.max(Position::FIRST),
            Direction::Backward => read.from,
        },
        left: read.limit,
        end: None,
        batch: Batch::new(),
        with_tombstones: read.query.asks_for_tombstones(),
        distrusts_runs: false,
    };
    if !plan.is_scan() {
        take_in(environment, read, &plan).await;
    }
    loop {
        match reading.next(environment, &plan) {
            Ok(Some(reached)) => return Ok(reached),
            Ok(None) => {}
            Err(error) if tags::is_damage(&error) && !reading.distrusts_runs => {
                tracing::warn!(%error, "the log is scanned");
                reading.distrusts_runs = true;
                environment.tag_tail().distrust_runs();
            }
            Err(error) => return Err(error),
        }
        give_way().await;
    }
}

/// Takes in the tags and names of the newest records: a few, or as many as the read may visit, where that pays. A read
/// by names alone visits much of the log, and scans what is not in the index.
async fn take_in(environment: &Environment, read: &ReadLog, plan: &Plan) {
    let mut end = None;
    let mut before = environment.tag_tail().seen();
    while let Some(left) = environment.catch_up_tags() {
        let end = *end.get_or_insert(*left.end());
        let (first, last) = match read.direction {
            Direction::Forward => (read.from.max(*left.start()), end),
            Direction::Backward => (*left.start(), read.from.min(end)),
        };
        // Of large records, a step takes in few. Where it takes in none, there is nothing to wait for.
        let step = left.start().previous().get().saturating_sub(before.get());
        before = left.start().previous();
        let is_short = last.next().get().saturating_sub(first.get()) <= step.min(STEP);
        if is_short || step == 0 || plan.is_by_names() {
            return;
        }
        give_way().await;
    }
}

/// The progress of a read.
struct Reading<'r, 'v, 'f> {
    read: &'r ReadLog,
    visit: &'v mut Visit<'f>,
    /// The next position.
    from: Position,
    left: u64,
    /// The end of the log when the read began.
    end: Option<Position>,
    /// What was read in the current transaction.
    batch: Batch,
    with_tombstones: bool,
    /// Whether the runs of tags and names cannot be read: the log is scanned instead.
    distrusts_runs: bool,
}

impl Reading<'_, '_, '_> {
    /// Reads some more. Returns the position that was reached if that was all.
    fn next(
        &mut self,
        environment: &Environment,
        plan: &Plan,
    ) -> Result<Option<Position>, StoreError> {
        self.batch = Batch::new();
        let direction = self.read.direction;
        let (first, last) = match direction {
            Direction::Forward => (self.from, self.end.unwrap_or(Position::MAX)),
            Direction::Backward => (Position::FIRST, self.from),
        };
        // Before the snapshot is taken: see `TagTail`.
        let tail = environment.tag_tail();
        let view = match direction {
            Direction::Forward => tail.next_view(plan, first..=last),
            Direction::Backward => tail.view(plan, first..=last),
        };
        environment.read(|databases, snapshot| {
            let end = match self.end {
                Some(end) => end,
                None => *self.end.insert(databases.log.last_position(snapshot)?),
            };
            let last = last.min(end);
            // What is only in memory needs no runs.
            let runs = match self.distrusts_runs || tail.distrusts_runs() || first > view.from {
                true => None,
                false => databases.runs(snapshot)?,
            };
            let mut sections = sections(first, last, &runs, &view);
            if direction == Direction::Backward {
                sections.reverse();
            }
            let finding = Finding {
                databases,
                transaction: snapshot,
                pending: None,
                plan,
                runs: &runs,
                view: &view,
                direction,
            };
            for section in sections {
                match finding.visit(section, |position, record| self.one(position, &record))? {
                    Visited::Broke(reached) => return Ok(reached),
                    Visited::Paused(position) => {
                        self.from = position;
                        return Ok(None);
                    }
                    Visited::All => self.from = self.behind(section.first..=section.last),
                }
            }
            let complete = match direction {
                Direction::Forward => end.max(self.read.from.previous()),
                Direction::Backward => Position::ZERO,
            };
            Ok((last <= view.until).then_some(complete))
        })
    }

    /// Visits a record if it matches. Breaks with the position that was reached, or with `None` when the batch is
    /// full.
    fn one(
        &mut self,
        position: Position,
        record: &Record<'_>,
    ) -> Result<ControlFlow<Option<Position>>, StoreError> {
        let header = log::header(position, record)?;
        self.batch.add(record.len());
        let tombstone;
        let event = match header.kind {
            Kind::Event => {
                Some(log::event(&header)?).filter(|event| self.read.query.matches(event))
            }
            Kind::Tombstoned if self.with_tombstones => {
                tombstone = log::tombstone(&header)?;
                Some(tombstone.view())
            }
            Kind::Truncated | Kind::Tombstoned => None,
        };
        if let Some(event) = event {
            self.left -= 1;
            if (self.visit)(event).is_break() || self.left == 0 {
                return Ok(ControlFlow::Break(Some(position)));
            }
        }
        self.from = self.behind(position..=position);
        Ok(match self.batch.is_full() {
            true => ControlFlow::Break(None),
            false => ControlFlow::Continue(()),
        })
    }

    /// Returns the next position behind some, in the direction of the read.
    fn behind(&self, positions: RangeInclusive<Position>) -> Position {
        match self.read.direction {
            Direction::Forward => positions.end().next(),
            Direction::Backward => positions.start().previous(),
        }
    }
}
