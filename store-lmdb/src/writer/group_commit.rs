//! One transaction of many requests: appends, ends of streams and changes of entries. Each is decided on the state
//! that the previous ones left.

mod ends;

use super::Failure;
use super::backfill::Backfill;
use super::facts::{GroupFacts, Tables};
use super::failure::FailedCommit;
use super::memory::{Memory, Scratch};
use super::merging::Merging;
use super::refused::Refused;
use super::tag_merging::{Addition, TagMerging};
use crate::entries;
use crate::environment::Open;
use crate::index::{IndexEntry, LastRecord, StreamKey};
use crate::log::Pending;
use crate::record::{self, Links, Recording, SKIP};
use crate::streams::{Head, Stream};
use crate::tags::TagTail;
use crate::tail::Tail;
use heed::{Error, MdbError, RwTxn};
use midgard::store::rules::{self, Ruling};
use midgard::store::{
    Append, AppendError, AppendPart, Appended, EntryError, EntryWrite, StoreError, Versions,
};
use midgard::{LogId, Position, Timestamp, Version};
use std::mem;

/// A transaction that is being filled.
pub(crate) struct GroupCommit<'e> {
    transaction: RwTxn<'e>,
    tables: Tables<'e>,
    merging: &'e mut Merging,
    tag_merging: &'e mut TagMerging,
    backfill: &'e Backfill,
    /// The last position that was given away before it.
    before: Position,
    /// Records that are not in the log of the transaction yet.
    pending: &'e mut Pending,
    /// The new entries of the index of streams.
    added: Vec<IndexEntry>,
    /// The bytes of records and entries in the group.
    bytes: usize,
    /// The time of the group: never earlier than that of the last record.
    time: Timestamp,
    /// Where records are put together.
    scratch: &'e mut Scratch,
}

/// The most bytes of records that are gathered before they go to the log.
const MOST_PENDING: usize = 1 << 20;

fn failed(action: &'static str) -> impl Fn(Error) -> Failure {
    move |error| Failure::of(action, error)
}

impl<'e> GroupCommit<'e> {
    pub(super) fn new(
        open: &'e Open,
        (tail, tag_tail): (&'e Tail, &'e TagTail),
        transaction: RwTxn<'e>,
        memory: &'e mut Memory,
    ) -> Result<Self, Failure> {
        let databases = &open.databases;
        let Memory {
            heads,
            recent,
            asked,
            tags,
            merging,
            tag_merging,
            backfill,
            pending,
            scratch,
            times,
            ..
        } = memory;
        databases.log.check_end(&transaction)?;
        let before = databases.log.last_position(&transaction)?;
        tail.catch_up(before, databases, &transaction)?;
        heads.begin(before);
        pending.begin(before);
        tags.begin(before);
        // A damaged last record must not block anybody.
        let recorded = databases.log.record(&transaction, before).ok().flatten();
        let recorded = recorded.and_then(|bytes| {
            let header = record::Header::parse(before, &bytes);
            header.ok().map(|header| header.time)
        });
        let tables = Tables {
            open,
            databases,
            tail,
            heads,
            recent,
            asked,
            tag_tail,
            tags,
        };
        Ok(GroupCommit {
            transaction,
            tables,
            merging,
            tag_merging,
            backfill,
            before,
            pending,
            added: Vec::new(),
            bytes: 0,
            time: times.after(recorded.unwrap_or_default()),
            scratch,
        })
    }

    /// Commits the group. If it changes nothing, LMDB flushes nothing either, unless `for_certain`: then the commits
    /// of others are certain to be on the disk as well. Returns where the log ends if it has grown.
    ///
    /// `is_own` says whether there are no requests in it, so that nothing but the index is written.
    pub(super) fn commit(
        mut self,
        for_certain: bool,
        is_own: bool,
    ) -> Result<Option<Position>, Failure> {
        let Tables {
            databases,
            tail,
            tag_tail,
            ..
        } = self.tables;
        let last = self.pending.last();
        self.write_pending()?;
        let records = last.get() - self.before.get();
        let merged =
            self.merging
                .merge(databases, tail, &mut self.transaction, self.before, records)?;
        let addition = Addition {
            tail: tag_tail,
            backfill: self.backfill,
            before: self.before,
            entries: self.tables.tags.added.count(),
            is_own,
            is_long: merged,
        };
        let tags = self
            .tag_merging
            .merge(databases, &mut self.transaction, &addition)?;
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
        if tags.removed {
            self.tag_merging.removed();
            tag_tail.trust_runs();
        }
        if let Some(until) = tags.until {
            tag_tail.set_merged(until);
        }
        tag_tail.extend(self.before, last, &self.tables.tags.added, tags.tail);
        Ok((records > 0).then_some(last))
    }

