//! The same rows by a loop that somebody might write by hand: a cursor over the log, `serde_json`, and
//! LMDB, with nothing around it.

use super::sales::{EVENTS, Order, Sales, Sold, Total};
use crate::contest::per_second;
use crate::{Bench, Outcome};
use heed::types::{Bytes, Str, Unit};
use heed::{CommitOrAbort, Database, Env, RwTxn, WithoutTls};
use midgard_store_lmdb::open_raw;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::time::Instant;
use tempfile::TempDir;

/// Rows as JSON by key, an index of them, and a checkpoint, in LMDB. Every commit is durable.
pub(super) struct ByHand {
    env: Env<WithoutTls>,
    rows: Database<'static, Bytes, Bytes>,
    /// A value and the key of its row.
    index: Database<'static, Bytes, Unit>,
    notes: Database<'static, Str, Bytes>,
    _directory: TempDir,
}

/// The events of one commit, decoded as they come.
type Batch<'a> = &'a mut dyn Iterator<Item = Outcome<Sold>>;

impl ByHand {
    pub(super) fn new(bench: &Bench) -> Outcome<Self> {
        let directory = bench.directory()?;
        let env = open_raw(directory.path())?;
        let transaction = env.write_txn()?;
        let databases = env.create_databases_and_commit(transaction, |opener, transaction| {
            heed::Result::Ok(CommitOrAbort::<_, Infallible>::Commit((
                opener.create_database(transaction, Some("rows"))?,
                opener.create_database(transaction, Some("index"))?,
                opener.create_database(transaction, Some("notes"))?,
            )))
        })?;
        let CommitOrAbort::Commit((rows, index, notes)) = databases;
        Ok(ByHand {
            env,
            rows,
            index,
            notes,
            _directory: directory,
        })
    }

    /// Takes in the whole log, with this many events per commit; returns events per second.
    fn catch_up(
        &self,
        sales: &Sales,
        each: usize,
        project: impl Fn(&Self, &mut RwTxn<'_>, Batch<'_>) -> Outcome<()>,
    ) -> Outcome<f64> {
        let began = Instant::now();
        let log = sales.raw.env.read_txn()?;
        let mut events = sales.raw.log.iter(&log)?.map(|entry| {
            let (_, record) = entry?;
            Ok(serde_json::from_slice(&record[sales.offset..])?)
        });
        let mut left = EVENTS as usize;
        while left > 0 {
            let mut transaction = self.env.write_txn()?;
            project(self, &mut transaction, &mut events.by_ref().take(each))?;
            left = left.saturating_sub(each);
            let reached = (EVENTS - left as u64).to_be_bytes();
            self.notes.put(&mut transaction, "checkpoint", &reached)?;
            transaction.commit()?;
        }
        Ok(per_second(EVENTS as usize, began.elapsed()))
    }

    /// Totals: each row that changes is read and written once a commit, in the order of keys.
    pub(super) fn totals(&self, sales: &Sales, each: usize) -> Outcome<f64> {
        self.catch_up(sales, each, |hand, transaction, events| {
            let mut changed = HashMap::new();
            for sold in events {
                let sold = sold?;
                let (_, total) = match changed.entry(sold.customer) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let total = hand.row(transaction, &sold.customer.to_be_bytes())?;
                        let before = total.as_ref().map(|total: &Total| total.cents);
                        let total = total.unwrap_or(Total::none(sold.customer));
                        new.insert((before, total))
                    }
                };
                total.add(&sold);
            }
            let mut changed: Vec<_> = changed.into_values().collect();
            changed.sort_unstable_by_key(|(_, total)| total.customer);
            let mut indexed = Vec::with_capacity(2 * changed.len());
            for (before, total) in &changed {
                let (key, json) = (total.customer.to_be_bytes(), serde_json::to_vec(total)?);
                hand.rows.put(transaction, &key, &json)?;
                if *before != Some(total.cents) {
                    let removed = before.map(|cents| (entry(cents, total.customer), false));
                    indexed.extend(removed);
                    indexed.push((entry(total.cents, total.customer), true));
                }
            }
            indexed.sort_unstable();
            for (entry, is_added) in &indexed {
                if *is_added {
                    hand.index.put(transaction, entry, &())?;
                } else {
                    hand.index.delete(transaction, entry)?;
                }
            }
            Ok(())
        })
    }

    /// Totals: a row is read and written, and so is its entry in the index, for each event.
    pub(super) fn totals_by_event(&self, sales: &Sales, each: usize) -> Outcome<f64> {
        self.catch_up(sales, each, |hand, transaction, events| {
            for sold in events {
                let sold = sold?;
                let key = sold.customer.to_be_bytes();
                let before: Option<Total> = hand.row(transaction, &key)?;
                if let Some(before) = &before {
                    let entry = entry(before.cents, before.customer);
                    hand.index.delete(transaction, &entry)?;
                }
                let mut total = before.unwrap_or(Total::none(sold.customer));
                total.add(&sold);
                hand.rows
                    .put(transaction, &key, &serde_json::to_vec(&total)?)?;
                let entry = entry(total.cents, total.customer);
                hand.index.put(transaction, &entry, &())?;
            }
            Ok(())
        })
    }

    /// Orders: each event is a row of its own.
    pub(super) fn orders(&self, sales: &Sales, each: usize) -> Outcome<f64> {
        self.catch_up(sales, each, |hand, transaction, events| {
            for sold in events {
                let order = Order::from(sold?);
                let (key, json) = (order.order.to_be_bytes(), serde_json::to_vec(&order)?);
                hand.rows.put(transaction, &key, &json)?;
            }
            Ok(())
        })
    }

    fn row<R: DeserializeOwned>(&self, transaction: &RwTxn<'_>, key: &[u8]) -> Outcome<Option<R>> {
        let row = self.rows.get(transaction, key)?;
        Ok(row.map(serde_json::from_slice).transpose()?)
    }

    /// Returns all rows, by key.
    pub(super) fn all<R: DeserializeOwned>(&self) -> Outcome<Vec<R>> {
        let transaction = self.env.read_txn()?;
        let rows = self.rows.iter(&transaction)?;
        rows.map(|entry| Ok(serde_json::from_slice(entry?.1)?))
            .collect()
    }

    /// Returns the keys of all rows, in the order of the index.
    pub(super) fn in_order(&self) -> Outcome<Vec<u32>> {
        let transaction = self.env.read_txn()?;
        let entries = self.index.iter(&transaction)?;
        entries
            .map(|entry| {
                let (entry, ()) = entry?;
                let key = entry
                    .last_chunk()
                    .ok_or("an entry of the index is cut off")?;
                Ok(u32::from_be_bytes(*key))
            })
            .collect()
    }
}

/// An entry of the index.
fn entry(cents: u64, customer: u32) -> [u8; 12] {
    let mut entry = [0; 12];
    entry[..8].copy_from_slice(&cents.to_be_bytes());
    entry[8..].copy_from_slice(&customer.to_be_bytes());
    entry
}
