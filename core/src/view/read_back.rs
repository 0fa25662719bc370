//! Rows as the next transaction reads them.
//!
//! Within a transaction rows are values, and between transactions they are JSON. It must not matter which events are
//! handled in one transaction. So a row that an event has changed is written and read back once the event is done, and
//! replaced by what was read: no later event sees anything that JSON does not keep.

use super::key::KeyBytes;
use super::table::encode;
use super::{View, ViewError, show};
use crate::event::codec::is_same_json;

/// Reads rows back, with reused buffers.
#[derive(Default)]
pub(super) struct ReadBack {
    written: Vec<u8>,
    again: Vec<u8>,
    key: KeyBytes,
}

impl ReadBack {
    /// Returns the row of this key as it is read back.
    pub(super) fn read<V: View>(&mut self, row: &V, key: &[u8]) -> Result<V, ViewError> {
        self.written.clear();
        encode(&mut self.written, row)?;
        let read = V::__from_json(&self.written).map_err(|cause| ViewError::Unreadable {
            view: V::NAME,
            key: show::key::<V>(key),
            cause,
        })?;
        self.again.clear();
        encode(&mut self.again, &read)?;
        self.key.clear();
        read.encode_key(&mut self.key);
        let is_same = self.again == self.written || is_same_json(&self.written, &self.again);
        if !is_same || self.key.as_bytes() != key {
            return Err(ViewError::NotKept {
                view: V::NAME,
                key: show::key::<V>(key),
            });
        }
        Ok(read)
    }
}
