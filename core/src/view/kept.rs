//! What projections have stored, whether they still run or not: listing, renaming and removing it.

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

/// A projection that has stored something in [`Views`], whether a program still has it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptProjection {
    /// Its name.
    pub name: String,
    /// Its views that readers see.
    pub views: Vec<String>,
    /// The place up to which they include the main log.
    pub place: Place,
    /// The places up to which they include the other logs, for stores with several.
    pub other_places: Vec<Place>,
}

impl Views {
    /// Returns all projections that have stored something here, by name, including those that no program has any more.
    ///
    /// # Errors
    /// When the notes, or the store, cannot be read.
    pub async fn projections(&self) -> Result<Vec<KeptProjection>, ViewError> {
        let mut transaction = self.begin_notes().await?;
        transaction.with_loaded(ViewTransaction::projections).await
    }

    /// Renames a projection with all that it has stored, such as its views and its checkpoint, for a release that calls it
    /// by another name. Returns whether there was anything under the old name, so it can be called at every start, before
    /// the program runs.
    ///
    /// Stop the release with the old name first. Otherwise it begins again under that name, finds that its views
    /// belong to another projection, and reports it.
    ///
    /// # Errors
    /// [`ViewError::NameTaken`] when something is stored under the new name, too; or when the store fails. Nothing is
    /// changed then.
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
            let rename = |one: &mut ViewTransaction| one.rename(from, to);
            if !transaction.with_loaded(rename).await? {
                return Ok(Some(false));
            }
            self.commit(transaction).await.map(|()| Some(true))
        })
        .await
    }

    /// Removes everything that a projection has stored: its views, its checkpoint, its dead letters. Returns whether there
    /// was anything. Readers stop seeing its views at once. If the removal fails half-way, the next call continues it.
    ///
    /// A program that still runs the projection rebuilds its views.
    ///
    /// # Errors
    /// When the store fails, or other workers keep changing the same notes.
    pub async fn remove_projection(&self, name: &str) -> Result<bool, ViewError> {
        let mut was_there = false;
        self.decisively(async || {
            let mut transaction = self.begin_notes().await?;
            let remove = |one: &mut ViewTransaction| one.remove_projection(name);
            let Some(is_all) = transaction.with_loaded(remove).await? else {
                return Ok(Some(()));
            };
            was_there = true;
            let committed = self.commit(transaction).await;
            committed.map(|()| is_all.then_some(()))
        })
        .await?;
        Ok(was_there)
    }

    async fn begin_notes(&self) -> Result<ViewTransaction, ViewError> {
        self.begin().await
    }

    /// Repeats work until it is complete, and after conflicts with others.
    async fn decisively<T>(
        &self,
        mut work: impl AsyncFnMut() -> Result<Option<T>, ViewError>,
    ) -> Result<T, ViewError> {
        let mut setbacks = Setbacks::new();
        loop {
            match work().await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => setbacks.end(),
                Err(ViewError::Changed { .. } | ViewError::Conflict { .. })
                    if setbacks.conflict().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl ViewTransaction {
    fn projections(&mut self) -> Result<Vec<KeptProjection>, ViewError> {
        let mut kept = BTreeMap::<String, KeptProjection>::new();
        let notes = self.notes.list(&notes_of(""))?;
        let tables = self.notes.list("table/")?;
        let names = notes.iter().chain(&tables);
        for name in names.filter_map(|(key, _)| key.split('/').nth(1)) {
            let one = || KeptProjection {
                name: name.to_owned(),
                views: Vec::new(),
                place: Place::START,
                other_places: Vec::new(),
            };
            kept.entry(name.to_owned()).or_insert_with(one);
        }
        for (key, note) in self.notes.list(&layout::view_note(""))? {
            let note: ViewNote = layout::parse(&key, note.as_bytes())?;
            if let Some(kept) = kept.get_mut(&note.projection) {
                kept.views
                    .extend(key.strip_prefix("view/").map(str::to_owned));
            }
        }
        for one in kept.values_mut() {
            let keys = Keys::new("projection", &one.name);
            let about: Option<AboutProjection> = self.note(&keys.about())?;
            let Some(seen) = about.and_then(|about| about.seen()) else {
                continue;
            };
            for (key, note) in self.notes.list(&keys.checkpoints(seen))? {
                let Some(log) = Keys::log_of_checkpoint(&key) else {
                    continue;
                };
                let at: Checkpoint = read(&key, &note)?;
                let place = Place::new(log, Position(at.position));
                if log == LogId::MAIN {
                    one.place = place;
                } else {
                    one.other_places.push(place);
                }
            }
            one.other_places.sort_unstable_by_key(|place| place.log);
        }
        Ok(kept.into_values().collect())
    }

    /// Returns the notes of a projection and of its tables, on which the commit relies.
    fn all_notes(&mut self, projection: &str) -> Result<Vec<(String, String)>, ViewError> {
        let mut all = self.notes.list(&notes_of(projection))?;
        all.extend(self.notes.list(&tables_of(projection))?);
        Ok(all)
    }

    /// Renames what a projection has stored; returns whether there was anything.
    fn rename(&mut self, from: &str, to: &str) -> Result<bool, ViewError> {
        let all = self.all_notes(from)?;
        if all.is_empty() || from == to {
            return Ok(!all.is_empty());
        }
        if !self.all_notes(to)?.is_empty() {
            return Err(ViewError::NameTaken {
                projection: from.to_owned(),
                name: to.to_owned(),
            });
        }
        // All is read before anything is changed.
        let mut seen = Vec::new();
        for key in self.seen_of(from, |_| true)? {
            if let Some(note) = self.notes.get(&key)? {
                seen.push((key, note));
            }
        }
        for (key, note) in &all {
            self.notes.put(key, None);
            // Leases under the old name are not valid under the new one.
            if !key.contains("/lease/") && !key.contains("/challenge/") {
                let renamed = renamed(key, from, to);
                self.notes.put(&renamed, Some(note));
            }
        }
        for (key, note) in seen {
            let note: ViewNote = layout::parse(&key, note.as_bytes())?;
            let note = ViewNote {
                projection: to.to_owned(),
                ..note
            };
            let note = layout::write(&key, &note)?;
            self.notes.put(&key, Some(&note));
        }
        Ok(true)
    }

    /// Removes what a projection has stored, as much as one transaction may. Returns whether that is all; `None` if there was
    /// nothing.
    fn remove_projection(&mut self, name: &str) -> Result<Option<bool>, ViewError> {
        let all = self.all_notes(name)?;
        let seen = self.seen_of(name, |_| true)?;
        if all.is_empty() && seen.is_empty() {
            return Ok(None);
        }
        for key in &seen {
            self.notes.get(key)?;
        }
        for key in seen {
            self.forget(&key)?;
        }
        let mut is_all = true;
        for (key, note) in &all {
            if key.starts_with("table/") {
                let note: TableNote = layout::parse(key, note.as_bytes())?;
                let view = key.rsplit('/').next().unwrap_or_default();
                is_all = is_all && self.remove_table(view, note.table)?;
            }
        }
        // While there are rows, their tables stay noted, so that their numbers are not used for new ones.
        if is_all {
            for (key, _) in &all {
                self.notes.put(key, None);
            }
        }
        Ok(Some(is_all))
    }

    fn note<N: DeserializeOwned>(&mut self, key: &str) -> Result<Option<N>, ViewError> {
        let note = self.notes.get(key)?;
        note.map(|note| read(key, &note)).transpose()
    }
}

fn read<N: DeserializeOwned>(key: &str, note: &str) -> Result<N, ViewError> {
    notes::read(key, note).map_err(|error| ViewError::DamagedNote {
        note: key.to_owned(),
        reason: error.to_string(),
    })
}

/// Returns the prefix of the keys of a projection's notes; that of all projections for an empty name.
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
