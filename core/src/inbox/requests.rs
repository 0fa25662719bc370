//! What is asked for about parked messages, and the forgetting of messages that were handled long ago.

use super::handling::{AttemptError, Desk, Dispatch};
use super::notes::{InboxKeys, KeyParked, MessageRequest, Parked};
use super::parked::ParkedMessage;
use crate::consumer::notebook::{Answer, Notebook};
use crate::consumer::notes::{self, NoteError, backend};
use crate::store::{EntryError, EntryWrite, ReadEntries, Store as _};
use crate::time::Timestamp;
use crate::unit_of_work::Work;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::ops::ControlFlow;
use std::time::Duration;

/// How many notes are removed at once.
const AT_ONCE: usize = 1000;
/// For how long two versions of a service run at once, at most.
const LATELY: Duration = Duration::from_secs(3600);

/// What is asked for about a parked message.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) number: String,
    /// What it is to be in order with.
    pub(super) key: String,
    pub(super) is_eviction: bool,
    /// Whether nothing else of its key is meant, and nobody but this program has asked.
    pub(super) is_alone: bool,
}

/// What of a parked message tells whether it was read.
#[derive(Deserialize)]
struct ReadOfParked {
    message: Option<IgnoredAny>,
    key: Option<IgnoredAny>,
    failures: u32,
    parked: u64,
}

/// What of a parked message tells what it is in order with.
#[derive(Deserialize)]
struct KeyOfParked {
    key: Option<String>,
    #[serde(default)]
    place: u64,
}

impl<D: Dispatch> Desk<D> {
    /// What is asked for.
    pub(super) async fn asked(&self) -> Result<Vec<Asked>, NoteError> {
        let mut unit = self.work.unit();
        let prefix = self.keys.requests();
        let requests = notes::list(&self.work, &mut unit, &prefix).await?;
        let mut all = Vec::new();
        for (key, MessageRequest { is_eviction }) in requests {
            let number = key.strip_prefix(&prefix).unwrap_or_default().to_owned();
            let parked: Option<Parked> =
                notes::get(&self.work, &mut unit, &self.keys.parked(&number)).await?;
            let key = parked.and_then(|parked| parked.key);
            all.push(Asked {
                key: key.unwrap_or_else(|| number.clone()),
                number,
                is_eviction,
                is_alone: false,
            });
        }
        Ok(all)
    }

    /// What was parked a short while ago because it could not be read, or no handler was for it, and this program asks for:
    /// while an old version of a service and a new one run at once, the old one is given what only the new one knows.
    pub(super) async fn unread_lately(&self) -> Result<Vec<Asked>, NoteError> {
        let (topics, now) = (self.dispatch.topics(), Timestamp::now().as_micros());
        let mut all = Vec::new();
        self.visit_parked(&mut |number, note| {
            let read: Result<ReadOfParked, _> = notes::read(number, note);
            let is_meant = read.is_ok_and(|one| {
                let is_unread = one.message.is_some() && one.key.is_none() && one.failures == 0;
                is_unread && Duration::from_micros(now.saturating_sub(one.parked)) < LATELY
            });
            if !is_meant {
                return;
            }
            let parked: Result<Parked, _> = notes::read(number, note);
            let message = parked.ok().and_then(|parked| parked.content().ok());
            if let Some(message) = message.filter(|message| topics.contains(&message.topic())) {
                all.push(Asked {
                    number: number.to_owned(),
                    key: message.key,
                    is_eviction: false,
                    is_alone: true,
                });
            }
        })
        .await?;
        Ok(all)
    }

    /// Does what is asked for, and forgets that it was.
    pub(super) async fn answer_request(&self, asked: &Asked) -> Result<(), AttemptError> {
        if asked.is_alone {
            let mut unit = self.work.unit();
            let key = self.keys.key(&asked.key);
            let parked: Option<KeyParked> = notes::get(&self.work, &mut unit, &key).await?;
            // Behind others of its key it waits for someone to retry it.
            if parked.is_none() {
                self.retry(&asked.number).await?;
            }
            return Ok(());
        }
        if asked.is_eviction {
            self.evict(&asked.number).await?;
        } else {
            for number in self.numbers_of_key(asked).await? {
                if !self.retry(&number).await? {
                    break;
                }
            }
        }
        let mut unit = self.work.unit();
        let request = self.keys.request(&asked.number);
        notes::remove(&self.work, &mut unit, &request).await?;
        Ok(unit.commit().await?)
    }

