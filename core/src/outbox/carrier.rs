//! Which outbox of a store carries its commands and answers, and up to where they have left.
//!
//! There is one at a time: those that carry them share a lease. So there is one checkpoint for them, whatever outbox it is. While
//! one outbox carries them, it is that outbox's own; who takes over from it notes where that was, and goes on from there.

use super::DEFAULT_NAME;
use crate::command::{CommandAnswered, CommandSent};
use crate::consumer::notes::{self, Checkpoint, Keys, Lease, Letter, NoteError, backend};
use crate::event::Event as _;
use crate::place::{LogId, Position};
use crate::projection::ViewStore as _;
use crate::record::RecordedEventRef;
use crate::store::Store;
use crate::store::entry_transaction::{NotesTransaction, StoreNotes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The outbox that carries commands and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Carrier {
    outbox: String,
    /// Up to here, commands and answers had left when it took over, or have since.
    from: u64,
    /// Where its own checkpoint was then, if that was further: so far, `from` says where it is, and then its checkpoint does.
    until: u64,
}

impl Carrier {
    /// Up to where commands and answers have left, when the outbox's checkpoint is here.
    fn left(&self, checkpoint: u64) -> u64 {
        if checkpoint <= self.until {
            self.from
        } else {
            self.from.max(checkpoint)
        }
    }
}

/// The outboxes of one program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outboxes(Arc<Mutex<BTreeSet<String>>>);

impl Outboxes {
    pub(crate) fn add(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned());
    }

    fn contains(&self, name: &str) -> bool {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.contains(name)
    }
}

/// What is not to leave (again), while an outbox goes over what others have left.
#[derive(Debug, Default)]
pub(super) struct Passed {
    events: AtomicU64,
    commands: AtomicU64,
}

impl Passed {
    /// Whether an event is still to leave.
    pub(super) fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        let passed = if is_command(event.name) {
            &self.commands
        } else {
            &self.events
        };
        event.position.0 > passed.load(Ordering::Relaxed)
    }

    fn set(&self, events: u64, commands: u64) {
        self.events.store(events, Ordering::Relaxed);
        self.commands.store(commands, Ordering::Relaxed);
    }

    /// Whether the checkpoint of the outbox does not say that a command has left, as it is ahead of it.
    pub(super) fn is_noted_apart(&self, event: &RecordedEventRef<'_>) -> bool {
        let events = self.events.load(Ordering::Relaxed);
        event.position.0 <= events && is_command(event.name) && self.wants(event)
    }
}

/// Whether an event is a command that was sent, or an answer to one.
fn is_command(name: &str) -> bool {
    name == CommandSent::NAME || name == CommandAnswered::NAME
}

/// The outboxes of a store that publish to one bus, seen from one of them.
pub(super) struct Fleet<'a, S> {
    pub(super) notes: &'a StoreNotes<S>,
    /// What the keys of their notes begin with.
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

