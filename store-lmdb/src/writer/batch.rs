//! One transaction: appends, ends of streams and changes of entries, each decided on what those before
//! it left.

use super::failure::FailedCommit;
use super::heads::Heads;
use super::merging::Merging;
use super::view::{BatchView, Tables};
use super::{Failure, Work};
use crate::databases::Databases;
use crate::entries;
use crate::index::{Entry, StreamKey};
use crate::log::Pending;
use crate::recent::RecentEvents;
use crate::record::{self, Kind, Links, Place, SKIP};
use crate::streams::{Head, Stream};
use crate::tail::Tail;
use heed::{Error, MdbError, RwTxn};
use midgard::clock::Clock;
use midgard::store::rules::{self, Decision};
use midgard::store::{Append, AppendError, AppendPart, Appended, ExpectedVersion, StoreError};
use midgard::store::{EntryWrite, EventTimes};
use midgard::{LogId, Position, StreamName, Timestamp, Version};

/// A transaction that is being filled.
pub(super) struct Batch<'e> {
    transaction: RwTxn<'e>,
    tables: Tables<'e>,
    merging: &'e mut Merging,
    /// The last position that was given away before it.
    before: Position,
    /// What is not in the log of the transaction yet.
    pending: &'e mut Pending,
    /// What is new in the log.
    added: Vec<Entry>,
    /// The bytes of records and entries in the batch.
    bytes: usize,
    /// When the batch is recorded: never before what is there already.
    time: Timestamp,
    /// Where records are put together.
    scratch: &'e mut Scratch,
}

/// The most bytes of records that are gathered before they go to the log.
const MOST_PENDING: usize = 1 << 20;

#[derive(Default)]
struct Scratch {
    record: Vec<u8>,
    skips: Vec<Position>,
}

/// What the writer keeps from one batch to the next.
#[derive(Default)]
pub(super) struct Memory {
    heads: Heads,
    recent: RecentEvents,
    merging: Merging,
    pending: Pending,
    scratch: Scratch,
    times: EventTimes,
}

impl Memory {
    /// Nothing is known; events get their times from this clock.
    pub(super) fn new(clock: Clock) -> Self {
        Memory {
            times: EventTimes::new(clock),
            ..Memory::default()
        }
    }

