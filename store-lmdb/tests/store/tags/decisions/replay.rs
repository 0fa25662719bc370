//! What the log has shown so far, and what must be true of every decision.

use super::attempt::{Attempt, Condition, Stored, selects};
use super::line::Line;
use crate::common::journal::JournalReader;
use crate::common::stream;
use midgard::event::RecordedEvent;
use midgard::store::{Query, ReadLog};
use midgard::{Position, Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(super) struct Replay {
    directory: PathBuf,
    store: Option<LmdbStore>,
    /// Of the processes that live, by their numbers.
    journals: BTreeMap<u64, JournalReader>,
    /// What was answered, and not compared yet.
    answers: Vec<Line>,
    /// Up to which versions events may be missing.
    removing: HashMap<String, u64>,
    /// Every event that was ever read, by position, and the positions by name and by tag.
    events: BTreeMap<u64, RecordedEvent>,
    by_key: HashMap<String, Vec<u64>>,
    /// Where the first event of each attempt is.
    begins: HashMap<u64, u64>,
    refused: HashSet<u64>,
    /// Up to where the log was read.
    seen: Position,
    counts: Counts,
}

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) appended: u64,
    pub(super) refused: u64,
    /// Refused for an event that was removed before the log was read.
    pub(super) refused_for_removed: u64,
    pub(super) ended: u64,
    /// Appends with a condition that were found right.
    pub(super) decisions: u64,
}