impl<S: Store> Fleet<'_, S> {
    fn key(&self) -> String {
        format!("{}.carrier", self.kind)
    }

    fn keys(&self, outbox: &str) -> Keys {
        Keys::new(self.kind, outbox)
    }

    /// The outboxes that have been run on this store, but for this one.
    async fn others(&self) -> Result<BTreeSet<String>, NoteError> {
        let prefix = format!("{}/", self.kind);
        // No transaction is to rely on what others go on to write.
        let mut apart = NotesTransaction::default();
        let notes = self.notes.list(&mut apart, &prefix).await;
        let notes = notes.map_err(backend)?;
        let names = notes.iter().filter_map(|(key, _)| {
            let name = key.strip_prefix(&prefix)?.strip_suffix("/about")?;
            (name != self.name).then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    /// Why this outbox may not begin with whatever it would begin with: it may be another one under a new name.
    pub(super) async fn refuses_to_begin(
        &self,
        siblings: &Outboxes,
    ) -> Result<Option<String>, NoteError> {
        let others = self.others().await?.into_iter();
        let others: Vec<_> = others
            .filter(|other| !siblings.contains(other))
            .map(|other| format!("\"{other}\""))
            .collect();
        if others.is_empty() {
            return Ok(None);
        }
        Ok(Some(format!(
            "this store has had another outbox, {}, and a new one would publish all of history once more; keep that \
             name, with `Outbox::named`, to go on where it was, or say with `Outbox::from` where this one begins",
            others.join(", ")
        )))
    }

    async fn checkpoint(
        &self,
        transaction: &mut NotesTransaction,
        outbox: &str,
    ) -> Result<Option<u64>, NoteError> {
        let key = self.keys(outbox).checkpoint(0, LogId::MAIN, 0);
        let checkpoint: Option<Checkpoint> = notes::get(self.notes, transaction, &key).await?;
        Ok(checkpoint.map(|checkpoint| checkpoint.position))
    }

    /// The outbox that carries the commands, and up to where they have left; `None` when none has yet.
    async fn carrier(
        &self,
        transaction: &mut NotesTransaction,
    ) -> Result<Option<(Carrier, u64)>, NoteError> {
        let carrier: Option<Carrier> = notes::get(self.notes, transaction, &self.key()).await?;
        let Some(carrier) = carrier else {
            return Ok(None);
        };
        let checkpoint = self.checkpoint(transaction, &carrier.outbox).await?;
        let left = carrier.left(checkpoint.unwrap_or_default());
        Ok(Some((carrier, left)))
    }

    /// The outbox that has carried the commands in a release that did not note it, and its checkpoint. It is the one that was
    /// given no name, mostly; else the one from which on nothing is lost.
    async fn unnoted(
        &self,
        transaction: &mut NotesTransaction,
    ) -> Result<Option<(String, u64)>, NoteError> {
        let mut least: Option<(String, u64)> = None;
        for other in self.others().await? {
            let Some(checkpoint) = self.checkpoint(transaction, &other).await? else {
                continue;
            };
            if other == DEFAULT_NAME {
                return Ok(Some((other, checkpoint)));
            }
            if least.as_ref().is_none_or(|(_, least)| checkpoint < *least) {
                least = Some((other, checkpoint));
            }
        }
        Ok(least)
    }

    /// The outbox that carries the commands, when it is another one.
    pub(super) async fn other_carrier(&self) -> Result<Option<String>, NoteError> {
        let mut transaction = NotesTransaction::default();
        let key = self.key();
        let carrier: Option<Carrier> = notes::get(self.notes, &mut transaction, &key).await?;
        let carrier = carrier.map(|carrier| carrier.outbox);
        Ok(carrier.filter(|outbox| outbox != self.name))
    }

    /// Lets this outbox carry the commands, as it has come to own the lease; gives where to go on, and says what has
    /// left before.
    pub(super) async fn take_over(
        &self,
        passed: &Passed,
        (lease_key, lease): (&str, &Lease),
        saved: Option<Position>,
        start: Position,
    ) -> Result<Position, NoteError> {
        let mut transaction = NotesTransaction::default();
        // Who has lost it meanwhile changes nothing.
        let now: Option<Lease> = notes::get(self.notes, &mut transaction, lease_key).await?;
        if now.as_ref() != Some(lease) {
            let error = "another worker has taken over the outbox";
            return Err(NoteError::Conflict(error.into()));
        }
        let checkpoint = saved.unwrap_or(start).0;
        let (before, left) = match self.carrier(&mut transaction).await? {
            Some((carrier, _)) if carrier.outbox == self.name => {
                let left = carrier.left(checkpoint);
                passed.set(checkpoint, left);
                return Ok(Position(checkpoint.min(left)));
            }
            Some((carrier, left)) => (Some(carrier.outbox), left),
            None if saved.is_some() => (None, checkpoint),
            None => match self.unnoted(&mut transaction).await? {
                Some((outbox, left)) => (Some(outbox), left),
                None => (None, 0),
            },
        };
        if let Some(before) = before {
            self.take_letters(&before, &mut transaction).await?;
        }
        let carrier = Carrier {
            outbox: self.name.to_owned(),
            from: left,
            until: if checkpoint > left { checkpoint } else { 0 },
        };
        notes::put(self.notes, &mut transaction, &self.key(), &carrier).await?;
        notes::commit(self.notes, transaction).await?;
        passed.set(checkpoint, left);
        Ok(Position(checkpoint.min(left)))
    }

    /// Notes, as part of a transaction, that commands have left up to a position that this outbox's own checkpoint is ahead of.
    pub(super) async fn note(
        &self,
        transaction: &mut NotesTransaction,
        position: Position,
        passed: &Passed,
    ) -> Result<(), NoteError> {
        let carrier = Carrier {
            outbox: self.name.to_owned(),
            from: position.0,
            until: passed.events.load(Ordering::Relaxed),
        };
        notes::put(self.notes, transaction, &self.key(), &carrier).await
    }

    /// Takes over the commands and answers that another outbox has parked: what follows them waits for them.
    async fn take_letters(
        &self,
        other: &str,
        transaction: &mut NotesTransaction,
    ) -> Result<(), NoteError> {
        let prefix = self.keys(other).letters(0);
        let letters: Vec<(String, Letter)> = notes::list(self.notes, transaction, &prefix).await?;
        for (key, letter) in letters {
            if is_command(&letter.name) {
                let own = self.keys(self.name);
                let own = own.letter(0, LogId(letter.log), Position(letter.position));
                notes::remove(self.notes, transaction, &key).await?;
                notes::put(self.notes, transaction, &own, letter).await?;
            }
        }
        Ok(())
    }
}
