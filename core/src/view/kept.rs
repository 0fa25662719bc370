//! What projections have kept, whoever runs them: listed, handed over to a new name, removed.

use super::ViewError;
use super::layout::{self, TableNote, ViewNote};
use super::transaction::ViewTransaction;
use super::views::Views;
use crate::consumer::about::AboutProjection;
use crate::consumer::notes::{self, Checkpoint, Keys};
use crate::consumer::setbacks::Setbacks;
use crate::notes::NoteStore as _;
use crate::place::{LogId, Place, Position};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A projection that has kept something in [`Views`], whether a program still has it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptProjection {
    /// Its name.
    pub name: String,
    /// The views of it that readers see.
    pub views: Vec<String>,
    /// Up to where the log is in them.
    pub place: Place,
}

impl Views {
    /// All projections that have kept something here, by name: also those that no program has any more.
    ///
    /// # Errors
    /// When the notes, or the store, cannot be read.
    pub async fn projections(&self) -> Result<Vec<KeptProjection>, ViewError> {
        let mut transaction = self.begin_notes().await?;
        let mut kept = BTreeMap::<String, KeptProjection>::new();
        let notes = transaction.notes.list(&notes_of(""))?;
        let tables = transaction.notes.list("table/")?;
        let names = notes.iter().chain(&tables);
        for name in names.filter_map(|(key, _)| key.split('/').nth(1)) {
            let one = || KeptProjection {
                name: name.to_owned(),
                views: Vec::new(),
                place: Place::START,
            };
            kept.entry(name.to_owned()).or_insert_with(one);
        }
        for (key, note) in transaction.notes.list(&layout::view_note(""))? {
            let note: ViewNote = layout::parse(&key, note.as_bytes())?;
            if let Some(kept) = kept.get_mut(&note.projection) {
                kept.views
                    .extend(key.strip_prefix("view/").map(str::to_owned));
            }
        }
        for one in kept.values_mut() {
            let keys = Keys::new("projection", &one.name);
            let about: Option<AboutProjection> = transaction.note(&keys.about())?;
            let Some(seen) = about.and_then(|about| about.seen()) else {
                continue;
            };
            let key = keys.checkpoint(seen, LogId::MAIN, 0);
            let checkpoint: Option<Checkpoint> = transaction.note(&key)?;
            one.place = checkpoint.map_or(Place::START, |at| Place::main(Position(at.position)));
        }
        Ok(kept.into_values().collect())
    }

    /// Hands what a projection has kept, with its views and its checkpoint, over to another name: that of the same projection in
    /// a release that calls it otherwise. Says whether there was anything under the old name, so that it can be called at every
    /// start, before the program is run.
    ///
    /// The release that still has the old name is to be stopped before: it begins anew under that name, finds that its views
    /// are another's, and says so.
    ///
    /// # Errors
    /// [`ViewError::NameTaken`] when there is something under the new name, too; or when the store fails. Nothing was done then.
    ///
    /// ```
    /// # midgard::block_on(async {
    /// # let views = midgard::Views::new(midgard::MemoryStore::new());
    /// views.rename_projection("orders", "open orders").await?;
    /// // Midgard::new(store).project(OpenOrders, views)..
    /// # Ok::<_, midgard::view::ViewError>(())
    /// # }).unwrap();
    /// ```
    pub async fn rename_projection(&self, from: &str, to: &str) -> Result<bool, ViewError> {
        self.decisively(async || {
            let mut transaction = self.begin_notes().await?;
            let all = transaction.all_notes(from)?;
            if all.is_empty() || from == to {
                return Ok(Some(!all.is_empty()));
            }
            if !transaction.all_notes(to)?.is_empty() {
                return Err(ViewError::NameTaken {
                    projection: from.to_owned(),
                    name: to.to_owned(),
                });
            }
            for (key, note) in &all {
                transaction.notes.put(key, None);
                // Who had the work under the old name has none under the new one.
                if !key.contains("/lease/") && !key.contains("/challenge/") {
                    let renamed = renamed(key, from, to);
                    transaction.notes.put(&renamed, Some(note));
                }
            }
            for key in transaction.seen_of(from, |_| true)? {
                if let Some(note) = transaction.notes.get(&key)? {
                    let note: ViewNote = layout::parse(&key, note.as_bytes())?;
                    let note = ViewNote {
                        projection: to.to_owned(),
                        ..note
                    };
                    let note = layout::write(&key, &note)?;
                    transaction.notes.put(&key, Some(&note));
                }
            }
            self.commit(transaction).await.map(|()| Some(true))
        })
        .await
    }

    /// Removes everything that a projection has kept: its views, its checkpoint, its dead letters. Says whether there was anything.
    /// Readers no longer see its views from the beginning on; what was to be removed when it fails is removed by the next call.
    ///
    /// A program that still runs the projection builds its views anew.
    ///
    /// # Errors
    /// When the store fails, or others are at it all the time.
    pub async fn remove_projection(&self, name: &str) -> Result<bool, ViewError> {
        let mut was_there = false;
        self.decisively(async || {
            let mut transaction = self.begin_notes().await?;
            let all = transaction.all_notes(name)?;
            let seen = transaction.seen_of(name, |_| true)?;
            if all.is_empty() && seen.is_empty() {
                return Ok(Some(()));
            }
            was_there = true;
            for key in seen {
                transaction.forget(&key)?;
            }
            let mut is_all = true;
            for (key, note) in &all {
                if key.starts_with("table/") {
                    let note: TableNote = layout::parse(key, note.as_bytes())?;
                    is_all = is_all && transaction.remove_entries(note.table)?;
                }
            }
            // While there are rows, their tables are known: nobody takes them for new ones.
            if is_all {
                for (key, _) in &all {
                    transaction.notes.put(key, None);
                }
            }
            let committed = self.commit(transaction).await;
            committed.map(|()| is_all.then_some(()))
        })
        .await?;
        Ok(was_there)
    }

    async fn begin_notes(&self) -> Result<ViewTransaction, ViewError> {
        self.begin().await
    }

    /// Does something again until it has come to an end, and when others were faster.
    async fn decisively<T>(
        &self,
        mut work: impl AsyncFnMut() -> Result<Option<T>, ViewError>,
    ) -> Result<T, ViewError> {
        let mut setbacks = Setbacks::new();
        loop {
            match work().await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => setbacks.end(),
                Err(ViewError::Changed { .. }) if setbacks.conflict().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl ViewTransaction {
    /// The notes of a projection and of its tables, on which the commit relies.
    fn all_notes(&mut self, projection: &str) -> Result<Vec<(String, String)>, ViewError> {
        let mut all = self.notes.list(&notes_of(projection))?;
        all.extend(self.notes.list(&tables_of(projection))?);
        Ok(all)
    }

    fn note<N: DeserializeOwned>(&mut self, key: &str) -> Result<Option<N>, ViewError> {
        let note = self.notes.get(key)?;
        let note = note.map(|note| notes::read(key, &note)).transpose();
        note.map_err(|error| ViewError::DamagedNote {
            note: key.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// How the keys of a projection's notes begin; of all projections for no name.
fn notes_of(projection: &str) -> String {
    match projection {
        "" => "projection/".to_owned(),
        name => format!("projection/{name}/"),
    }
}

fn tables_of(projection: &str) -> String {
    format!("table/{projection}/")
}

fn renamed(key: &str, from: &str, to: &str) -> String {
    let kind = if key.starts_with("table/") {
        "table"
    } else {
        "projection"
    };
    let rest = key.get(kind.len() + 1 + from.len()..).unwrap_or_default();
    format!("{kind}/{to}{rest}")
}
