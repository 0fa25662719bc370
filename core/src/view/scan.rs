//! Reading the rows of a selection from a snapshot of entries.

use super::layout::{self, PREFIX_BYTES};
use super::select::Select;
use super::{View, ViewError, show};
use crate::limits::ENTRY_KEY_BYTES;
use crate::store::{Direction, EntrySnapshot, after_prefix, range_of};
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

/// A table in a snapshot.
pub(super) struct TableReader<'a, V> {
    pub(super) entries: &'a dyn EntrySnapshot,
    pub(super) table: u32,
    pub(super) view: PhantomData<V>,
}

/// The entries of a table to read, and their order.
#[derive(Debug)]
pub(super) struct ScanPlan {
    pub(super) index: Option<usize>,
    pub(super) direction: Direction,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
}

impl ScanPlan {
    pub(super) fn of<V: View>(select: &Select<V>, table: u32) -> Result<Self, ViewError> {
        if let Some(index) = select.index
            && index >= V::INDEXES.len()
        {
            return Err(ViewError::UnknownIndex {
                view: V::NAME,
                index,
                count: V::INDEXES.len(),
            });
        }
        let mut prefix = Vec::new();
        layout::begin(&mut prefix, table, select.index);
        let entry = |value: &[u8]| [prefix.as_slice(), value].concat();
        // No value is the beginning of another: each entry that begins with a value has that value.
        let mut plan = ScanPlan {
            index: select.index,
            direction: if select.is_reverse {
                Direction::Backward
            } else {
                Direction::Forward
            },
            from: match &select.from {
                Bound::Included(value) => Bound::Included(entry(value)),
                Bound::Excluded(value) => match after_prefix(&entry(value)) {
                    Bound::Excluded(end) => Bound::Included(end),
                    other => other,
                },
                Bound::Unbounded => Bound::Included(prefix.clone()),
            },
            to: match &select.to {
                Bound::Included(value) => after_prefix(&entry(value)),
                Bound::Excluded(value) => Bound::Excluded(entry(value)),
                Bound::Unbounded => after_prefix(&prefix),
            },
        };
        if let Some(cursor) = &select.after
            && let Some(last) = cursor.last(select)?
        {
            let last = entry(last);
            if !plan.contains(&last) {
                return Err(ViewError::OtherCursor {
                    view: V::NAME,
                    reason: "it is of a selection of other rows".to_owned(),
                });
            }
            match plan.direction {
                Direction::Forward => plan.from = Bound::Excluded(last),
                Direction::Backward => plan.to = Bound::Excluded(last),
            }
        }
        plan.clip();
        Ok(plan)
    }

    /// Shortens bounds longer than any entry to equivalent ones within the limit: an entry that sorts after a long
    /// key sorts after its beginning, and is not that beginning itself.
    fn clip(&mut self) {
        if let Bound::Included(from) | Bound::Excluded(from) = &mut self.from
            && from.len() > ENTRY_KEY_BYTES
        {
            from.truncate(ENTRY_KEY_BYTES);
            self.from = Bound::Excluded(std::mem::take(from));
        }
        if let Bound::Included(to) | Bound::Excluded(to) = &mut self.to
            && to.len() > ENTRY_KEY_BYTES
        {
            to.truncate(ENTRY_KEY_BYTES);
            self.to = Bound::Included(std::mem::take(to));
        }
    }

    /// Returns the first and the last entry.
    pub(super) const fn bounds(&self) -> (&Bound<Vec<u8>>, &Bound<Vec<u8>>) {
        (&self.from, &self.to)
    }

    pub(super) fn contains(&self, entry: &[u8]) -> bool {
        let is_after = match &self.from {
            Bound::Included(from) => entry >= from.as_slice(),
            Bound::Excluded(from) => entry > from.as_slice(),
            Bound::Unbounded => true,
        };
        let is_before = match &self.to {
            Bound::Included(to) => entry <= to.as_slice(),
            Bound::Excluded(to) => entry < to.as_slice(),
            Bound::Unbounded => true,
        };
        is_after && is_before
    }
}

/// The callback of a read of entries; an error or `Break` ends the read.
pub(super) type VisitPlanned<'a> =
    dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ViewError> + 'a;

impl<V: View> TableReader<'_, V> {
    /// Calls `visit` with the planned entries: the whole key, and the value.
    pub(super) fn entries(
        &self,
        plan: &ScanPlan,
        visit: &mut VisitPlanned<'_>,
    ) -> Result<(), ViewError> {
        let (from, to) = (
            plan.from.as_ref().map(Vec::as_slice),
            plan.to.as_ref().map(Vec::as_slice),
        );
        let Some((from, to)) = range_of(from, to) else {
            return Ok(());
        };
        let mut failed = None;
        self.entries
            .scan(from, to, plan.direction, &mut |entry, value| {
                visit(entry, value).unwrap_or_else(|error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                })
            })?;
        failed.map_or(Ok(()), Err)
    }

    /// Returns the key's bytes of an entry's row.
    pub(super) fn key<'e>(plan: &ScanPlan, entry: &'e [u8], value: &'e [u8]) -> &'e [u8] {
        match plan.index {
            None => entry.get(PREFIX_BYTES..).unwrap_or_default(),
            Some(_) => value,
        }
    }

    /// Returns an entry's row. `scratch` is a buffer for a key.
    pub(super) fn row(
        &self,
        plan: &ScanPlan,
        entry: &[u8],
        value: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<V, ViewError> {
        let key = Self::key(plan, entry, value);
        match plan.index {
            None => decode(key, value),
            Some(index) => self
                .get(key, scratch)?
                .ok_or_else(|| missing::<V>(index, key)),
        }
    }

    /// Returns the row of a key.
    pub(super) fn get(&self, key: &[u8], scratch: &mut Vec<u8>) -> Result<Option<V>, ViewError> {
        match self.stored(key, scratch)? {
            Some(row) => decode(key, row).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the bytes of the row of a key. A key longer than the limit has no row.
    pub(super) fn stored(
        &self,
        key: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<Option<&[u8]>, ViewError> {
        if key.len() > layout::KEY_BYTES {
            return Ok(None);
        }
        layout::row(scratch, self.table, key);
        Ok(self.entries.get(scratch)?)
    }
}

pub(super) fn decode<V: View>(key: &[u8], row: &[u8]) -> Result<V, ViewError> {
    V::__from_json(row).map_err(|error| ViewError::Damaged {
        view: V::NAME,
        key: show::key::<V>(key),
        reason: error.to_string(),
    })
}

#[cold]
fn missing<V: View>(index: usize, key: &[u8]) -> ViewError {
    let name = V::INDEXES.get(index).map_or("", |index| index.name);
    ViewError::Damaged {
        view: V::NAME,
        key: show::key::<V>(key),
        reason: format!("it is in the index \"{name}\" but not in the table"),
    }
}
