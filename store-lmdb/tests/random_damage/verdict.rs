//! Reads a store that may be damaged in every way, and compares each answer with what was stored.

use crate::common::{event, stream};
use crate::sample::{self, Contents, Stream};
use midgard::event::RecordedEvent;
use midgard::store::{
    Append, AppendError, Direction, ExpectedVersion, ReadLog, ReadStream, StoreError, StreamState,
};
use midgard::{LogId, Position, Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::ops::ControlFlow;
use std::path::Path;

/// The worst of all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verdict {
    /// Exactly what was stored.
    Right,
    /// An error.
    Error,
    /// Less than what was stored, and nothing else, without an error.
    Incomplete,
    /// What never was.
    Wrong,
}

impl Verdict {
    pub(crate) const ALL: [Verdict; 4] = [
        Verdict::Right,
        Verdict::Error,
        Verdict::Incomplete,
        Verdict::Wrong,
    ];
}

/// The verdicts on a store, with what was asked, the worst last.
pub(crate) struct Judge<'a> {
    contents: &'a Contents,
    pub(crate) worst: Verdict,
    pub(crate) about: String,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(contents: &'a Contents) -> Self {
        Judge {
            contents,
            worst: Verdict::Right,
            about: String::new(),
        }
    }

    /// Opens a store, reads everything in it, and appends to it.
    pub(crate) fn try_all(&mut self, directory: &Path) {
        let store = match sample::open(directory) {
            Ok(store) => store,
            Err(error) => return self.note(Verdict::Error, format!("open: {error}")),
        };
        self.read_log(&store);
        self.last_position(&store);
        for name in sample::streams() {
            self.state(&store, &name);
            self.read_stream(&store, &name);
        }
        // In case this is where the process crashes.
        println!("appending");
        let before = self.worst;
        for name in ["long", "short-3", "truncated", "large", "new", "ended"] {
            self.append(&store, name);
        }
        // What was appended over less than what was stored need not fit.
        if before == Verdict::Incomplete {
            self.worst = before;
        }
    }

    fn note(&mut self, verdict: Verdict, about: String) {
        if verdict > self.worst {
            self.worst = verdict;
            self.about = about;
        }
    }

    fn read_log(&mut self, store: &LmdbStore) {
        let contents = self.contents;
        // Forward, and on after each record that is damaged.
        let mut from = Position::FIRST;
        loop {
            let expected = contents.log.iter().filter(|event| event.position >= from);
            let mut sight = Sight::of(contents, expected.collect());
            let read = ReadLog::forward().from(from);
            let read = block_on(store.read_log(&read, &mut |event| sight.see(&event.to_owned())));
            let after = match &read {
                Err(StoreError::Corrupt { position, .. }) if *position >= from => position.next(),
                _ => Position::MAX,
            };
            self.judge(sight, &read.map(drop), &format!("log from {from}"));
            if after == Position::MAX {
                break;
            }
            from = after;
        }
        let mut sight = Sight::of(contents, contents.log.iter().rev().collect());
        let read = ReadLog::backward();
        let read = block_on(store.read_log(&read, &mut |event| sight.see(&event.to_owned())));
        self.judge(sight, &read.map(drop), "log backward");
    }

    fn last_position(&mut self, store: &LmdbStore) {
        // The marks of what was removed come after the last event.
        let last = self.contents.log.last().unwrap().position;
        let expected = Position(last.get() + sample::MARKS);
        let verdict = match block_on(store.last_position(LogId::MAIN)) {
            Err(_) => Verdict::Error,
            Ok(last) if last == expected => Verdict::Right,
            Ok(last) if last < expected => Verdict::Incomplete,
            Ok(_) => Verdict::Wrong,
        };
        self.note(verdict, "last position".to_owned());
    }

    fn state(&mut self, store: &LmdbStore, name: &str) {
        let state = block_on(store.stream_state(&stream(name)));
        self.judge_state(name, state.as_ref());
    }

    fn judge_state(&mut self, name: &str, state: Result<&StreamState, &StoreError>) {
        let expected = self.contents.streams[name].state;
        let verdict = match state {
            Err(_) => Verdict::Error,
            Ok(state) if *state == expected => Verdict::Right,
            // It was so once.
            Ok(state)
                if state.last <= expected.last
                    && state.first <= expected.first
                    && state.tombstoned <= expected.tombstoned =>
            {
                Verdict::Incomplete
            }
            Ok(_) => Verdict::Wrong,
        };
        self.note(verdict, format!("state of {name}: {state:?}"));
    }

    fn read_stream(&mut self, store: &LmdbStore, name: &str) {
        let contents = self.contents;
        let Stream { state, events } = &contents.streams[name];
        for direction in [Direction::Forward, Direction::Backward] {
            // From the end it begins at, and from the middle.
            for from_middle in [false, true] {
                let mut expected: Vec<_> = events.iter().collect();
                let middle = Version((state.first.get() + state.last.get()) / 2);
                let mut read = match direction {
                    Direction::Forward => ReadStream::forward(stream(name)),
                    Direction::Backward => ReadStream::backward(stream(name)),
                };
                if from_middle {
                    read = read.from(middle);
                    expected.retain(|event| match direction {
                        Direction::Forward => event.version >= middle,
                        Direction::Backward => event.version <= middle,
                    });
                }
                if direction == Direction::Backward {
                    expected.reverse();
                }
                let mut sight = Sight::of(contents, expected);
                let mut see =
                    |event: midgard::event::RecordedEventRef<'_>| sight.see(&event.to_owned());
                let read = block_on(store.read_stream(&read, &mut see));
                if let Ok(state) = &read {
                    self.judge_state(name, Ok(state));
                }
                let about = format!("stream {name} {direction:?}, from its middle: {from_middle}");
                self.judge(sight, &read.map(drop), &about);
            }
        }
    }

    fn append(&mut self, store: &LmdbStore, name: &str) {
        let state = self.contents.streams.get(name);
        let state = state.map_or(StreamState::NONE, |stream| stream.state);
        let new = event("after the damage");
        let append = Append::to(stream(name), ExpectedVersion::Any, [new.clone()]);
        let verdict = match block_on(store.append(append)) {
            Err(AppendError::Tombstoned { .. }) if state.tombstoned => Verdict::Right,
            Err(AppendError::Store(_)) => Verdict::Error,
            Err(_) => Verdict::Wrong,
            Ok(_) if state.tombstoned => Verdict::Incomplete,
            Ok(appended) if appended.version() == state.last.next() => Verdict::Right,
            Ok(appended) if appended.version() <= state.last => Verdict::Incomplete,
            Ok(_) => Verdict::Wrong,
        };
        self.note(verdict, format!("append to {name}"));
        if verdict != Verdict::Right || state.tombstoned {
            return;
        }
        let mut last = None;
        let read = ReadStream::backward(stream(name)).limit(1);
        let read = block_on(store.read_stream(&read, &mut |event| {
            last = Some(event.id);
            ControlFlow::Continue(())
        }));
        let verdict = match (read, last) {
            (Err(_), _) => Verdict::Error,
            (Ok(_), Some(id)) if id == new.id => Verdict::Right,
            (Ok(_), None) => Verdict::Incomplete,
            (Ok(_), Some(_)) => Verdict::Wrong,
        };
        self.note(verdict, format!("what was appended to {name}"));
    }

    fn judge(&mut self, sight: Sight<'_>, read: &Result<(), StoreError>, about: &str) {
        let verdict = match (sight.verdict, read) {
            (Verdict::Right, Err(_)) => Verdict::Error,
            (Verdict::Right, Ok(())) if sight.left.len() > 0 => Verdict::Incomplete,
            (verdict, _) => verdict,
        };
        let found = sight.found;
        self.note(verdict, format!("{about}: {read:?}, {found}"));
    }
}

/// What a read shows, against what it should show.
struct Sight<'c> {
    contents: &'c Contents,
    left: std::vec::IntoIter<&'c RecordedEvent>,
    verdict: Verdict,
    found: String,
}

impl<'c> Sight<'c> {
    fn of(contents: &'c Contents, expected: Vec<&'c RecordedEvent>) -> Self {
        Sight {
            contents,
            left: expected.into_iter(),
            verdict: Verdict::Right,
            found: String::new(),
        }
    }

    fn see(&mut self, event: &RecordedEvent) -> ControlFlow<()> {
        let expected = self.left.next();
        if expected == Some(event) || self.verdict != Verdict::Right {
            return ControlFlow::Continue(());
        }
        // An event that was stored, where another one was due.
        self.verdict = match self.contents.log.contains(event) {
            true => Verdict::Incomplete,
            false => Verdict::Wrong,
        };
        self.found = format!("found {event:?} for {expected:?}");
        ControlFlow::Continue(())
    }
}
