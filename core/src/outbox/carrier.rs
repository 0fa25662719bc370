//! Which outbox of a store carries its commands and answers, and how far they have left.
//!
//! Only one outbox carries them at a time: all that could share a lease. So commands and answers have one checkpoint,
//! whatever outbox carries them. While an outbox carries them, its own checkpoint serves; the outbox that takes over notes
//! how far that was, and continues from there. Where a store has several logs, all of this holds for each log by itself.

use super::definition::DEFAULT_NAME;
use crate::command::{CommandAnswered, CommandSent};
use crate::consumer::notes::{self, Behind, Checkpoint, Keys, Lease, Letter, NoteError, backend};
use crate::event::Event as _;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore as _;
use crate::notes::{NotesTransaction, StoreNotes};
use crate::place::LogId;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The outbox that carries commands and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Carrier {
    /// `None` when the last one carries only events now.
    outbox: Option<String>,
    /// Commands and answers up to here had left when it took over.
    from: u64,
}

impl Carrier {
    /// Returns how far commands and answers have left, given the outbox's checkpoint.
    fn left(&self, checkpoint: &Checkpoint) -> u64 {
        let mut behind = checkpoint.behind.iter();
        let behind = behind.find(|behind| are_commands(behind));
        behind.map_or(self.from.max(checkpoint.position), |behind| behind.position)
    }
}

