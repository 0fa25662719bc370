//! One transaction: appends, ends of streams and changes of entries, each decided on what those before
//! it left.

use super::{Failure, Work};
use crate::databases::{Databases, Stream};
use crate::entries;
use crate::error::backend;
use crate::recent::RecentEvents;
use crate::record::{self, Kind, Place};
use heed::{Error, MdbError, PutFlags, RwTxn};
use midgard::store::EntryWrite;
use midgard::store::rules::{self, Decision, View};
use midgard::{
    Append, AppendError, Appended, EventId, ExpectedVersion, LogId, Position, Query, StoreError,
    StreamName, StreamState, Timestamp, Version,
};

/// A transaction that is being filled.
pub(super) struct Batch<'e> {
    transaction: RwTxn<'e>,
    tables: Tables<'e>,
    /// The last position that was given away.
    last: Position,
    /// The bytes of records and entries in the batch.
    bytes: usize,
    /// When the batch is recorded: never before what is there already.
    time: Timestamp,
    /// Where records are put together.
    scratch: Vec<u8>,
}

struct Tables<'e> {
    databases: &'e Databases,
    recent: &'e mut RecentEvents,
}

/// Why work was not done.
pub(super) enum Refused {
    /// It alone: nothing of it was written.
    Append(AppendError),
    /// The transaction failed, with all that is in it.
    Batch(Failure),
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Self {
        match error {
            // What LMDB cannot read now it cannot read for the others either. A stream whose state is
            // damaged is no concern of theirs.
            AppendError::Store(StoreError::Backend { action, source }) if source.is::<Error>() => {
                Refused::Batch(StoreError::Backend { action, source }.into())
            }
            AppendError::Store(error @ StoreError::Full(_)) => Refused::Batch(error.into()),
            error => Refused::Append(error),
        }
    }
}

/// Where something may have been written already.
impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Refused::Batch(error.into())
    }
}

fn failed(action: &'static str) -> impl Fn(Error) -> Refused {
    move |error| Refused::Batch(Failure::of(action, error))
}

impl<'e> Batch<'e> {
    pub(super) fn new(
        databases: &'e Databases,
        transaction: RwTxn<'e>,
        recent: &'e mut RecentEvents,
    ) -> Result<Self, Failure> {
        let last = databases.last_position(&transaction)?;
        // A last record that is damaged stands in nobody's way.
        let recorded = databases.record(&transaction, last).ok().flatten();
        let recorded = recorded.map(|record| record.event.time);
        let time = Timestamp::now().max(recorded.unwrap_or_default());
        let tables = Tables { databases, recent };
        Ok(Batch {
            transaction,
            tables,
            last,
            bytes: 0,
            time,
            scratch: Vec::new(),
        })
    }

    pub(super) fn apply(&mut self, work: &Work) -> Result<Appended, Refused> {
        match work {
            Work::Append(append) => self.append(append),
            Work::Truncate {
                stream,
                before,
                expected,
            } => self.truncate(stream, *before, *expected),
            Work::Tombstone { stream, expected } => self.tombstone(stream, *expected),
            Work::Entries(write) => self.write_entries(write),
        }
    }

    pub(super) fn commit(self) -> Result<(), Failure> {
        let (transaction, bytes) = (self.transaction.id(), self.bytes);
        self.transaction.commit().map_err(|error| match error {
            Error::Mdb(MdbError::MapFull | MdbError::MapResized) => Failure::Grow,
            error => Failure::Commit {
                error,
                transaction,
                bytes,
            },
        })
    }

    fn append(&mut self, append: &Append) -> Result<Appended, Refused> {
        let mut view = BatchView {
            tables: &mut self.tables,
            transaction: &self.transaction,
        };
        let mut versions = match rules::decide(append, &mut view)? {
            Decision::Repeat(first) => return Ok(first),
            Decision::Write(before) => before,
        };
        // From here on what fails fails the transaction, so that nothing of it stays.
        if let Some(entries) = append.entries() {
            self.change_entries(entries)?;
        }
        let before = self.last;
        for (part, version) in append.parts().iter().zip(&mut versions) {
            if part.events.is_empty() {
                continue;
            }
            let name = part.stream.as_str();
            let mut stream = self.stream(name)?.unwrap_or(Stream {
                number: self.last.next().get(),
                state: StreamState::NONE,
            });
            for event in &part.events {
                *version = version.next();
                let place = self.next_place(name, *version);
                record::encode(&mut self.scratch, place, event);
                self.put_record()?;
                self.tables
                    .databases
                    .versions
                    .put(
                        &mut self.transaction,
                        &stream.key(*version),
                        &self.last.get(),
                    )
                    .map_err(failed("write the index"))?;
            }
            stream.state.last = *version;
            self.put_stream(name, stream)?;
        }
        let position = (self.last > before).then_some(self.last);
        Ok(Appended::new(LogId::MAIN, position, versions))
    }