impl Replay {
    pub(super) fn new(directory: &Path) -> Self {
        std::fs::create_dir(directory.join("journals")).unwrap();
        Replay {
            directory: directory.to_owned(),
            store: None,
            journals: BTreeMap::new(),
            answers: Vec::new(),
            removing: HashMap::new(),
            events: BTreeMap::new(),
            by_key: HashMap::new(),
            begins: HashMap::new(),
            refused: HashSet::new(),
            seen: Position::ZERO,
            counts: Counts::default(),
        }
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A process with this number begins a journal.
    pub(super) fn begin(&mut self, number: u64) {
        let path = self.directory.join("journals").join(number.to_string());
        self.journals.insert(number, JournalReader::of(path));
    }

    /// A process was killed, and writes no more to its journal.
    pub(super) fn end(&mut self, number: u64) {
        self.read_journals();
        self.journals.remove(&number);
    }

    /// The store, open since it was last closed.
    pub(super) fn store(&mut self) -> LmdbStore {
        let open = || super::super::open(&self.directory.join("store"));
        self.store.get_or_insert_with(open).clone()
    }

    pub(super) fn close(&mut self) {
        self.store = None;
    }

    fn read_journals(&mut self) {
        for journal in self.journals.values_mut() {
            for line in journal.read().iter().map(|line| Line::of(line)) {
                match line {
                    Line::Removing { stream, before } => {
                        let latest = self.removing.entry(stream).or_default();
                        *latest = before.max(*latest);
                    }
                    answer => self.answers.push(answer),
                }
            }
        }
    }

    /// Compares what was appended and answered since the last time, while others may append.
    pub(super) fn check(&mut self) {
        self.read_journals();
        let answers = std::mem::take(&mut self.answers);
        let new = self.read_new();
        // Some events of it may have been removed meanwhile.
        self.read_journals();
        for attempt in new {
            self.check_decision(&attempt);
        }
        for answer in answers {
            self.check_answer(answer);
        }
    }

    /// Reads what is new in the log, and gives the attempts.
    fn read_new(&mut self) -> Vec<Attempt> {
        let (store, mut new) = (self.store(), Vec::new());
        let read = ReadLog::forward().after(self.seen);
        let read = read.matching(Query::all_with_tombstones());
        let mut events = Vec::new();
        self.seen = block_on(store.read_log(&read, &mut |event| {
            events.push(event.to_owned());
            ControlFlow::Continue(())
        }))
        .unwrap();
        for event in events {
            let position = event.position.get();
            if let Some(stored) = Stored::of(&event) {
                let (number, begin) = (stored.attempt.number, position - stored.index as u64);
                match self.begins.insert(number, begin) {
                    None => new.push(stored.attempt),
                    Some(other) => assert_eq!(
                        other, begin,
                        "attempt {number} is there twice, or torn, at {position}"
                    ),
                }
            }
            let tags = event.tags.view();
            for key in tags.iter().chain([event.name.as_str()]) {
                self.by_key
                    .entry(key.to_owned())
                    .or_default()
                    .push(position);
            }
            self.events.insert(position, event);
        }
        new
    }

    /// Decides again what was appended: all its events are there, and none that its condition forbids was there before.
    fn check_decision(&mut self, attempt: &Attempt) {
        let begin = self.begins[&attempt.number];
        for (index, name) in attempt.streams().enumerate() {
            let there = self.events.get(&(begin + index as u64));
            let found = there.and_then(Stored::of);
            assert!(
                found
                    .as_ref()
                    .is_some_and(|found| found.attempt == *attempt && found.index == index)
                    || there.is_none() && self.removing.contains_key(name),
                "event {index} of {attempt:?}, which begins at {begin}, is {there:?}"
            );
        }
        assert!(
            !self.refused.contains(&attempt.number),
            "{attempt:?} was refused, and is there at {begin}"
        );
        let Some(condition) = &attempt.condition else {
            return;
        };
        let forbidden = self.first_forbidden(condition, begin);
        assert_eq!(
            forbidden.map(|event| (event.position, &event.name, &event.tags)),
            None,
            "{attempt:?} was appended at {begin}, though this event was before it"
        );
        self.counts.decisions += 1;
    }

    /// The first event that a condition forbids before a position, and that is still there: it was there all the time.
    fn first_forbidden(&self, condition: &Condition, before: u64) -> Option<&RecordedEvent> {
        let all = || {
            self.events
                .range(condition.after + 1..before)
                .map(|(_, event)| event)
        };
        let under = |key: &str| {
            let positions = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
            let first = positions.partition_point(|position| *position <= condition.after);
            let end = positions.partition_point(|position| *position < before);
            let positions = positions.get(first..end).unwrap_or_default();
            positions.iter().map(|position| &self.events[position])
        };
        let query = condition.query();
        let is_forbidden = |event: &&RecordedEvent| selects(&query, event) && self.is_there(event);
        let firsts = condition.keys().into_iter().filter_map(|key| match key {
            Some(key) => under(key).find(is_forbidden),
            None => all().find(is_forbidden),
        });
        firsts.min_by_key(|event| event.position)
    }

    /// Whether an event is in the log now.
    fn is_there(&self, event: &RecordedEvent) -> bool {
        let Some(store) = &self.store else {
            return false;
        };
        let read = ReadLog::forward().from(event.position).limit(1);
        let mut found = false;
        block_on(
            store.read_log(&read.matching(Query::all_with_tombstones()), &mut |at| {
                found = at.position == event.position;
                ControlFlow::Continue(())
            }),
        )
        .unwrap();
        found
    }

    /// Compares an answer that was given before the log was read.
    fn check_answer(&mut self, answer: Line) {
        match answer {
            Line::Appended {
                number,
                events,
                last,
            } => {
                let begin = last + 1 - events.len() as u64;
                for (index, (name, version)) in events.iter().enumerate() {
                    let event = self.events.get(&(begin + index as u64));
                    let found = event.and_then(Stored::of);
                    let is_found = found.is_some_and(|found| {
                        found.attempt.number == number && found.index == index
                    });
                    assert!(
                        is_found || event.is_none() && self.may_be_gone(name, *version),
                        "attempt {number} was acknowledged at {begin}, and its event {index}, version {version} of {name}, is {event:?}"
                    );
                }
                self.counts.appended += 1;
            }
            Line::Refused {
                number,
                condition,
                position,
            } => {
                self.check_refused(number);
                match self.events.get(&position) {
                    Some(event) => assert!(
                        position > condition.after && selects(&condition.query(), event),
                        "attempt {number} was refused by {condition:?} for {event:?}"
                    ),
                    // It may have been removed before the log was read.
                    None => {
                        assert!(position <= self.seen.get() && position > condition.after);
                        self.counts.refused_for_removed += 1;
                    }
                }
                let before = self.first_forbidden(&condition, position);
                assert!(
                    before.is_none(),
                    "attempt {number} was refused by {condition:?} for {position}, though the first was {before:?}"
                );
                self.counts.refused += 1;
            }
            Line::Ended {
                number,
                stream: name,
            } => {
                self.check_refused(number);
                let state = block_on(self.store().stream_state(&stream(&name))).unwrap();
                assert!(
                    state.tombstoned,
                    "attempt {number} was refused: {name} is {state:?}"
                );
                self.counts.ended += 1;
            }
            Line::Removing { .. } => {}
        }
    }

    fn check_refused(&mut self, number: u64) {
        let begin = self.begins.get(&number);
        assert_eq!(begin, None, "attempt {number} was refused, and is there");
        self.refused.insert(number);
    }

    fn may_be_gone(&self, name: &str, version: u64) -> bool {
        let before = self.removing.get(name);
        before.is_some_and(|before| version < *before)
    }

    /// Compares the whole log with what it has shown. Nobody appends or removes any more.
    pub(super) fn check_all(&mut self) -> Vec<RecordedEvent> {
        self.check();
        let mut log = Vec::new();
        let read = ReadLog::forward().matching(Query::all_with_tombstones());
        block_on(self.store().read_log(&read, &mut |event| {
            log.push(event.to_owned());
            ControlFlow::Continue(())
        }))
        .unwrap();
        let mut again = log.iter().peekable();
        for event in self.events.values() {
            let is_again = again.next_if(|again| *again == event).is_some();
            assert!(
                is_again || self.may_be_gone(event.stream.as_str(), event.version.get()),
                "{event:?} was in the log, and is not any more"
            );
        }
        assert_eq!(
            again.next(),
            None,
            "this was not there when the log was read past it"
        );
        log
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}, {:?}", self.seen, self.counts)
    }
}
