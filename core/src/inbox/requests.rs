//! Requests about parked messages.

use super::attempts::AttemptError;
use super::dispatch::Dispatch;
use super::handling::InboxWorker;
use super::held;
use super::notes::{InboxKeys, MessageRequest, Parked};
use crate::consumer::control::Mode;
use crate::consumer::notes::{self, NoteError, backend};
use crate::notes::NoteStore as _;
use crate::store::{ReadEntries, Store as _};
use crate::unit_of_work::UnitOfWorkStore;
use serde::Deserialize;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// How many requests are taken up at once.
const REQUESTS: usize = 1000;

/// A request about a parked message.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) number: String,
    /// The key of the message, in whose order the request is done.
    pub(super) key: String,
    pub(super) is_eviction: bool,
    /// Whether the request comes from this program itself, which may know more than the one that has parked the message.
    pub(super) is_own: bool,
}

/// The fields of a parked message that give its order, as earlier releases wrote it.
#[derive(Deserialize)]
struct KeyOfParked {
    key: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    place: u64,
}

impl<D: Dispatch> InboxWorker<D> {
    /// Returns the requests, except those already known.
    pub(super) async fn asked(&self, known: &HashSet<String>) -> Result<Vec<Asked>, NoteError> {
        let prefix = self.keys.requests();
        let mut requests = Vec::new();
        let read = ReadEntries::prefix(prefix.as_bytes());
        let each = &mut |key: &[u8], note: &[u8]| {
            let number = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            if !known.contains(&number) {
                requests.push((number, String::from_utf8_lossy(note).into_owned()));
            }
            if requests.len() == REQUESTS {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let visited = self.work.store().read_entries(&read, each).await;
        visited.map_err(backend)?;
        let mut all = Vec::new();
        for (number, note) in requests {
            let request: MessageRequest = notes::read(&self.keys.request(&number), &note)?;
            let mut unit = self.work.unit();
            let parked: Option<Parked> =
                notes::get(&self.work, &mut unit, &self.keys.parked(&number)).await?;
            let key = parked.and_then(|parked| parked.key);
            all.push(Asked {
                key: key.unwrap_or_else(|| number.clone()),
                number,
                is_eviction: request.is_eviction,
                is_own: false,
            });
        }
        Ok(all)
    }

    /// Executes a request, and removes it. Returns `false` when it is not its turn yet, or the program ends.
    pub(super) async fn answer_request(&self, asked: &Asked) -> Result<bool, AttemptError> {
        if asked.is_own {
            return Ok(
                self.is_its_turn(asked).await? && self.retry_all_behind(&asked.number).await?
            );
        }
        let mut unit = self.work.unit();
        let request = self.keys.request(&asked.number);
        let is_asked: Option<MessageRequest> = notes::get(&self.work, &mut unit, &request).await?;
        if is_asked.is_none() {
            return Ok(true);
        }
        drop(unit);
        if asked.is_eviction {
            self.evict(&asked.number).await?;
        } else {
            let numbers = self.numbers_behind(&asked.number).await?;
            if let Some(last) = numbers.last().filter(|last| **last != asked.number) {
                // Move the request to the last message of the line, which is there until all before it are handled.
                let mut unit = self.work.unit();
                let request = MessageRequest { is_eviction: false };
                let key = self.keys.request(last);
                notes::put(&self.work, &mut unit, &key, request).await?;
                let key = self.keys.request(&asked.number);
                notes::remove(&self.work, &mut unit, &key).await?;
                unit.commit().await?;
                let asked = Asked {
                    number: last.clone(),
                    ..asked.clone()
                };
                return Box::pin(self.answer_request(&asked)).await;
            }
            if !self.retry_all_behind(&asked.number).await? {
                return Ok(false);
            }
        }
        let mut unit = self.work.unit();
        notes::remove(&self.work, &mut unit, &request).await?;
        unit.commit().await?;
        Ok(true)
    }

    /// Handles the messages of a line, in order, until one fails. Returns `false` when the program ends before.
    async fn retry_all_behind(&self, number: &str) -> Result<bool, AttemptError> {
        for number in self.numbers_behind(number).await? {
            if self.control.mode() == Mode::Stop {
                return Ok(false);
            }
            if !self.retry(&number).await? {
                break;
            }
        }
        Ok(true)
    }

    /// Returns whether a parked message may be tried by itself, as no other one is before it.
    async fn is_its_turn(&self, asked: &Asked) -> Result<bool, AttemptError> {
        let mut unit = self.work.unit();
        let key = self.keys.parked(&asked.number);
        let parked: Option<Parked> = notes::get(&self.work, &mut unit, &key).await?;
        let Some(parked) = parked else {
            return Ok(true);
        };
        if let Some(line) = parked.line() {
            let first = held::numbers_of(&self.work, &self.keys, line, 1).await?;
            return Ok(first.first() == Some(&asked.number));
        }
        let Ok(message) = parked.content() else {
            return Ok(true);
        };
        let line = self.dispatch.line(&message);
        let held = held::held_by(&self.work, &mut unit, &self.keys, line).await?;
        Ok(held.is_none())
    }

    /// Returns the numbers of the message and of all parked ones of its line, in order.
    async fn numbers_behind(&self, number: &str) -> Result<Vec<String>, NoteError> {
        let mut unit = self.work.unit();
        let parked: Option<Parked> =
            notes::get(&self.work, &mut unit, &self.keys.parked(number)).await?;
        let Some(parked) = parked else {
            return Ok(Vec::new());
        };
        if let Some(line) = parked.line() {
            return held::numbers_of(&self.work, &self.keys, line, usize::MAX).await;
        }
        match &parked.key {
            Some(key) => self.numbers_of_key(key).await,
            None => Ok(vec![number.to_owned()]),
        }
    }

    /// Returns the numbers of all messages parked with a key in the way of earlier releases, in order.
    async fn numbers_of_key(&self, key: &str) -> Result<Vec<String>, NoteError> {
        let mut numbers = Vec::new();
        self.visit_parked(&mut |number, note| {
            let parked: Result<KeyOfParked, _> = notes::read(number, note);
            if let Ok(parked) = parked
                && parked.source.is_none()
                && parked.key.as_deref() == Some(key)
            {
                numbers.push((parked.place, number.to_owned()));
            }
        })
        .await?;
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|(_, number)| number).collect())
    }

    /// Returns how many messages are parked.
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
}

/// Stores requests about parked messages; returns how many of these messages exist.
pub(crate) async fn ask_messages(
    work: &UnitOfWorkStore,
    keys: &InboxKeys,
    numbers: &[String],
    is_eviction: bool,
) -> Result<usize, NoteError> {
    let mut unit = work.unit();
    let mut asked = 0;
    for number in numbers {
        let parked = keys.parked(number);
        let parked = work.get(&mut unit, &parked).await;
        if parked.map_err(backend)?.is_some() {
            let request = MessageRequest { is_eviction };
            notes::put(work, &mut unit, &keys.request(number), request).await?;
            asked += 1;
        }
    }
    if asked > 0 {
        notes::commit(work, unit).await?;
    }
    Ok(asked)
}