    /// The message, and with it all that are parked with its key, in order.
    async fn numbers_of_key(&self, asked: &Asked) -> Result<Vec<String>, NoteError> {
        let mut numbers = Vec::new();
        self.visit_parked(&mut |number, note| {
            let parked: Result<KeyOfParked, _> = notes::read(number, note);
            let of_key = parked
                .ok()
                .filter(|one| one.key.as_ref() == Some(&asked.key));
            if number == asked.number || of_key.is_some() {
                let place = of_key.map_or(0, |parked| parked.place);
                numbers.push((place, number.to_owned()));
            }
        })
        .await?;
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|(_, number)| number).collect())
    }

    /// How many messages are parked.
    pub(super) async fn count_parked(&self) -> Result<usize, NoteError> {
        let mut count = 0;
        self.visit_parked(&mut |_, _| count += 1).await?;
        Ok(count)
    }

    /// Calls `visit` with the number and the note of each parked message, in order.
    async fn visit_parked(
        &self,
        visit: &mut (dyn FnMut(&str, &str) + Send),
    ) -> Result<(), NoteError> {
        let prefix = self.keys.parked_all();
        let read = ReadEntries::prefix(prefix.as_bytes());
        let mut each = |key: &[u8], note: &[u8]| {
            let number = str::from_utf8(&key[prefix.len()..]);
            if let (Ok(number), Ok(note)) = (number, str::from_utf8(note)) {
                visit(number, note);
            }
            ControlFlow::Continue(())
        };
        let visited = self.work.store().read_entries(&read, &mut each);
        visited.await.map_err(backend)
    }

    /// Forgets messages that were taken care of before the window; says whether there may be more.
    pub(super) async fn forget(&self) -> Result<bool, NoteError> {
        let window = u64::try_from(self.options.window.as_micros()).unwrap_or(u64::MAX);
        let end = Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(window));
        let end = self.keys.seen_at(end, "");
        let mut old = Vec::new();
        let prefix = self.keys.seen_at_all();
        self.work
            .store()
            .read_entries(&ReadEntries::prefix(prefix.as_bytes()), &mut |key, note| {
                if old.len() == AT_ONCE || key >= end.as_bytes() {
                    return ControlFlow::Break(());
                }
                let key = str::from_utf8(key).map(ToOwned::to_owned);
                old.extend(key.map(|key| (key, note.to_vec())));
                ControlFlow::Continue(())
            })
            .await
            .map_err(backend)?;
        let mut write = EntryWrite::new();
        for (key, note) in &old {
            // Where another worker has forgotten it already, the message may have come anew since.
            write = write.expect(key.as_bytes(), Some(note));
            write.set(key.clone().into_bytes(), None);
            let seen = self.keys.seen_of(key);
            seen.into_iter()
                .for_each(|seen| write.set(seen.into_bytes(), None));
        }
        if !old.is_empty() {
            match self.work.store().write_entries(write).await {
                Err(EntryError::Changed { .. }) => return Ok(false),
                written => written.map_err(backend)?,
            }
        }
        Ok(old.len() == AT_ONCE)
    }
}

/// What is parked, in the order in which it came.
pub(crate) async fn parked_messages(
    work: &Work,
    keys: &InboxKeys,
) -> Result<Vec<ParkedMessage>, NoteError> {
    let mut unit = work.unit();
    let prefix = keys.parked_all();
    let parked: Vec<(String, Parked)> = notes::list(work, &mut unit, &prefix).await?;
    let shown = parked.into_iter().map(|(key, parked)| {
        let number = key.strip_prefix(&prefix).unwrap_or_default();
        parked.show(number)
    });
    Ok(shown.collect())
}

impl<D: Dispatch> Notebook for Desk<D> {
    fn parked_messages(&self) -> Answer<'_, Vec<ParkedMessage>> {
        Box::pin(parked_messages(&self.work, &self.keys))
    }

    fn ask_message<'a>(&'a self, number: &'a str, is_eviction: bool) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut unit = self.work.unit();
            let parked = self.keys.parked(number);
            let parked: Option<Parked> = notes::get(&self.work, &mut unit, &parked).await?;
            if parked.is_none() {
                return Ok(false);
            }
            let request = MessageRequest { is_eviction };
            notes::put(&self.work, &mut unit, &self.keys.request(number), request).await?;
            notes::commit(&self.work, unit).await?;
            Ok(true)
        })
    }
}
