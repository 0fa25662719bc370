//! What a consumer is working on, and since when: this distinguishes a handler that never ends from an idle one.

use crate::place::Place;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a consumer is working on: the event or message that its handler has, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Handling {
    /// The stage of the work.
    pub stage: HandlingStage,
    /// The stored name of the event, message or deadline.
    pub name: String,
    /// The place of the event in the log; `None` for a message of an inbox, and for a deadline.
    pub place: Option<Place>,
    /// The id of the message that came to an inbox.
    pub message: Option<String>,
    /// When this stage began.
    pub since: Timestamp,
}

/// The stage of a consumer's work on an event or message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandlingStage {
    /// Its handler was called.
    #[default]
    Handler,
    /// The handled events are being committed, or, by an outbox, published.
    Commit,
    /// An effect of the handler [after the commit](crate::Context::after_commit) is running.
    AfterCommit,
}

impl fmt::Display for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage {
            HandlingStage::Handler => "handling",
            HandlingStage::Commit => "committing up to",
            HandlingStage::AfterCommit => "running effects after the commit of",
        })?;
        write!(f, " \"{}\"", self.name)?;
        if let Some(place) = self.place {
            write!(f, " at position {place}")?;
        }
        if let Some(message) = &self.message {
            write!(f, " of message {message}")?;
        }
        write!(f, " since {}", self.since)
    }
}

/// What the handlers of a consumer are working on, each in a slot of its own.
#[derive(Default)]
pub(crate) struct AtWork(Mutex<Vec<Activity>>);

/// A slot. Its text is reused, so that an event costs no allocation.
#[derive(Default)]
struct Activity {
    is_taken: bool,
    stage: HandlingStage,
    name: String,
    place: Option<Place>,
    message: Option<String>,
    /// `None` while idle.
    since: Option<Instant>,
}

impl AtWork {
    fn lock(&self) -> MutexGuard<'_, Vec<Activity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for a worker that does one thing at a time.
    pub(crate) fn slot(&self) -> Slot<'_> {
        let mut activities = self.lock();
        let free = activities.iter().position(|activity| !activity.is_taken);
        let index = free.unwrap_or_else(|| {
            activities.push(Activity::default());
            activities.len() - 1
        });
        activities[index].is_taken = true;
        Slot {
            at_work: self,
            index,
        }
    }

    /// Returns the work that has run longest.
    pub(crate) fn longest(&self) -> Option<Handling> {
        let activities = self.lock();
        let at_work = activities
            .iter()
            .filter(|activity| activity.since.is_some());
        let activity = at_work.min_by_key(|activity| activity.since)?;
        let elapsed = activity.since?.elapsed().as_micros();
        let since = u128::from(Timestamp::now().as_micros()).saturating_sub(elapsed);
        Some(Handling {
            stage: activity.stage,
            name: activity.name.clone(),
            place: activity.place,
            message: activity.message.clone(),
            since: Timestamp::from_micros(u64::try_from(since).unwrap_or_default()),
        })
    }
}

/// The slot of a worker that does one thing at a time.
pub(crate) struct Slot<'a> {
    at_work: &'a AtWork,
    index: usize,
}

impl Slot<'_> {
    /// Shows that work on an event or a deadline begins.
    pub(crate) fn begin(
        &self,
        stage: HandlingStage,
        name: &str,
        place: Option<Place>,
        now: Instant,
    ) {
        let mut activities = self.at_work.lock();
        let activity = &mut activities[self.index];
        (activity.stage, activity.place, activity.since) = (stage, place, Some(now));
        if activity.name != name {
            name.clone_into(&mut activity.name);
        }
    }

    /// Shows that a message is passed to its handler.
    pub(crate) fn begin_message(&self, name: &str, id: &str) {
        let mut activities = self.at_work.lock();
        let activity = &mut activities[self.index];
        name.clone_into(&mut activity.name);
        activity.message = Some(id.to_owned());
        activity.since = Some(Instant::now());
    }

    /// Shows that the same work enters another stage.
    pub(crate) fn turn_to(&self, stage: HandlingStage) {
        let mut activities = self.at_work.lock();
        let activity = &mut activities[self.index];
        if activity.since.is_some() {
            (activity.stage, activity.since) = (stage, Some(Instant::now()));
        }
    }

    /// Shows that the slot is idle.
    pub(crate) fn end(&self) {
        self.at_work.lock()[self.index].since = None;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut activities = self.at_work.lock();
        let activity = &mut activities[self.index];
        (activity.is_taken, activity.since, activity.message) = (false, None, None);
    }
}
