//! The processes of a process manager, read by its name: for tools, which have no process manager.

use super::notes::{Open, Process, ProcessKeys};
use super::replies::id_of;
use crate::consumer::notes::{self, NoteError, backend};
use crate::consumer::{ConsumerKind, ConsumerNotes, DeadLetter, HandleError, handle_error};
use crate::inbox::{InboxKeys, parked_messages};
use crate::notes::NoteStore;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// The notes of one process manager about its processes, readable by its name alone, wherever it runs.
///
/// They are in the [store](crate::notes::StoreNotes) of the events. Its checkpoint and its dead letters are in its
/// [`ConsumerNotes`], and the parked replies to its commands in its [`InboxNotes`](crate::inbox::InboxNotes).
///
/// ```
/// use midgard::notes::StoreNotes;
/// use midgard::process::ProcessNotes;
/// # use midgard::{MemoryStore, Timestamp};
/// # use std::time::Duration;
/// # midgard::block_on(async {
/// # let store = MemoryStore::new();
///
/// let notes = StoreNotes::of(store);
/// for process in ProcessNotes::of(&notes, "shipment").processes().await? {
///     if process.is_stuck(Timestamp::now(), Duration::from_secs(3600)) {
///         println!("{process}");
///     }
/// }
/// # Ok::<_, midgard::consumer::HandleError>(())
/// # }).unwrap();
/// ```
pub struct ProcessNotes<'a, N> {
    name: String,
    notes: &'a N,
}

impl<'a, N: NoteStore> ProcessNotes<'a, N> {
    /// Returns the notes of a process manager, whether it has any or not.
    #[must_use]
    pub fn of(notes: &'a N, name: &str) -> Self {
        ProcessNotes {
            name: name.to_owned(),
            notes,
        }
    }

    /// Lists the processes that have not ended, by their ids.
    ///
    /// # Errors
    /// [`HandleError::Notes`] when a note cannot be read.
    pub async fn processes(&self) -> Result<Vec<Process>, HandleError> {
        let consumer = ConsumerNotes::of(self.notes, ConsumerKind::ProcessManager, &self.name);
        let letters = consumer.dead_letters_after(None, usize::MAX).await?;
        let processes = open_processes(self.notes, &self.name, letters).await;
        processes.map_err(|error| handle_error::notes(&self.name, error))
    }
}

impl<N> fmt::Debug for ProcessNotes<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessNotes")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Lists the open processes of a process manager with these dead letters, in the order of their ids.
pub(super) async fn open_processes<N: NoteStore>(
    notes: &N,
    name: &str,
    letters: Vec<DeadLetter>,
) -> Result<Vec<Process>, NoteError> {
    let mut transaction = notes.begin_read().await.map_err(backend)?;
    let keys = ProcessKeys::new(name);
    let prefix = keys.open_all();
    let open: Vec<(String, Open)> = notes::list(notes, &mut transaction, &prefix).await?;
    let mut all: BTreeMap<String, Process> = open
        .into_iter()
        .map(|(key, open)| {
            let id = key.strip_prefix(&prefix).unwrap_or_default().to_owned();
            (id.clone(), shown(id, open))
        })
        .collect();
    let deadlines = notes.list(&mut transaction, &keys.deadlines()).await;
    for (key, _) in deadlines.map_err(backend)? {
        if let Some((at, _, id)) = keys.parts_of_deadline(&key)
            && let Some(process) = all.get_mut(id)
        {
            // Deadlines are visited in the order of time.
            process.deadline.get_or_insert(Timestamp::from_micros(at));
        }
    }
    // Parked messages are read in a transaction of their own, and a store may have one at a time only.
    drop(transaction);
    let letters = letters.into_iter();
    let letters = letters.map(|letter| (letter.sequence, letter.parked_at));
    let replies = parked_messages(notes, &InboxKeys::new(name), "", usize::MAX).await?;
    let replies = replies.into_iter().filter_map(|parked| {
        let subject = parked.content.ok()?.subject?;
        let id = id_of(name, &subject)?.to_owned();
        Some((id, parked.parked_at))
    });
    for (id, parked_at) in letters.chain(replies) {
        let process = all.entry(id.clone()).or_insert_with(|| Process {
            id,
            since: parked_at,
            updated: parked_at,
            waiting_for: Vec::new(),
            deadline: None,
            is_parked: true,
        });
        process.is_parked = true;
    }
    Ok(all.into_values().collect())
}

fn shown(id: String, open: Open) -> Process {
    Process {
        id,
        since: Timestamp::from_micros(open.since),
        updated: Timestamp::from_micros(open.updated),
        waiting_for: open.waiting,
        deadline: None,
        is_parked: false,
    }
}