fn are_commands(behind: &Behind) -> bool {
    behind.names.contains(CommandSent::NAME)
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

/// How far commands and answers had left when an outbox took them over: they must not leave again.
#[derive(Debug, Default)]
pub(super) struct Passed {
    main: AtomicU64,
    others: RwLock<BTreeMap<LogId, u64>>,
}

impl Passed {
    /// Returns whether an event has yet to leave.
    pub(super) fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        event.position.0 > self.of(event.log) || !is_command(event.name)
    }

    fn of(&self, log: LogId) -> u64 {
        if log == LogId::MAIN {
            return self.main.load(Ordering::Relaxed);
        }
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.get(&log).copied().unwrap_or_default()
    }

    fn set(&self, log: LogId, position: u64) {
        if log == LogId::MAIN {
            self.main.store(position, Ordering::Relaxed);
            return;
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.insert(log, position);
    }
}

/// Returns whether an event is a command that was sent, or an answer to one.
pub(super) fn is_command(name: &str) -> bool {
    name == CommandSent::NAME || name == CommandAnswered::NAME
}

/// The outboxes of a store that publish to one bus, seen from one of them, in one log.
pub(super) struct Fleet<'a, S> {
    pub(super) log: LogId,
    pub(super) notes: &'a StoreNotes<S>,
    /// The prefix of the keys of their notes.
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

impl<S: Store> Fleet<'_, S> {
    fn key(&self) -> String {
        match self.log {
            LogId::MAIN => format!("{}.carrier", self.kind),
            log => format!("{}.carrier.{log}", self.kind),
        }
    }

    fn keys(&self, outbox: &str) -> Keys {
        Keys::new(self.kind, outbox)
    }

    /// Returns the outboxes that have been run on this store.
    async fn all(&self) -> Result<BTreeSet<String>, NoteError> {
        let prefix = format!("{}/", self.kind);
        // No transaction should depend on notes that others keep writing.
        let mut apart = NotesTransaction::default();
        let notes = self.notes.list(&mut apart, &prefix).await;
        let notes = notes.map_err(backend)?;
        let names = notes.iter().filter_map(|(key, _)| {
            let name = key.strip_prefix(&prefix)?.strip_suffix("/about")?;
            Some(name.to_owned())
        });
        Ok(names.collect())
    }

    /// Returns why this outbox may not begin at its default: it may be an earlier one under a new name.
    pub(super) async fn refuses_to_begin(
        &self,
        siblings: &Outboxes,
    ) -> Result<Option<String>, NoteError> {
        let others = self.all().await?.into_iter();
        let others: Vec<_> = others
            .filter(|other| other != self.name && !siblings.contains(other))
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
    ) -> Result<Option<Checkpoint>, NoteError> {
        let key = self.keys(outbox).checkpoint(0, self.log, 0);
        notes::get(self.notes, transaction, &key).await
    }

    async fn carrier(
        &self,
        transaction: &mut NotesTransaction,
    ) -> Result<Option<Carrier>, NoteError> {
        notes::get(self.notes, transaction, &self.key()).await
    }

    async fn put_carrier(
        &self,
        transaction: &mut NotesTransaction,
        outbox: Option<&str>,
        from: u64,
    ) -> Result<(), NoteError> {
        let outbox = outbox.map(ToOwned::to_owned);
        let carrier = Carrier { outbox, from };
        notes::put(self.notes, transaction, &self.key(), carrier).await
    }

    /// Returns the outbox that carried the commands in a release that did not note it, and its checkpoint. This is the
    /// unnamed outbox, if there is one; otherwise the one from which on nothing is lost.
    async fn unnoted(
        &self,
        transaction: &mut NotesTransaction,
    ) -> Result<Option<(String, u64)>, NoteError> {
        let mut least: Option<(String, u64)> = None;
        for name in self.all().await? {
            let Some(Checkpoint { position, .. }) = self.checkpoint(transaction, &name).await?
            else {
                continue;
            };
            if name == DEFAULT_NAME {
                return Ok(Some((name, position)));
            }
            if least.as_ref().is_none_or(|(_, least)| position < *least) {
                least = Some((name, position));
            }
        }
        Ok(least)
    }

    /// Returns the outbox that carries the commands, when it is another one.
    pub(super) async fn other_carrier(&self) -> Result<Option<String>, NoteError> {
        let carrier = self.carrier(&mut NotesTransaction::default()).await?;
        let outbox = carrier.and_then(|carrier| carrier.outbox);
        Ok(outbox.filter(|outbox| outbox != self.name))
    }

    /// Begins a transaction that depends on a lease: a worker that has lost it meanwhile changes nothing.
    async fn begin(&self, (key, lease): (&str, &Lease)) -> Result<NotesTransaction, NoteError> {
        let mut transaction = NotesTransaction::default();
        let now: Option<Lease> = notes::get(self.notes, &mut transaction, key).await?;
        if now.as_ref() == Some(lease) {
            Ok(transaction)
        } else {
            let error = "another worker has taken over the outbox";
            Err(NoteError::Conflict(error.into()))
        }
    }

    /// Makes this outbox the carrier of the commands, once it owns the lease; notes how far they had left, and returns
    /// where it continues.
    pub(super) async fn take_over(
        &self,
        passed: &Passed,
        lease: (&str, &Lease),
        mut checkpoint: Checkpoint,
    ) -> Result<Checkpoint, NoteError> {
        let mut transaction = self.begin(lease).await?;
        let (before, left) = match self.carrier(&mut transaction).await? {
            Some(carrier) if carrier.outbox.as_deref() == Some(self.name) => {
                passed.set(self.log, carrier.from);
                return Ok(checkpoint);
            }
            Some(carrier) => {
                let checkpoint = match &carrier.outbox {
                    Some(outbox) => self.checkpoint(&mut transaction, outbox).await?,
                    None => None,
                };
                let left = carrier.left(&checkpoint.unwrap_or_default());
                (carrier.outbox, left)
            }
            None => match self.checkpoint(&mut transaction, self.name).await? {
                Some(checkpoint) => (None, checkpoint.position),
                None => match self.unnoted(&mut transaction).await? {
                    Some((outbox, left)) => (Some(outbox), left),
                    None => (None, 0),
                },
            },
        };
        if let Some(before) = before {
            self.take_letters(&before, &mut transaction).await?;
        }
        let is_changed = self.forget_commands(&mut checkpoint) | (left < checkpoint.position);
        if left < checkpoint.position {
            // It is ahead: first it publishes what the one before it has left over.
            checkpoint.behind.push(Behind {
                names: [CommandSent::NAME, CommandAnswered::NAME]
                    .map(ToOwned::to_owned)
                    .into(),
                position: left,
                end: checkpoint.position,
            });
        }
        if is_changed {
            self.put_checkpoint(&mut transaction, &checkpoint).await?;
        }
        self.put_carrier(&mut transaction, Some(self.name), left)
            .await?;
        notes::commit(self.notes, transaction).await?;
        passed.set(self.log, left);
        Ok(checkpoint)
    }

    /// Makes this outbox carry no commands, once it owns its lease; if it did before, notes how far they have left, as its
    /// checkpoint no longer shows it.
    pub(super) async fn leave(
        &self,
        lease: (&str, &Lease),
        mut checkpoint: Checkpoint,
    ) -> Result<Checkpoint, NoteError> {
        let mut transaction = self.begin(lease).await?;
        let left = match self.carrier(&mut transaction).await? {
            Some(carrier) if carrier.outbox.as_deref() == Some(self.name) => {
                carrier.left(&checkpoint)
            }
            Some(_) => return Ok(checkpoint),
            None => match self.unnoted(&mut transaction).await? {
                Some((name, left)) if name == self.name => left,
                _ => return Ok(checkpoint),
            },
        };
        if self.forget_commands(&mut checkpoint) {
            self.put_checkpoint(&mut transaction, &checkpoint).await?;
        }
        self.put_carrier(&mut transaction, None, left).await?;
        notes::commit(self.notes, transaction).await?;
        Ok(checkpoint)
    }

    /// Removes the commands from a checkpoint; returns whether there were any.
    fn forget_commands(&self, checkpoint: &mut Checkpoint) -> bool {
        let before = checkpoint.behind.len();
        checkpoint.behind.retain(|behind| !are_commands(behind));
        checkpoint.behind.len() < before
    }

    async fn put_checkpoint(
        &self,
        transaction: &mut NotesTransaction,
        checkpoint: &Checkpoint,
    ) -> Result<(), NoteError> {
        let key = self.keys(self.name).checkpoint(0, self.log, 0);
        notes::put(self.notes, transaction, &key, checkpoint).await
    }

    /// Takes over the commands and answers that another outbox has parked: later ones of their sequences wait for them.
    async fn take_letters(
        &self,
        other: &str,
        transaction: &mut NotesTransaction,
    ) -> Result<(), NoteError> {
        let prefix = self.keys(other).letters_in(0, self.log);
        let letters: Vec<(String, Letter)> = notes::list(self.notes, transaction, &prefix).await?;
        for (key, letter) in letters {
            if is_command(&letter.name) {
                let own = self.keys(self.name);
                let own = own.letter(0, letter.place());
                notes::remove(self.notes, transaction, &key).await?;
                notes::put(self.notes, transaction, &own, letter).await?;
            }
        }
        Ok(())
    }
}
