//! The search for parked messages that this program can handle, and the program that parked them could not.
//!
//! While two releases of a service run at once, and after an old one has run, messages that only the new one knows may be
//! parked. The search goes through all parked messages in small steps, between messages.

use super::ParkedCause;
use super::dispatch::Dispatch;
use super::handling::InboxWorker;
use super::notes::Parked;
use super::requests::Asked;
use crate::consumer::notes::{self, NoteError, backend};
use crate::store::{ReadEntries, Store as _};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How many notes one step passes, and how many bytes of them it reads.
const STEP_NOTES: usize = 10_000;
const STEP_BYTES: usize = 256 << 10;
/// The time between two steps.
const BETWEEN_STEPS: Duration = Duration::from_millis(20);
/// The shortest time between the end of a search and the next one, as a duration and as a multiple of the search's own.
const REST: Duration = Duration::from_secs(5);
const RESTS: u32 = 20;
/// How many messages of one search are tried at the same time.
pub(super) const AT_ONCE: usize = 256;

/// The beginning of notes that contain a cause.
const SAYS_WHY: &str = r#"{"format":1,"cause":""#;
/// The causes of messages that other releases may read.
const MAY_BE_READ: [&str; 2] = [r#"unread""#, r#"foreign""#];

/// The state of the search.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The last number that was visited, while a search goes on.
    after: Option<String>,
    /// When the next step is due.
    due: Option<Instant>,
    /// How long the steps of this search have taken.
    taken: Duration,
    /// The messages that this program has tried, or has no topic for.
    tried: HashSet<String>,
    /// Those of them that are still parked, as far as the search has come.
    still: HashSet<String>,
}

impl Search {
    /// Returns how long to wait until the next step.
    pub(super) fn wait(&self) -> Duration {
        let due = self
            .due
            .map(|due| due.saturating_duration_since(Instant::now()));
        due.unwrap_or_default()
    }

    /// Puts off the next step by at least this long.
    pub(super) fn put_off(&mut self, wait: Duration) {
        self.due = Some(Instant::now() + wait);
    }

    /// Makes the search find a message again.
    pub(super) fn forget(&mut self, number: &str) {
        self.tried.remove(number);
        self.still.remove(number);
    }
}

impl<D: Dispatch> InboxWorker<D> {
    /// Takes one step of the search; returns the messages to be tried.
    pub(super) async fn search(&self, search: &mut Search) -> Result<Vec<Asked>, NoteError> {
        let began = Instant::now();
        let prefix = self.keys.parked_all();
        let mut read = ReadEntries::prefix(prefix.as_bytes());
        if let Some(after) = &search.after {
            read = read.after(self.keys.parked(after).as_bytes());
        }
        let (mut found, mut last) = (Vec::new(), None);
        let (mut seen, mut bytes) = (0, 0);
        let each = &mut |key: &[u8], note: &[u8]| {
            let number = String::from_utf8_lossy(&key[prefix.len()..]);
            seen += 1;
            if let Some(note) = may_be_read(note) {
                if search.tried.contains(&*number) {
                    search.still.insert(number.clone().into_owned());
                } else {
                    bytes += note.len();
                    found.push((number.clone().into_owned(), note.to_owned()));
                }
            }
            if seen == STEP_NOTES || bytes >= STEP_BYTES || found.len() == AT_ONCE {
                last = Some(number.into_owned());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let visited = self.work.store().read_entries(&read, each).await;
        visited.map_err(backend)?;
        let mut asked = Vec::new();
        let topics = self.dispatch.topics();
        for (number, note) in found {
            let parked: Parked = notes::read(&self.keys.parked(&number), &note)?;
            search.tried.insert(number.clone());
            search.still.insert(number.clone());
            if !parked.is_of_use_to_others() {
                continue;
            }
            let Ok(message) = parked.content() else {
                continue;
            };
            if topics.contains(&message.topic()) {
                asked.push(Asked {
                    key: self.dispatch.line(&message).key.to_owned(),
                    number,
                    is_eviction: false,
                    is_own: true,
                });
            }
        }
        search.taken += began.elapsed();
        let mut wait = BETWEEN_STEPS;
        if last.is_none() {
            wait = REST.max(search.taken * RESTS);
            search.taken = Duration::ZERO;
            search.tried = std::mem::take(&mut search.still);
        }
        search.after = last;
        search.put_off(wait);
        Ok(asked)
    }
}

/// Returns the text of a note if another release may read its message, as far as its beginning shows.
fn may_be_read(note: &[u8]) -> Option<&str> {
    let text = str::from_utf8(note.get(..SAYS_WHY.len() + 8)?).unwrap_or_default();
    if let Some(cause) = text.strip_prefix(SAYS_WHY)
        && !MAY_BE_READ.iter().any(|one| cause.starts_with(one))
    {
        return None;
    }
    str::from_utf8(note).ok()
}

impl Parked {
    /// Returns whether it was parked unread, so that a release that knows more may handle it.
    fn is_of_use_to_others(&self) -> bool {
        match self.cause {
            Some(cause) => matches!(cause, ParkedCause::Unread | ParkedCause::Foreign),
            // Notes of earlier releases show it in no other way.
            None => self.key.is_none() && self.failures == 0,
        }
    }
}
