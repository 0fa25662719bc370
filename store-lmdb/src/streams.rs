//! Streams in a snapshot: the position of the last event of each, and the way from there to earlier ones.
//!
//! Each event links to the one before it. The event of a version that [`SKIP`](crate::record::SKIP) divides also
//! links to the one that many versions back, and so on for powers of `SKIP`: any version is a few dozen steps away.

use crate::databases::Databases;
use crate::environment::Environment;
use crate::error::corrupt;
use crate::index::{Filters, LastRecord, StreamKey};
use crate::log::{Near, Pending, Record};
use crate::record::{Header, Kind, SKIP};
use crate::tail::Known;
use heed::RoTxn;
use midgard::store::{StoreError, StreamState};
use midgard::{Position, Version};
use std::cell::Cell;
use std::ops::RangeInclusive;

/// What is known of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) state: StreamState,
    /// The position of its last event; zero when it has none (any more).
    pub(crate) event: Position,
}

impl Head {
    /// The head of a stream that never had an event.
    pub(crate) const NONE: Head = Head {
        state: StreamState::NONE,
        event: Position::ZERO,
    };
}

/// Calls `read` with a snapshot and the stream's head in it; `None` when the stream never had an event.
pub(crate) fn read_with_head<T>(
    environment: &Environment,
    name: &str,
    mut read: impl FnMut(&Stream<'_, '_>, Option<Head>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (key, tail) = (environment.key(name), environment.tail());
    loop {
        // Before the snapshot is taken: see `Tail`.
        let mut known = tail.look_up(key);
        let answer = environment.read(|databases, transaction| {
            if databases.log.last_position(transaction)? > known.seen {
                match tail.look_up_in(databases, transaction, key)? {
                    Some(caught_up) => known = caught_up,
                    None => return Ok(None),
                }
            }
            let stream = Stream::new(databases, transaction, name);
            let head = stream.head(key, known)?;
            read(&stream, head).map(Some)
        })?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}

/// A stream in a snapshot.
pub(crate) struct Stream<'s, 't> {
    pub(crate) databases: &'s Databases,
    pub(crate) transaction: &'t RoTxn<'s>,
    pub(crate) name: &'s str,
    /// Records that the transaction has not put into the log yet.
    pub(crate) pending: Option<&'t Pending>,
    /// The place of the last record: the next one is often near it.
    near: Cell<Near<'t>>,
}

impl<'s, 't> Stream<'s, 't> {
    pub(crate) fn new(databases: &'s Databases, transaction: &'t RoTxn<'s>, name: &'s str) -> Self {
        Stream {
            databases,
            transaction,
            name,
            pending: None,
            near: Cell::default(),
        }
    }

    /// Returns the same stream, in a transaction with records that are not in its log yet.
    pub(crate) fn with(self, pending: &'t Pending) -> Self {
        Stream {
            pending: Some(pending),
            ..self
        }
    }

    /// Returns its head, given what the tail of the log knows; `None` when it never had an event.
    pub(crate) fn head(&self, key: StreamKey, known: Known) -> Result<Option<Head>, StoreError> {
        self.head_with(known, || self.in_index(key))
    }

    /// As [`head`](Stream::head), with filters of the index, and without reading the last record where the index has
    /// what is asked for.
    pub(crate) fn head_filtered(
        &self,
        key: StreamKey,
        known: Known,
        filters: &mut Filters,
    ) -> Result<Option<Head>, StoreError> {
        self.head_with(known, || {
            let Databases { about, index, .. } = self.databases;
            index.find_filtered(self.transaction, *about, key, filters)
        })
    }

    fn head_with(
        &self,
        known: Known,
        in_index: impl FnOnce() -> Result<Option<LastRecord>, StoreError>,
    ) -> Result<Option<Head>, StoreError> {
        if let Some(position) = known.damaged {
            let reason = "its header is damaged, and it may be an event of this stream";
            return Err(corrupt(position, Some(self.name), reason.to_owned()));
        }
        match known.last_record(in_index)? {
            Some(LastRecord {
                position,
                version: Some(version),
            }) => Ok(Some(Head {
                state: StreamState {
                    last: Version(u64::from(version.get())),
                    ..StreamState::NONE
                },
                event: position,
            })),
            Some(last) => self.head_at(last.position).map(Some),
            None => self.head_of_format_1(),
        }
    }

    /// Returns the position of its last record; `None` when it has none that is newer than format 1.
    pub(crate) fn last_record(
        &self,
        key: StreamKey,
        known: Known,
    ) -> Result<Option<Position>, StoreError> {
        let last = known.last_record(|| self.in_index(key))?;
        Ok(last.map(|last| last.position))
    }

    fn in_index(&self, key: StreamKey) -> Result<Option<LastRecord>, StoreError> {
        let Databases { about, index, .. } = self.databases;
        let manifest = about.manifest(self.transaction)?;
        let found = index.find(self.transaction, &manifest, key)?;
        Ok(found.map(LastRecord::at))
    }

    /// Returns its head, as its last record gives it.
    pub(crate) fn head_at(&self, position: Position) -> Result<Head, StoreError> {
        let record = self.record(position)?;
        let header = self.header(position, &record)?;
        Ok(Head {
            state: StreamState {
                first: header.first,
                last: header.version,
                tombstoned: header.kind == Kind::Tombstoned,
            },
            event: match header.kind {
                Kind::Event => position,
                Kind::Truncated | Kind::Tombstoned => header.back(),
            },
        })
    }

    /// Returns its head, as stores of format 1 kept it.
    pub(crate) fn head_of_format_1(&self) -> Result<Option<Head>, StoreError> {
        let Some(format_1) = &self.databases.format_1 else {
            return Ok(None);
        };
        let Some(stream) = format_1.stream(self.transaction, self.name)? else {
            return Ok(None);
        };
        let state = stream.state;
        // The last event may have been removed, with all before it.
        let event = format_1.position_in(self.transaction, stream, state.last)?;
        Ok(Some(Head {
            state,
            event: event.unwrap_or(Position::ZERO),
        }))
    }

    /// Returns the position of a version's event, starting at the position of the same or a later event.
    pub(crate) fn find(
        &self,
        mut version: Version,
        mut position: Position,
        target: Version,
    ) -> Result<Position, StoreError> {
        while let Some(nearer) = self.nearer(version, position, target) {
            (version, position) = nearer;
        }
        while version > target {
            let record = self.record(position)?;
            let header = self.event_header(position, &record, version)?;
            (version, position) = match header.skip_to(target) {
                Some(skip) => skip,
                // Records of format 1 have no skips; all of their versions are in an index.
                None if header.is_of_format_1() => (target, self.earlier(&header, target)?),
                None => (version.previous(), self.before(&header)?),
            };
        }
        Ok(position)
    }

    /// Returns a position at least half of the way back to a version, if it can be guessed: in a stretch that only
    /// this stream was written to, as by an import, positions are as far apart as versions. They are never closer
    /// together, so the guessed position is never before the target.
    fn nearer(
        &self,
        version: Version,
        position: Position,
        target: Version,
    ) -> Option<(Version, Position)> {
        let distance = version.get().checked_sub(target.get())?;
        if distance <= SKIP {
            return None;
        }
        let guess = Position(position.get().checked_sub(distance)?);
        let near = Cell::new(self.near.get());
        let log = self.databases.log;
        let record = log.in_place_near(self.transaction, guess, &near).ok()??;
        let header = Header::parse(guess, record).ok()?;
        let is_ours = header.kind == Kind::Event && header.stream == self.name.as_bytes();
        let left = header.version.get().checked_sub(target.get())?;
        if !is_ours || left > distance / 2 {
            return None;
        }
        self.near.set(near.get());
        Some((header.version, guess))
    }

    /// Returns the positions of the events of these versions, starting at the position of the last of them, or of a
    /// later one.
    pub(crate) fn positions(
        &self,
        versions: RangeInclusive<Version>,
        later: Version,
        position: Position,
    ) -> Result<Vec<Position>, StoreError> {
        let (first, mut version) = versions.into_inner();
        let mut position = self.find(later, position, version)?;
        let mut positions = vec![position];
        while version > first {
            let record = self.record(position)?;
            position = self.before(&self.event_header(position, &record, version)?)?;
            positions.push(position);
            version = version.previous();
        }
        positions.reverse();
        Ok(positions)
    }

    /// Returns the position of the previous event.
    pub(crate) fn before(&self, header: &Header<'_>) -> Result<Position, StoreError> {
        self.earlier(header, header.version.previous())
    }

    /// Returns the position of an earlier version's event: the previous one, or any when the record is of format 1.
    fn earlier(&self, header: &Header<'_>, version: Version) -> Result<Position, StoreError> {
        let position = match &self.databases.format_1 {
            Some(format_1) if header.is_of_format_1() => {
                format_1.position(self.transaction, self.name, version)?
            }
            _ => header.back(),
        };
        if position == Position::ZERO || position >= header.position {
            return Err(self.missing(header.position, version));
        }
        Ok(position)
    }

    /// Returns the record at a position where this stream has one.
    pub(crate) fn record(&self, position: Position) -> Result<Record<'t>, StoreError> {
        if let Some(record) = self.pending.and_then(|pending| pending.record(position)) {
            return Ok(Record::Borrowed(record));
        }
        let log = self.databases.log;
        let record = log.record_near(self.transaction, position, &self.near)?;
        record.ok_or_else(|| corrupt(position, Some(self.name), "it is missing".to_owned()))
    }

    /// Returns the header of a record of this stream.
    fn header<'r>(&self, position: Position, record: &'r [u8]) -> Result<Header<'r>, StoreError> {
        let header = Header::parse(position, record)
            .map_err(|reason| corrupt(position, Some(self.name), reason))?;
        if header.stream != self.name.as_bytes() {
            let found = String::from_utf8_lossy(header.stream);
            let reason =
                format!("a record of the stream was expected, found one of stream \"{found}\"");
            return Err(corrupt(position, Some(self.name), reason));
        }
        Ok(header)
    }

    /// Returns the header of the event of a version.
    pub(crate) fn event_header<'r>(
        &self,
        position: Position,
        record: &'r [u8],
        version: Version,
    ) -> Result<Header<'r>, StoreError> {
        let header = self.header(position, record)?;
        if header.kind != Kind::Event || header.version != version {
            let reason = format!(
                "version {version} of the stream was expected, found version {}",
                header.version
            );
            return Err(corrupt(position, Some(self.name), reason));
        }
        Ok(header)
    }

    fn missing(&self, position: Position, version: Version) -> StoreError {
        let reason = format!("it does not say where version {version} of the stream is");
        corrupt(position, Some(self.name), reason)
    }
}
