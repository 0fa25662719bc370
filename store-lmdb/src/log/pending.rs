//! Records of a transaction that are not in its log yet: they are written together, at its end.

use midgard::Position;

/// The most bytes of memory that are kept for the next transaction, after a very large one.
const KEPT: usize = 4 << 20;

/// Records behind the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The position before them.
    before: Position,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Pending {
    /// Forgets all, and begins after this position.
    pub(crate) fn begin(&mut self, before: Position) {
        self.before = before;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.ends.clear();
    }

    /// Returns the position of the last one, or of the last record in the log.
    pub(crate) const fn last(&self) -> Position {
        Position(self.before.get() + self.ends.len() as u64)
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// Drops the records after this position.
    pub(crate) fn truncate(&mut self, last: Position) {
        self.ends
            .truncate(last.get().saturating_sub(self.before.get()) as usize);
        self.bytes
            .truncate(self.ends.last().copied().unwrap_or_default());
    }

    /// Returns the position of the first one, if there is any.
    pub(crate) const fn first(&self) -> Position {
        self.before.next()
    }

    /// Returns the record at a position, if it is one of these.
    pub(crate) fn record(&self, position: Position) -> Option<&[u8]> {
        let index = position.get().checked_sub(self.first().get())? as usize;
        let end = *self.ends.get(index)?;
        let start = match index {
            0 => 0,
            index => self.ends[index - 1],
        };
        self.bytes.get(start..end)
    }

    /// Returns all records from a position on.
    pub(crate) fn records_from(
        &self,
        position: Position,
    ) -> impl Iterator<Item = (Position, &[u8])> {
        let first = position.max(self.first()).get();
        (first..=self.last().get()).filter_map(|position| {
            let position = Position(position);
            Some((position, self.record(position)?))
        })
    }
}
