//! What the writer keeps from one group to the next.

use super::backfill::Backfill;
use super::group_tags::GroupTags;
use super::heads::Heads;
use super::merging::Merging;
use super::tag_merging::TagMerging;
use crate::environment::Environment;
use crate::files::Access;
use crate::index::StreamKey;
use crate::log::Pending;
use crate::recent::RecentEvents;
use crate::streams::Head;
use crate::tags::TagTail;
use midgard::Position;
use midgard::clock::Clock;
use midgard::store::EventTimes;
use std::time::Duration;

/// How many commits in a row may not continue the index of tags until it rests, and the pause after each.
const MOST_SETBACKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// Memory that is reused for each request.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) record: Vec<u8>,
    pub(super) skips: Vec<Position>,
}

/// What the writer keeps from one group to the next.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) heads: Heads,
    pub(super) recent: RecentEvents,
    pub(super) asked: Vec<(StreamKey, Head)>,
    pub(super) tags: GroupTags,
    pub(super) merging: Merging,
    pub(super) tag_merging: TagMerging,
    pub(super) backfill: Backfill,
    /// How many commits in a row have not continued the index of tags.
    tag_setbacks: u32,
    /// Whether the tail of the index of tags is left as it is: it has failed several times.
    is_tag_tail_resting: bool,
    pub(super) pending: Pending,
    pub(super) scratch: Scratch,
    pub(super) times: EventTimes,
}

impl Memory {
    /// Returns an empty memory; events get their times from this clock.
    pub(super) fn new(clock: Clock) -> Self {
        Memory {
            times: EventTimes::new(clock),
            ..Memory::default()
        }
    }

    /// Returns whether the index of tags can be continued, whatever is appended.
    pub(super) fn is_tag_work_due(&self, environment: &Environment) -> bool {
        let tail = environment.tag_tail();
        let is_removal_due = self.tag_merging.is_removal_due(tail) && !self.is_tag_tail_resting;
        let is_due = self.backfill.is_due(tail) || self.tag_merging.is_behind() || is_removal_due;
        is_due && self.can_write_tags(environment) || self.is_tag_run_due(environment)
    }

    /// Returns whether the tail can be completed and merged. Commits of records may never do that, as each takes in
    /// only a little.
    pub(super) fn is_tag_run_due(&self, environment: &Environment) -> bool {
        let is_due = !self.is_tag_tail_resting && environment.tag_tail().is_due();
        is_due && self.can_write_tags(environment)
    }

    fn can_write_tags(&self, environment: &Environment) -> bool {
        !self.tag_merging.is_suspended() && environment.files().access() == Access::Write
    }

    /// Continues the index of tags after a failure that may have passed.
    pub(super) const fn resume_tags(&mut self) {
        self.backfill.resume();
        self.is_tag_tail_resting = false;
    }

    /// Continues the index of tags with some records. Returns whether a commit is to do the rest.
    pub(super) fn continue_tags(&mut self, environment: &Environment) -> bool {
        if self.backfill.read_some(environment) {
            self.note_tag_setback();
        }
        let tail = environment.tag_tail();
        if self.is_tag_run_due(environment) && tail.lags() {
            let before = tail.seen();
            environment.catch_up_tags();
            self.note_tag_progress(tail.seen() != before);
        }
        let is_tail_ready = self.is_tag_run_due(environment) && !tail.lags();
        let is_ready = is_tail_ready || self.backfill.is_ready();
        is_ready || tail.distrusts_runs() || self.tag_merging.is_behind()
    }

    /// Returns how far the index of tags is, and what is to be merged.
    pub(super) fn tag_progress(&self, tail: &TagTail) -> (Position, usize) {
        (tail.merged(), self.tag_merging.left())
    }

    /// Notes whether a commit has continued the index of tags. It may have had other work, or have failed: after a few
    /// of those, the index is left as it is until the next append.
    pub(super) fn note_tag_progress(&mut self, is_progress: bool) {
        match is_progress {
            true => self.tag_setbacks = 0,
            false => self.note_tag_setback(),
        }
    }

    fn note_tag_setback(&mut self) {
        self.tag_setbacks = self.tag_setbacks.saturating_add(1);
        if self.tag_setbacks > MOST_SETBACKS {
            self.backfill.rest();
            self.tag_merging.rest();
            self.is_tag_tail_resting = true;
        }
    }

    /// Returns how long to wait before the index of tags is continued.
    pub(super) const fn tag_pause(&self) -> Duration {
        match self.tag_setbacks {
            0 => Duration::ZERO,
            _ => PAUSE,
        }
    }

    /// Notes that a group has failed: what is appended next does not depend on what its commit did for the index of tags.
    pub(super) const fn note_failed_group(&mut self) {
        self.backfill.leave_to_own();
        self.tag_merging.leave_to_own();
    }

    /// Forgets everything noted, when it may not have been committed.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.recent.clear();
    }
}