    /// Forgets what was noted, when it may not have been committed.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.recent.clear();
    }
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
            // What LMDB cannot read now it cannot read for the others either. A stream that is damaged is no
            // concern of theirs.
            AppendError::Store(StoreError::Backend { action, cause }) if cause.is::<Error>() => {
                Refused::Batch(StoreError::Backend { action, cause }.into())
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
        tail: &'e Tail,
        transaction: RwTxn<'e>,
        memory: &'e mut Memory,
    ) -> Result<Self, Failure> {
        let Memory {
            heads,
            recent,
            merging,
            pending,
            scratch,
            times,
        } = memory;
        databases.log.check_end(&transaction)?;
        let before = databases.log.last_position(&transaction)?;
        tail.catch_up(before, databases, &transaction)?;
        heads.begin(before);
        pending.begin(before);
        // A last record that is damaged stands in nobody's way.
        let recorded = databases.log.record(&transaction, before).ok().flatten();
        let recorded = recorded.and_then(|bytes| {
            let header = record::Header::parse(before, &bytes);
            header.ok().map(|header| header.time)
        });
        let tables = Tables {
            databases,
            tail,
            heads,
            recent,
        };
        Ok(Batch {
            transaction,
            tables,
            merging,
            before,
            pending,
            added: Vec::new(),
            bytes: 0,
            time: times.after(recorded.unwrap_or_default()),
            scratch,
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

    /// Commits it. Where it changes nothing, LMDB flushes nothing either, unless `for_certain`: then what others have committed is
    /// on the disk as well.
    pub(super) fn commit(mut self, for_certain: bool) -> Result<(), Failure> {
        let Tables {
            databases, tail, ..
        } = self.tables;
        let last = self.pending.last();
        self.write_pending()?;
        let records = last.get() - self.before.get();
        let merged =
            self.merging
                .merge(databases, tail, &mut self.transaction, self.before, records)?;
        if for_certain && records == 0 {
            let rewritten = databases.about.rewrite(&mut self.transaction);
            rewritten.map_err(|error| Failure::of("write", error))?;
        }
        let (transaction, bytes) = (self.transaction.id(), self.bytes);
        self.transaction.commit().map_err(|error| match error {
            Error::Mdb(MdbError::MapFull | MdbError::MapResized) => Failure::Grow,
            error => Failure::Commit(FailedCommit {
                error,
                transaction,
                bytes,
            }),
        })?;
        self.tables.heads.committed(last);
        if merged {
            tail.replace(self.before, last, &self.added);
        } else {
            tail.extend(self.before, last, &self.added);
        }
        Ok(())
    }

    fn view(&mut self) -> BatchView<'_, 'e> {
        BatchView {
            tables: &mut self.tables,
            transaction: &self.transaction,
            pending: self.pending,
        }
    }

    /// Puts what is pending at the end of the log.
    fn write_pending(&mut self) -> Result<(), Failure> {
        let log = self.tables.databases.log;
        log.append(&mut self.transaction, self.pending)
            .map_err(|error| Failure::of("write the log", error))?;
        self.pending.begin(self.pending.last());
        Ok(())
    }

    fn append(&mut self, append: &Append) -> Result<Appended, Refused> {
        if self.pending.bytes() > MOST_PENDING {
            self.write_pending().map_err(Refused::Batch)?;
        }
        let mut versions = match rules::decide(append, &mut self.view())? {
            Decision::Repeat(first) => return Ok(first),
            Decision::Write(before) => before,
        };
        let (before, added) = (self.pending.last(), self.added.len());
        let mut heads = Vec::with_capacity(append.parts().len());
        for (part, version) in append.parts().iter().zip(&mut versions) {
            match self.append_part(part, &mut heads) {
                Ok(last) => *version = last,
                Err(error) => {
                    // What was noted of it is taken back: the others go on.
                    for (key, head) in heads.into_iter().rev() {
                        self.tables.heads.set(key, head);
                    }
                    self.added.truncate(added);
                    self.pending.truncate(before);
                    return Err(AppendError::Store(error).into());
                }
            }
        }
        // From here on what fails fails the transaction, so that nothing of it stays.
        if let Some(entries) = append.entries() {
            self.change_entries(entries)?;
        }
        let last = self.pending.last();
        let position = (last > before).then_some(last);
        Ok(Appended::new(LogId::MAIN, position, versions))
    }

    /// Adds the events of a part, and gives the last version of its stream. Notes the stream as it was.
    fn append_part(
        &mut self,
        part: &AppendPart,
        heads: &mut Vec<(StreamKey, Head)>,
    ) -> Result<Version, StoreError> {
        let name = part.stream.as_str();
        let (key, mut head) = self.tables.head(&self.transaction, name)?;
        if part.events.is_empty() {
            return Ok(head.state.last);
        }
        heads.push((key, head));
        for event in &part.events {
            let next = head.state.last.next();
            self.find_skips(name, head, next)?;
            let place = Place {
                position: self.pending.last().next(),
                stream: name,
                version: next,
                time: self.time,
                links: Links {
                    back: head.event,
                    skips: &self.scratch.skips,
                    first: head.state.first,
                },
            };
            record::encode(&mut self.scratch.record, place, event);
            head.event = self.put_record();
            head.state.last = next;
        }
        self.set_head(key, head);
        Ok(head.state.last)
    }

    /// Notes where the skips of the next version of a stream lead to.
    fn find_skips(&mut self, name: &str, head: Head, next: Version) -> Result<(), StoreError> {
        let skips = &mut self.scratch.skips;
        skips.clear();
        let stream = Stream::new(self.tables.databases, &self.transaction, name).with(self.pending);
        let (mut version, mut position) = (head.state.last, head.event);
        let mut step = SKIP;
        for _ in 0..record::skip_levels(next) {
            let target = Version(next.get().saturating_sub(step));
            if target < head.state.first {
                position = Position::ZERO;
            } else if position != Position::ZERO {
                position = stream.find(version, position, target)?;
                version = target;
            }
            skips.push(position);
            step = step.saturating_mul(SKIP);
        }
        Ok(())
    }

    fn truncate(
        &mut self,
        name: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<Appended, Refused> {
        let state = rules::decide_end(name, expected, &mut self.view())?;
        let first = before.min(state.last.next());
        if first <= state.first {
            return Ok(nothing());
        }
        let name = name.as_str();
        let (key, mut head) = self.head(name)?;
        self.remove(name, head, first.previous())?;
        head.state.first = first;
        if first > state.last {
            head.event = Position::ZERO;
        }
        self.mark(Kind::Truncated, name, key, head)
    }

    fn tombstone(
        &mut self,
        name: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<Appended, Refused> {
        let state = rules::decide_end(name, expected, &mut self.view())?;
        let name = name.as_str();
        let (key, mut head) = self.head(name)?;
        self.remove(name, head, state.last)?;
        head.state.tombstoned = true;
        head.event = Position::ZERO;
        self.mark(Kind::Tombstoned, name, key, head)
    }

    fn write_entries(&mut self, write: &EntryWrite) -> Result<Appended, Refused> {
        rules::decide_entries(write, &mut self.view()).map_err(AppendError::from)?;
        self.change_entries(write)?;
        Ok(nothing())
    }

    fn change_entries(&mut self, write: &EntryWrite) -> Result<(), Refused> {
        let entries = &self.tables.databases.entries;
        self.bytes += entries::change(entries, &mut self.transaction, write)
            .map_err(failed("write entries"))?;
        Ok(())
    }

    /// Removes the events of a stream up to a version from the log.
    fn remove(&mut self, name: &str, head: Head, until: Version) -> Result<(), Refused> {
        let Head { state, event } = head;
        if event == Position::ZERO || until < state.first {
            return Ok(());
        }
        self.write_pending().map_err(Refused::Batch)?;
        let databases = self.tables.databases;
        let stream = Stream::new(databases, &self.transaction, name);
        let positions = stream
            .positions(state.first..=until, state.last, event)
            .map_err(AppendError::Store)?;
        databases.log.remove(&mut self.transaction, &positions)?;
        for position in positions {
            databases
                .removed
                .add(&mut self.transaction, position)
                .map_err(failed("remove an event"))?;
        }
        Ok(())
    }

    /// Records that a stream was ended, or its beginning.
    fn mark(
        &mut self,
        kind: Kind,
        name: &str,
        key: StreamKey,
        head: Head,
    ) -> Result<Appended, Refused> {
        let place = Place {
            position: self.pending.last().next(),
            stream: name,
            version: head.state.last,
            time: self.time,
            links: Links {
                back: head.event,
                skips: &[],
                first: head.state.first,
            },
        };
        record::encode_mark(&mut self.scratch.record, kind, place);
        self.put_record();
        self.set_head(key, head);
        Ok(nothing())
    }

    /// Adds what is in the scratch space, and gives its position.
    fn put_record(&mut self) -> Position {
        self.bytes += self.scratch.record.len();
        self.pending.push(&self.scratch.record);
        self.pending.last()
    }

    fn head(&mut self, name: &str) -> Result<(StreamKey, Head), Refused> {
        let head = self.tables.head(&self.transaction, name);
        Ok(head.map_err(AppendError::Store)?)
    }

    /// Notes a stream, of which the last record was just added.
    fn set_head(&mut self, key: StreamKey, head: Head) {
        self.tables.heads.set(key, head);
        self.added.push(Entry {
            key,
            position: self.pending.last(),
        });
    }
}

/// The outcome of what gives no positions away.
const fn nothing() -> Appended {
    Appended::new(LogId::MAIN, None, Vec::new())
}
