//! What is asked for about parked messages, and the forgetting of messages that were handled long ago.

use super::handling::{AttemptError, Desk, Dispatch};
use super::notes::{InboxKeys, MessageRequest, Parked};
use super::parked::ParkedMessage;
use crate::consumer::notebook::{Answer, Notebook};
use crate::consumer::notes::{self, NoteError, backend};
use crate::projection::ViewStore as _;
use crate::store::{EntryWrite, ReadEntries, Store as _};
use crate::time::Timestamp;
use crate::unit_of_work::Work;
use std::ops::ControlFlow;

/// How many notes are removed at once.
const AT_ONCE: usize = 1000;

/// What is asked for about a parked message.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) number: String,
    /// What it is to be in order with.
    pub(super) key: String,
    pub(super) is_eviction: bool,
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
            });
        }
        Ok(all)
    }

    /// Does what is asked for, and forgets that it was.
    pub(super) async fn answer_request(&self, asked: &Asked) -> Result<(), AttemptError> {
        if asked.is_eviction {
            self.evict(&asked.number).await?;
        } else {
            for number in self.from_first_of_key(asked).await? {
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
    async fn from_first_of_key(&self, asked: &Asked) -> Result<Vec<String>, NoteError> {
        let mut unit = self.work.unit();
        let prefix = self.keys.parked_all();
        let parked: Vec<(String, Parked)> = notes::list(&self.work, &mut unit, &prefix).await?;
        let numbers = parked.iter().filter_map(|(key, parked)| {
            let number = key.strip_prefix(&prefix)?;
            let is_meant = parked.key.as_deref() == Some(&asked.key) || number == asked.number;
            is_meant.then(|| number.to_owned())
        });
        Ok(numbers.collect())
    }

    /// How many messages are parked.
    pub(super) async fn count_parked(&self) -> Result<usize, NoteError> {
        let mut unit = self.work.unit();
        let parked = self.work.list(&mut unit, &self.keys.parked_all()).await;
        Ok(parked.map_err(backend)?.len())
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
            .read_entries(&ReadEntries::prefix(prefix.as_bytes()), &mut |key, _| {
                if old.len() == AT_ONCE || key >= end.as_bytes() {
                    return ControlFlow::Break(());
                }
                old.extend(str::from_utf8(key).map(ToOwned::to_owned));
                ControlFlow::Continue(())
            })
            .await
            .map_err(backend)?;
        let mut write = EntryWrite::new();
        for key in &old {
            write.set(key.clone().into_bytes(), None);
            let seen = self.keys.seen_of(key);
            seen.into_iter()
                .for_each(|seen| write.set(seen.into_bytes(), None));
        }
        if !old.is_empty() {
            let written = self.work.store().write_entries(write).await;
            written.map_err(backend)?;
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
