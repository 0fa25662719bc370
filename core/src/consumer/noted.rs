//! The notes of consumers, read by kind and name: for tools, which have no handlers.

use super::about::{Seen, seen_of_projection, seen_of_subscription};
use super::dead_letter::DeadLetter;
use super::handle_error::{self, HandleError};
use super::notes::{self, Checkpoint, Keys, Letter, NoteError, backend};
use super::status::ConsumerKind;
use crate::notes::NoteStore;
use crate::place::{LogId, Place, Position};
use std::fmt;

/// The notes of one consumer, readable by its kind and name alone, wherever the consumer runs.
///
/// Subscriptions, process managers and outboxes keep their notes in the [store](crate::notes::StoreNotes) of the events,
/// projections in the store of their views. Inboxes follow no log, and have no such notes: their parked messages are in
/// [`InboxNotes`](crate::inbox::InboxNotes), and the processes of a process manager in
/// [`ProcessNotes`](crate::process::ProcessNotes).
///
/// ```
/// use midgard::consumer::{ConsumerKind, ConsumerNotes};
/// use midgard::notes::StoreNotes;
/// # use midgard::{Event, MemoryStore, Midgard, StartFrom, Subscription};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced { number: u64 }
/// # midgard::block_on(async {
/// # let store = MemoryStore::new();
/// # let orders = Subscription::<OrderPlaced>::events("mailer", StartFrom::Start);
/// # Midgard::new(store.clone()).subscribe(orders, |_| async { Ok(()) }).catch_up().await?;
///
/// let notes = StoreNotes::of(store);
/// for consumer in ConsumerNotes::all(&notes).await? {
///     println!("{consumer} has handled {:?}", consumer.checkpoint().await?);
/// }
/// let mailer = ConsumerNotes::of(&notes, ConsumerKind::Subscription, "mailer");
/// assert!(mailer.dead_letters_after(None, 100).await?.is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct ConsumerNotes<'a, N> {
    kind: ConsumerKind,
    name: String,
    notes: &'a N,
    keys: Keys,
}

/// How the keys of notes begin, by the kind of the consumer.
const PREFIXES: [(ConsumerKind, &str); 5] = [
    (ConsumerKind::Subscription, "subscription/"),
    (ConsumerKind::Projection, "projection/"),
    (ConsumerKind::ProcessManager, "process/"),
    (ConsumerKind::Outbox, "outbox/"),
    // Of a bus with an id.
    (ConsumerKind::Outbox, "outbox@"),
];

impl<'a, N: NoteStore> ConsumerNotes<'a, N> {
    /// Returns the notes of a consumer, whether it has any or not. For an outbox, these are its notes for the bus without an
    /// id; [all](Self::all) also lists those for other buses.
    #[must_use]
    pub fn of(notes: &'a N, kind: ConsumerKind, name: &str) -> Self {
        let prefix = PREFIXES.iter().find(|(of, _)| *of == kind);
        let prefix = prefix.map_or("inbox/", |(_, prefix)| prefix);
        ConsumerNotes {
            kind,
            name: name.to_owned(),
            notes,
            keys: Keys::new(prefix.trim_end_matches('/'), name),
        }
    }

    /// Lists the consumers that have begun, by kind and then by name, whether a program still runs them or not. Each costs
    /// two reads.
    ///
    /// # Errors
    /// [`HandleError::Notes`] when the notes cannot be read.
    pub async fn all(notes: &'a N) -> Result<Vec<Self>, HandleError> {
        let mut all = Vec::new();
        for (kind, prefix) in PREFIXES {
            let found = named(notes, kind, prefix, &mut all).await;
            found.map_err(|error| handle_error::notes(prefix, error))?;
        }
        Ok(all)
    }