    fn truncate(
        &mut self,
        name: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<Appended, Refused> {
        let (Some(mut stream), state) = self.end(name, expected)? else {
            return Ok(nothing());
        };
        let first = before.min(state.last.next());
        if first <= state.first {
            return Ok(nothing());
        }
        self.remove(stream, state.first, first.previous())?;
        stream.state.first = first;
        self.mark(Kind::Truncated, name.as_str(), first)?;
        self.put_stream(name.as_str(), stream)?;
        Ok(nothing())
    }

    fn tombstone(
        &mut self,
        name: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<Appended, Refused> {
        let (stream, state) = self.end(name, expected)?;
        // A stream that never had an event can be ended too; its number is the mark's position.
        let mut stream = stream.unwrap_or(Stream {
            number: self.last.next().get(),
            state,
        });
        self.remove(stream, state.first, state.last)?;
        stream.state.tombstoned = true;
        self.mark(Kind::Tombstoned, name.as_str(), state.last)?;
        self.put_stream(name.as_str(), stream)?;
        Ok(nothing())
    }

    fn write_entries(&mut self, write: &EntryWrite) -> Result<Appended, Refused> {
        let mut view = BatchView {
            tables: &mut self.tables,
            transaction: &self.transaction,
        };
        rules::decide_entries(write, &mut view).map_err(AppendError::from)?;
        self.change_entries(write)?;
        Ok(nothing())
    }

    fn change_entries(&mut self, write: &EntryWrite) -> Result<(), Refused> {
        let entries = &self.tables.databases.entries;
        self.bytes += entries::change(entries, &mut self.transaction, write)
            .map_err(failed("write entries"))?;
        Ok(())
    }

    /// Checks whether a stream may be ended, and gives it.
    fn end(
        &mut self,
        name: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(Option<Stream>, StreamState), Refused> {
        let mut view = BatchView {
            tables: &mut self.tables,
            transaction: &self.transaction,
        };
        let state = rules::decide_end(name, expected, &mut view)?;
        Ok((self.stream(name.as_str())?, state))
    }

    /// Removes versions of a stream, from its index and from the log.
    fn remove(&mut self, stream: Stream, first: Version, last: Version) -> Result<(), Refused> {
        let databases = self.tables.databases;
        let mut version = first;
        while version <= last {
            let key = stream.key(version);
            let value = databases
                .versions
                .get(&self.transaction, &key)
                .map_err(failed("read the index"))?;
            if let Some(position) = value {
                databases
                    .log
                    .delete(&mut self.transaction, &position)
                    .map_err(failed("remove an event"))?;
                databases
                    .versions
                    .delete(&mut self.transaction, &key)
                    .map_err(failed("remove an event"))?;
            }
            version = version.next();
        }
        Ok(())
    }

    fn mark(&mut self, kind: Kind, stream: &str, version: Version) -> Result<(), Refused> {
        let place = self.next_place(stream, version);
        record::encode_mark(&mut self.scratch, kind, place);
        self.put_record()
    }

    fn next_place<'s>(&mut self, stream: &'s str, version: Version) -> Place<'s> {
        self.last = self.last.next();
        Place {
            position: self.last,
            stream,
            version,
            time: self.time,
        }
    }

    /// Puts what is in the scratch space at the end of the log.
    fn put_record(&mut self) -> Result<(), Refused> {
        self.bytes += self.scratch.len();
        self.tables
            .databases
            .log
            .put_with_flags(
                &mut self.transaction,
                PutFlags::APPEND,
                &self.last.get(),
                &self.scratch,
            )
            .map_err(failed("write the log"))
    }

    fn stream(&self, name: &str) -> Result<Option<Stream>, Refused> {
        Ok(self.tables.databases.stream(&self.transaction, name)?)
    }

    fn put_stream(&mut self, name: &str, stream: Stream) -> Result<(), Refused> {
        self.tables
            .databases
            .streams
            .put(&mut self.transaction, name, &stream.to_bytes())
            .map_err(failed("write a stream's state"))
    }
}

/// The outcome of what gives no positions away.
const fn nothing() -> Appended {
    Appended::new(LogId::MAIN, None, Vec::new())
}

/// What the rules see: the transaction, with what is already in it.
struct BatchView<'b, 'e> {
    tables: &'b mut Tables<'e>,
    transaction: &'b RwTxn<'e>,
}

impl View for BatchView<'_, '_> {
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError> {
        let stream = self
            .tables
            .databases
            .stream(self.transaction, stream.as_str())?;
        Ok(stream.map_or(StreamState::NONE, |stream| stream.state))
    }

    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        let databases = self.tables.databases;
        let Some(stream) = databases.stream(self.transaction, stream.as_str())? else {
            return Ok(None);
        };
        let value = databases
            .versions
            .get(self.transaction, &stream.key(version))
            .map_err(backend("read the index"))?;
        let Some(position) = value.map(Position) else {
            return Ok(None);
        };
        let record = databases.record(self.transaction, position)?;
        Ok(record.map(|record| (record.event.id, position)))
    }

    fn recent(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Version>, StoreError> {
        self.tables
            .recent
            .version(self.tables.databases, self.transaction, stream, id)
    }

    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        let failed = backend("read the log");
        let later = after.next().get()..;
        for entry in self
            .tables
            .databases
            .log
            .range(self.transaction, &later)
            .map_err(&failed)?
        {
            let (position, bytes) = entry.map_err(&failed)?;
            let record = crate::databases::parse(Position(position), bytes)?;
            if record.kind == Kind::Event && query.matches(&record.event) {
                return Ok(Some(Position(position)));
            }
        }
        Ok(None)
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        let found = self
            .tables
            .databases
            .entries
            .get(self.transaction, key)
            .map_err(backend("read entries"))?;
        Ok(found == value)
    }
}
