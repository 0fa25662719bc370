//! The log: each record by itself, and the gaps between records.

use super::here::reason;
use super::{Stage, Verifying};
use crate::databases::Databases;
use crate::log::Record;
use crate::reader::Batch;
use crate::record::{Header, Kind};
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;

/// How many ranges of missing positions are checked in one snapshot.
const RANGES: usize = 1024;

impl Verifying {
    /// Checks some records, from a position on.
    pub(super) fn records(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        from: Position,
    ) -> Result<Stage, StoreError> {
        let until = self.findings.verification.until;
        let knows_streams = self.catch_up(databases, snapshot);
        self.links.begin(snapshot);
        if from > until {
            let (findings, tail) = (&mut self.findings, &self.tail);
            let is_done =
                !knows_streams || self.links.forget_rest(databases, snapshot, tail, findings);
            return Ok(match is_done {
                true => Stage::Removed(Position::ZERO),
                false => Stage::Records(from),
            });
        }
        let mut next = from;
        let mut batch = Batch::new();
        let walk = match databases.log.walk(snapshot, from..=until) {
            Ok(walk) => walk,
            Err(error) => return Ok(self.pass_over(from, &error)),
        };
        for found in walk {
            let (position, record) = match found {
                Ok(found) => found,
                Err(error) => return Ok(self.pass_over(next, &error)),
            };
            self.stride = 1;
            next = self.gap(databases, snapshot, next, position)?;
            if next < position {
                return Ok(Stage::Records(next));
            }
            next = position.next();
            batch.add(record.as_ref().map_or(0, |record| record.len()));
            self.findings.verification.records += 1;
            match record {
                Ok(record) => self.record(databases, snapshot, position, &record, knows_streams),
                Err(reason) => self.findings.problem(position, None, reason),
            }
            if batch.is_full() {
                return Ok(Stage::Records(next));
            }
        }
        // If the log ends with a damaged block, its end is unknown.
        if databases.log.certain_last_position(snapshot).is_ok() {
            next = self.gap(databases, snapshot, next, until.next())?;
        } else {
            next = until.next();
        }
        Ok(Stage::Records(next))
    }

    /// Continues behind a place where the log cannot be read. The unreadable part may be long, and is passed over in
    /// longer and longer strides.
    fn pass_over(&mut self, position: Position, error: &StoreError) -> Stage {
        let reason = format!("the log cannot be read here: {}", reason(error));
        self.findings.problem(position, None, reason);
        let next = Position(position.get().saturating_add(self.stride));
        self.stride = self.stride.saturating_mul(2);
        Stage::Records(next.min(self.findings.verification.until.next()))
    }

    /// Checks a gap between an expected position and the one that was found: as many missing ranges as a batch
    /// allows, wherever they are. Returns where to continue.
    fn gap(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        expected: Position,
        found: Position,
    ) -> Result<Position, StoreError> {
        let mut next = expected;
        for _ in 0..RANGES {
            // Some of it may have been removed.
            let Some(missing) = databases.first_missing(snapshot, next, found)? else {
                return Ok(found);
            };
            let (first, last) = missing.into_inner();
            let reason = match first == last {
                true => "it is missing, and was not removed".to_owned(),
                false => {
                    format!("all from here to position {last} are missing, and were not removed")
                }
            };
            self.findings.problem(first, None, reason);
            next = last.next();
        }
        Ok(next)
    }

    fn record(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        position: Position,
        record: &Record<'_>,
        knows_streams: bool,
    ) {
        let header = match Header::parse(position, record) {
            Ok(header) => header,
            Err(reason) => return self.findings.problem(position, None, reason),
        };
        if header.kind == Kind::Event {
            self.findings.verification.events += 1;
        }
        let Ok(name) = str::from_utf8(header.stream) else {
            let reason = "the name of its stream is not UTF-8";
            return self.findings.problem(position, None, reason);
        };
        if let Err(reason) = header.event() {
            self.findings.problem(position, Some(name), reason);
        }
        self.note_tags(databases, &header);
        if knows_streams {
            let (findings, tail) = (&mut self.findings, &self.tail);
            self.links
                .check(databases, snapshot, tail, &header, name, findings);
            self.links.forget(databases, snapshot, tail, findings);
        }
    }
}