    /// Returns what the consumer is.
    #[must_use]
    pub const fn kind(&self) -> ConsumerKind {
        self.kind
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the place in the main log up to which the consumer has handled everything; `None` when it has not begun. For a
    /// projection, the place of the views that readers see.
    ///
    /// # Errors
    /// [`HandleError::Notes`] when a note cannot be read.
    pub async fn checkpoint(&self) -> Result<Option<Place>, HandleError> {
        self.checkpoint_in(LogId::MAIN).await
    }

    /// Reads the [checkpoint](Self::checkpoint) in another log than the main one, for stores with several.
    ///
    /// # Errors
    /// [`HandleError::Notes`] when a note cannot be read.
    pub async fn checkpoint_in(&self, log: LogId) -> Result<Option<Place>, HandleError> {
        let checkpoint = self.noted().checkpoint(log).await;
        let checkpoint = checkpoint.map_err(|error| handle_error::notes(&self.name, error))?;
        Ok(checkpoint.map(|position| Place::new(log, position)))
    }

    /// Lists the dead letters after a place, log by log and in the order of each, and at most `limit`.
    ///
    /// # Errors
    /// [`HandleError::Notes`] when a note cannot be read.
    pub async fn dead_letters_after(
        &self,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, HandleError> {
        let after = after.unwrap_or_default();
        let letters = self.noted().dead_letters(after, limit).await;
        letters.map_err(|error| handle_error::notes(&self.name, error))
    }

    fn noted(&self) -> Noted<'_, N> {
        Noted {
            notes: self.notes,
            keys: &self.keys,
            seen: match self.kind {
                ConsumerKind::Projection => seen_of_projection,
                _ => seen_of_subscription,
            },
        }
    }
}

impl<N> fmt::Display for ConsumerNotes<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind, self.name)
    }
}

impl<N> fmt::Debug for ConsumerNotes<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerNotes")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Adds the consumers whose keys begin with a prefix. Of each consumer's notes, only the first and the one about it are read.
async fn named<'a, N: NoteStore>(
    notes: &'a N,
    kind: ConsumerKind,
    prefix: &str,
    all: &mut Vec<ConsumerNotes<'a, N>>,
) -> Result<(), NoteError> {
    let mut transaction = notes.begin_read().await.map_err(backend)?;
    let mut after = prefix.to_owned();
    loop {
        let first = notes.list_page(&mut transaction, prefix, &after, 1).await;
        let Some((first, _)) = first.map_err(backend)?.pop() else {
            return Ok(());
        };
        let mut parts = first.splitn(3, '/');
        let (Some(of), Some(name)) = (parts.next(), parts.next()) else {
            // A note that outboxes share.
            after.clone_from(&first);
            continue;
        };
        // `0` is the character after the slash that ends a name.
        after = format!("{of}/{name}0");
        let keys = Keys::new(of, name);
        let about = notes.get(&mut transaction, &keys.about()).await;
        if about.map_err(backend)?.is_some() {
            all.push(ConsumerNotes {
                kind,
                name: name.to_owned(),
                notes,
                keys,
            });
        }
    }
}

/// The notes of a consumer, as read by programs that do not run it.
pub(crate) struct Noted<'a, N> {
    pub(crate) notes: &'a N,
    pub(crate) keys: &'a Keys,
    /// Reads the note about the consumer.
    pub(crate) seen: fn(&str, &str) -> Result<Option<Seen>, NoteError>,
}

impl<N: NoteStore> Noted<'_, N> {
    /// Reads which generation readers see, and its partitions; `None` when there is none yet.
    pub(crate) async fn seen(
        &self,
        transaction: &mut N::Transaction,
    ) -> Result<Option<Seen>, NoteError> {
        let key = self.keys.about();
        let about = self.notes.get(transaction, &key).await;
        match about.map_err(backend)? {
            Some(about) => (self.seen)(&key, &about),
            None => Ok(None),
        }
    }

    /// Lists what is parked after a place, log by log and in the order of each, and at most `limit`.
    pub(crate) async fn dead_letters(
        &self,
        after: Place,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, NoteError> {
        let mut transaction = self.notes.begin_read().await.map_err(backend)?;
        let Some(seen) = self.seen(&mut transaction).await? else {
            return Ok(Vec::new());
        };
        let prefix = self.keys.letters(seen.generation);
        let after = self.keys.letter(seen.generation, after);
        let page = self
            .notes
            .list_page(&mut transaction, &prefix, &after, limit);
        let page = page.await.map_err(backend)?;
        let letters = page.into_iter().map(|(key, note)| {
            let letter: Letter = notes::read(&key, &note)?;
            Ok(DeadLetter::from(letter))
        });
        letters.collect()
    }

    /// Reads the position up to which all of a log was noted as handled; `None` when it has not begun.
    pub(crate) async fn checkpoint(&self, log: LogId) -> Result<Option<Position>, NoteError> {
        let mut transaction = self.notes.begin_read().await.map_err(backend)?;
        let Some(seen) = self.seen(&mut transaction).await? else {
            return Ok(None);
        };
        let mut lowest = Position::MAX;
        for partition in 0..seen.partitions {
            let key = self.keys.checkpoint(seen.generation, log, partition);
            let checkpoint = notes::get(self.notes, &mut transaction, &key).await?;
            let position = checkpoint.map_or(seen.start_in(log), |at: Checkpoint| at.handled());
            lowest = lowest.min(position);
        }
        Ok(Some(lowest))
    }
}
