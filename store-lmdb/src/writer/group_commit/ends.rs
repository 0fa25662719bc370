//! The ends of streams: their first events are removed, or all of them.

use super::{GroupCommit, Tables, failed};
use crate::index::StreamKey;
use crate::record::{self, Kind, Links, Recording};
use crate::streams::{Head, Stream};
use crate::writer::failure::Failure;
use crate::writer::refused::Refused;
use midgard::store::rules;
use midgard::store::{AppendError, ExpectedVersion};
use midgard::{Position, StreamName, Version};

impl GroupCommit<'_> {
    pub(in crate::writer) fn truncate(
        &mut self,
        name: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), Refused<AppendError>> {
        let state = rules::decide_end(name, expected, &mut self.facts())?;
        let first = before.min(state.last.next());
        if first <= state.first {
            return Ok(());
        }
        let name = name.as_str();
        let (key, mut head) = self.head(name)?;
        self.remove(name, head, first.previous())?;
        head.state.first = first;
        if first > state.last {
            head.event = Position::ZERO;
        }
        self.mark(Kind::Truncated, name, key, head);
        Ok(())
    }

    pub(in crate::writer) fn tombstone(
        &mut self,
        name: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), Refused<AppendError>> {
        let state = rules::decide_end(name, expected, &mut self.facts())?;
        let name = name.as_str();
        let (key, mut head) = self.head(name)?;
        self.remove(name, head, state.last)?;
        head.state.tombstoned = true;
        head.event = Position::ZERO;
        self.mark(Kind::Tombstoned, name, key, head);
        Ok(())
    }

    /// Removes the events of a stream up to a version from the log.
    fn remove(
        &mut self,
        name: &str,
        head: Head,
        until: Version,
    ) -> Result<(), Refused<AppendError>> {
        let Head { state, event } = head;
        if event == Position::ZERO || until < state.first {
            return Ok(());
        }
        self.write_pending()?;
        let databases = self.tables.databases;
        let stream = Stream::new(databases, &self.transaction, name);
        let positions = stream
            .positions(state.first..=until, state.last, event)
            .map_err(AppendError::Store)?;
        let removed = databases.log.remove(&mut self.transaction, &positions);
        removed.map_err(Failure::from)?;
        for position in positions {
            databases
                .removed
                .add(&mut self.transaction, position)
                .map_err(failed("remove an event"))?;
        }
        Ok(())
    }

    /// Records that a stream was ended, or its beginning removed.
    fn mark(&mut self, kind: Kind, name: &str, key: StreamKey, head: Head) {
        let recording = Recording {
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
        record::encode_mark(&mut self.scratch.record, kind, recording);
        let position = self.put_record();
        if kind == Kind::Tombstoned {
            let Tables {
                databases, tags, ..
            } = &mut self.tables;
            tags.added.add(databases.tag_keys.tombstones(), position);
        }
        self.set_head(key, head);
    }

    fn head(&mut self, name: &str) -> Result<(StreamKey, Head), AppendError> {
        let head = self.tables.head(&self.transaction, name);
        Ok(head?)
    }
}
