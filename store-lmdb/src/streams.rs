//! Streams in a snapshot: where the last event of each is, and the way from there to earlier ones.
//!
//! Each event says where the one before it is. The event of a version that [`SKIP`](crate::record::SKIP) divides also says
//! where the one is that many versions back, and so on for its powers: so any version is a few dozen steps away.

use crate::databases::Databases;
use crate::environment::Environment;
use crate::error::corrupt;
use crate::index::StreamKey;
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
    /// Where its last event is; zero when it has none (any more).
    pub(crate) event: Position,
}

impl Head {
    /// Of a stream that never had an event.
    pub(crate) const NONE: Head = Head {
        state: StreamState::NONE,
        event: Position::ZERO,
    };
}

/// Calls `read` with a snapshot, and the head of the stream in it; `None` when it never had an event.
pub(crate) fn read_with_head<T>(
    environment: &Environment,
    name: &str,
    mut read: impl FnMut(&Stream<'_, '_>, Option<Head>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (key, tail) = (environment.key(name), environment.tail());
    loop {
        // Before the snapshot: see `Tail`.
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
    /// What the transaction has not put into the log yet.
    pub(crate) pending: Option<&'t Pending>,
    /// Where the last record was found: the next one is often near it.
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

    /// The same in a transaction that has records which are not in its log.
    pub(crate) fn with(self, pending: &'t Pending) -> Self {
        Stream {
            pending: Some(pending),
            ..self
        }
    }

    /// What is known of it, by what the tail of the log knows; `None` when it never had an event.
    pub(crate) fn head(&self, key: StreamKey, known: Known) -> Result<Option<Head>, StoreError> {
        if let Some(position) = known.damaged {
            let reason = "its header is damaged, and it may be an event of this stream";
            return Err(corrupt(position, Some(self.name), reason.to_owned()));
        }
        match self.last_record(key, known)? {
            Some(position) => self.head_at(position).map(Some),
            None => self.head_of_format_1(),
        }
    }

    /// Where its last record is; `None` when it has none that is newer than format 1.
    pub(crate) fn last_record(
        &self,
        key: StreamKey,
        known: Known,
    ) -> Result<Option<Position>, StoreError> {
        if known.position.is_some() {
            return Ok(known.position);
        }
        let manifest = self.databases.about.manifest(self.transaction)?;
        self.databases.index.find(self.transaction, &manifest, key)
    }

    /// What is known of it by its last record.
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

    /// What is known of it by what stores of format 1 kept of streams.
    pub(crate) fn head_of_format_1(&self) -> Result<Option<Head>, StoreError> {
        let Some(format_1) = &self.databases.format_1 else {
            return Ok(None);
        };
        let Some(stream) = format_1.stream(self.transaction, self.name)? else {
            return Ok(None);
        };
        let state = stream.state;
        // The last event may have been removed, like all before it.
        let event = format_1.position_in(self.transaction, stream, state.last)?;
        Ok(Some(Head {
            state,
            event: event.unwrap_or(Position::ZERO),
        }))
    }

    /// Where the event of a version is, from the place of a later one (or of itself).
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

    /// A place at least half of the way back to a version, if it can be guessed: where a stream was written without others in
    /// between, as by an import, its positions are as far apart as its versions. They are never nearer to each other, so what is
    /// found in that place is not before the target.
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

    /// Where the events of these versions are, from the place of a later one (or of the last of them).
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

    /// Where the event before one is.
    pub(crate) fn before(&self, header: &Header<'_>) -> Result<Position, StoreError> {
        self.earlier(header, header.version.previous())
    }

    /// Where the event of an earlier version is: the one before, or any when the record is of format 1.
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

    /// The record at a position where this stream has one.
    pub(crate) fn record(&self, position: Position) -> Result<Record<'t>, StoreError> {
        if let Some(record) = self.pending.and_then(|pending| pending.record(position)) {
            return Ok(Record::Borrowed(record));
        }
        let log = self.databases.log;
        let record = log.record_near(self.transaction, position, &self.near)?;
        record.ok_or_else(|| corrupt(position, Some(self.name), "it is missing".to_owned()))
    }

    /// The header of a record of this stream.
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

    /// The header of the event of a version.
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
