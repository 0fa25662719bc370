//! What stores of format 1 kept of streams: it leads to the last event of each that has no newer ones.

use super::{Stage, Verifying};
use crate::databases::Databases;
use crate::reader::Batch;
use crate::streams::Stream;
use heed::RoTxn;
use midgard::{Position, StoreError};

impl Verifying {
    /// Looks at some streams, behind one.
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
            if let Err(error) = self.stream_of_format_1(&stream) {
                self.failed_stream(name, error);
            }
            batch.add(name.len());
            if batch.is_full() {
                return Ok(Stage::Format1(name.to_owned()));
            }
        }
        Ok(Stage::Index(None))
    }

    fn stream_of_format_1(&self, stream: &Stream<'_, '_>) -> Result<(), StoreError> {
        let Some(head) = stream.head_of_format_1()? else {
            return Ok(());
        };
        let key = stream.databases.keys.of(stream.name.as_bytes());
        // What it has since then leads to what it had.
        if stream.last_record(key, self.tail.look_up(key))?.is_some() {
            return Ok(());
        }
        let state = head.state;
        if state.tombstoned || state.first > state.last {
            return Ok(());
        }
        let record = stream.record(head.event)?;
        stream.event_header(head.event, &record, state.last)?;
        Ok(())
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
