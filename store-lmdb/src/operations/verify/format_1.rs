//! The state of streams in stores of format 1: it leads to the last event of each stream that has no newer ones.

use super::links::TooMany;
use super::{Stage, Verifying};
use crate::databases::Databases;
use crate::index::StreamKey;
use crate::reader::Batch;
use crate::record::Kind;
use crate::streams::Stream;
use heed::RoTxn;
use midgard::store::{StoreError, StreamState};
use midgard::{Position, Version};

impl Verifying {
    /// Checks some streams, behind one.
    pub(super) fn streams_of_format_1(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        after: &str,
    ) -> Result<Stage, StoreError> {
        let Some(format_1) = &databases.format_1 else {
            return Ok(Stage::Index(None));
        };
        if !self.catch_up(databases, snapshot) {
            return Ok(Stage::Index(None));
        }
        let mut batch = Batch::new();
        for name in format_1.names(snapshot, after)? {
            let name = name?;
            let stream = Stream::new(databases, snapshot, name);
            match self.stream_of_format_1(&stream) {
                Ok(None) => {}
                Ok(Some(reason)) => self.findings.problem(None, Some(name), reason),
                Err(error) => self.failed_stream(name, error),
            }
            batch.add(name.len());
            if batch.is_full() {
                return Ok(Stage::Format1(name.to_owned()));
            }
        }
        Ok(Stage::Index(None))
    }

    /// Returns the fault of a stream's stored state, if its last event is where it should be.
    fn stream_of_format_1(&self, stream: &Stream<'_, '_>) -> Result<Option<String>, StoreError> {
        let Some(head) = stream.head_of_format_1()? else {
            return Ok(None);
        };
        let (state, key) = (head.state, stream.databases.keys.of(stream.name.as_bytes()));
        if let Some(reason) = self.unlike_its_marks(key, state) {
            return Ok(Some(reason));
        }
        // Its newer records lead to the older ones.
        if stream.last_record(key, self.tail.look_up(key))?.is_some() {
            return Ok(None);
        }
        if state.tombstoned || state.first > state.last {
            return Ok(None);
        }
        let record = stream.record(head.event)?;
        stream.event_header(head.event, &record, state.last)?;
        Ok(None)
    }

    /// The last mark in the log says where a stream begins, and whether it was ended. A stream that was
    /// truncated in full has nothing else.
    fn unlike_its_marks(&self, key: StreamKey, state: StreamState) -> Option<String> {
        let StreamState {
            first,
            last,
            tombstoned,
        } = state;
        let kept =
            format!("the state that is kept of it says that it has versions {first} to {last}");
        if first > last.next() {
            return Some(format!("{kept}, which cannot be"));
        }
        match self.links.mark_of_format_1(key) {
            Ok(Some((Kind::Tombstoned, end))) => (!tombstoned || end != last).then(|| {
                format!("{kept}, and the log says that it was tombstoned at version {end}")
            }),
            Ok(Some((_, begin))) => (tombstoned || begin != first).then(|| {
                format!("{kept}, and the log says that it was truncated before version {begin}")
            }),
            Ok(None) => (tombstoned || first > Version::FIRST).then(|| {
                format!("{kept}, and the log has no mark that it was truncated or tombstoned")
            }),
            Err(TooMany) => None,
        }
    }

    fn failed_stream(&mut self, name: &str, error: StoreError) {
        match error {
            StoreError::Corrupt {
                position, reason, ..
            } => {
                let at = (position > Position::ZERO).then_some(position);
                let reason = format!("its last event is to be here, but {reason}");
                self.findings.problem(at, Some(name), reason);
            }
            error => self.findings.failure(&error),
        }
    }
}