    fn facts(&mut self) -> GroupFacts<'_, 'e> {
        self.tables.asked.clear();
        GroupFacts {
            tables: &mut self.tables,
            transaction: &self.transaction,
            pending: self.pending,
        }
    }

    /// Puts pending records at the end of the log.
    fn write_pending(&mut self) -> Result<(), Failure> {
        let log = self.tables.databases.log;
        log.append(&mut self.transaction, self.pending)
            .map_err(|error| Failure::of("write the log", error))?;
        self.pending.begin(self.pending.last());
        Ok(())
    }

    pub(super) fn append(&mut self, append: &Append) -> Result<Appended, Refused<AppendError>> {
        if self.pending.bytes() > MOST_PENDING {
            self.write_pending()?;
        }
        let mut versions = match rules::decide(append, &mut self.facts())? {
            Ruling::Repeat(first) => return Ok(first),
            Ruling::Write(before) => before,
        };
        let (before, added) = (self.pending.last(), self.added.len());
        let asked = mem::take(self.tables.asked);
        let written = self.append_parts(append, &asked, &mut versions);
        if written.is_err() {
            // The notes of this request are taken back; the others continue.
            for (key, head) in &asked {
                self.tables.heads.set(*key, *head);
            }
            self.added.truncate(added);
            self.tables.tags.added.truncate(before);
            self.pending.truncate(before);
        }
        *self.tables.asked = asked;
        written.map_err(AppendError::Store)?;
        // From here on a failure fails the transaction, so that nothing of the request stays.
        if let Some(entries) = append.entries() {
            self.change_entries(entries)?;
        }
        let last = self.pending.last();
        let position = (last > before).then_some(last);
        Ok(Appended::new(LogId::MAIN, position, versions))
    }

    /// Adds the events of all parts, whose streams the rules have requested, and notes the last versions of those
    /// streams.
    fn append_parts(
        &mut self,
        append: &Append,
        asked: &[(StreamKey, Head)],
        versions: &mut Versions,
    ) -> Result<(), StoreError> {
        let parts = append.parts().iter().zip(asked);
        for (index, ((part, (key, head)), version)) in parts.zip(versions.iter_mut()).enumerate() {
            let mut head = *head;
            if index > 0 {
                // An earlier part may have the same stream.
                head = self.tables.heads.get(*key).unwrap_or(head);
            }
            *version = self.append_part(part, *key, head)?;
        }
        Ok(())
    }

    /// Adds the events of a part, and returns the last version of its stream.
    fn append_part(
        &mut self,
        part: &AppendPart,
        key: StreamKey,
        mut head: Head,
    ) -> Result<Version, StoreError> {
        let name = part.stream.as_str();
        if part.events.is_empty() {
            return Ok(head.state.last);
        }
        for event in &part.events {
            let next = head.state.last.next();
            self.find_skips(name, head, next)?;
            let recording = Recording {
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
            record::encode(&mut self.scratch.record, recording, event);
            head.event = self.put_record();
            let Tables {
                databases, tags, ..
            } = &mut self.tables;
            tags.added.event(&databases.tag_keys, head.event, event);
            head.state.last = next;
        }
        self.set_head(key, head);
        Ok(head.state.last)
    }

    /// Notes the targets of the skips of a stream's next version.
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

    pub(super) fn write_entries(&mut self, write: &EntryWrite) -> Result<(), Refused<EntryError>> {
        rules::decide_entries(write, &mut self.facts())?;
        self.change_entries(write)?;
        Ok(())
    }

    fn change_entries(&mut self, write: &EntryWrite) -> Result<(), Failure> {
        let entries = &self.tables.databases.entries;
        self.bytes += entries::change(entries, &mut self.transaction, write)
            .map_err(failed("write entries"))?;
        Ok(())
    }

    /// Adds the record in the scratch space, and returns its position.
    fn put_record(&mut self) -> Position {
        self.bytes += self.scratch.record.len();
        self.pending.push(&self.scratch.record);
        self.pending.last()
    }

    /// Notes a stream whose last record was just added.
    fn set_head(&mut self, key: StreamKey, head: Head) {
        self.tables.heads.set(key, head);
        let last = self.pending.last();
        let record = match head.event == last {
            true => LastRecord::of_event(last, head.state.first, head.state.last),
            false => LastRecord::at(last),
        };
        self.added.push(IndexEntry { key, record });
    }
}
