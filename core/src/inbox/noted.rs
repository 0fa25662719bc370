//! The notes of inboxes, read by name: for tools, which have no handlers.

use super::notes::{InboxKeys, Parked};
use super::parked::ParkedMessage;
use crate::consumer::HandleError;
use crate::consumer::handle_error;
use crate::consumer::notes::{self, NoteError, backend};
use crate::notes::NoteStore;
use std::fmt;

/// The notes of one inbox, or of the replies to a process manager, readable by its name alone, wherever it runs.
///
/// They are in the [store](crate::notes::StoreNotes) of the events.
///
/// ```
/// use midgard::inbox::InboxNotes;
/// use midgard::notes::StoreNotes;
/// # use midgard::MemoryStore;
/// # midgard::block_on(async {
/// # let store = MemoryStore::new();
///
/// let notes = StoreNotes::of(store);
/// for parked in InboxNotes::of(&notes, "warehouse").parked_messages_after("", 100).await? {
///     println!("{parked}");
/// }
/// # Ok::<_, midgard::consumer::HandleError>(())
/// # }).unwrap();
/// ```
pub struct InboxNotes<'a, N> {
    name: String,
    notes: &'a N,
    keys: InboxKeys,
}

impl<'a, N: NoteStore> InboxNotes<'a, N> {
    /// Returns the notes of an inbox, whether it has any or not. The name of a process manager stands for the replies to
    /// its commands.
    #[must_use]
    pub fn of(notes: &'a N, name: &str) -> Self {
        InboxNotes {
            name: name.to_owned(),
            notes,
            keys: InboxKeys::new(name),
        }
    }

    /// Lists the parked messages after a [number](ParkedMessage::number), in the order in which they came, and at most
    /// `limit`. The first page comes after `""`.
    ///
    /// # Errors
    /// [`HandleError::Notes`] when a note cannot be read.
    pub async fn parked_messages_after(
        &self,
        number: &str,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, HandleError> {
        let parked = parked_messages(self.notes, &self.keys, number, limit).await;
        parked.map_err(|error| handle_error::notes(&self.name, error))
    }
}

impl<N> fmt::Debug for InboxNotes<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxNotes")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Lists the parked messages after a number, in the order of their numbers, and at most `limit`.
pub(crate) async fn parked_messages<N: NoteStore>(
    notes: &N,
    keys: &InboxKeys,
    after: &str,
    limit: usize,
) -> Result<Vec<ParkedMessage>, NoteError> {
    let mut transaction = notes.begin_read().await.map_err(backend)?;
    let (prefix, after) = (keys.parked_all(), keys.parked(after));
    let page = notes.list_page(&mut transaction, &prefix, &after, limit);
    let page = page.await.map_err(backend)?;
    let listed = page.into_iter().map(|(key, note)| {
        let parked: Parked = notes::read(&key, &note)?;
        Ok(parked.show(key.strip_prefix(&prefix).unwrap_or_default()))
    });
    listed.collect()
}
