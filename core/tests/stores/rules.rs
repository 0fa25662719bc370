//! What a decision asks is known before it is asked: a store that answers only what was listed decides as any other.

use crate::random::Random;
use midgard::event::{NewEvent, RecordedEvent, RecordedEventRef};
use midgard::store::rules::{self, Facts, FirstEvent, Holder, Question, Ruling};
use midgard::store::{
    Append, AppendCondition, AppendError, EntryWrite, ExpectedVersion, Query, QueryItem,
    ReadEntries, ReadLog, StoreError, StreamState,
};
use midgard::{EventId, MemoryStore, Place, Position, Store, StreamName, Version, block_on};
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

/// The answers to the questions that were listed, fetched all at once. Any other question ends the test.
#[derive(Default)]
struct Answers {
    states: HashMap<StreamName, StreamState>,
    holders: HashMap<(StreamName, EventId), Option<Holder>>,
    events: HashMap<(StreamName, Version), Option<RecordedEvent>>,
    matches: Vec<(Query, Position, Option<Position>)>,
    entries: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// The streams whose states were asked for, in turn.
    asked_states: Vec<StreamName>,
    /// The kinds of questions that were asked.
    asked: BTreeSet<&'static str>,
}

impl Answers {
    fn to<'a>(questions: impl Iterator<Item = Question<'a>>, store: &MemoryStore) -> Self {
        let log = log(store);
        let mut answers = Answers::default();
        for question in questions {
            answers.answer(question, store, &log);
        }
        answers
    }

    fn answer(&mut self, question: Question<'_>, store: &MemoryStore, log: &[RecordedEvent]) {
        match question {
            Question::State(stream) => {
                let state = block_on(store.stream_state(stream)).unwrap();
                self.states.insert(stream.clone(), state);
            }
            Question::Holder { stream, id } => {
                let holder = holder(log, stream, id);
                self.holders.insert((stream.clone(), id), holder);
            }
            Question::Events {
                stream,
                first,
                count,
            } => {
                let first = match first {
                    FirstEvent::At(version) => version,
                    FirstEvent::Holding(id) => match holder(log, stream, id) {
                        Some(Holder::Here(version)) => version,
                        _ => return,
                    },
                };
                for version in (first.get()..).take(count as usize).map(Version) {
                    let mut events = log.iter();
                    let event =
                        events.find(|event| event.stream == *stream && event.version == version);
                    self.events
                        .insert((stream.clone(), version), event.cloned());
                }
            }
            Question::FirstMatch(condition) => {
                let mut later = log
                    .iter()
                    .filter(|event| event.position > condition.after.position);
                let first = later.find(|event| condition.query.matches(&event.view()));
                let first = first.map(|event| event.position);
                self.matches
                    .push((condition.query.clone(), condition.after.position, first));
            }
            Question::Entry { key, .. } => {
                let value = entry(store, key);
                self.entries.insert(key.to_vec(), value);
            }
        }
    }
}

fn log(store: &MemoryStore) -> Vec<RecordedEvent> {
    let mut log = Vec::new();
    let each = &mut |event: RecordedEventRef<'_>| {
        log.push(event.to_owned());
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), each)).unwrap();
    log
}

fn entry(store: &MemoryStore, key: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    let each = &mut |_: &[u8], value: &[u8]| {
        found = Some(value.to_vec());
        ControlFlow::Continue(())
    };
    block_on(store.read_entries(&ReadEntries::key(key), each)).unwrap();
    found
}

fn holder(log: &[RecordedEvent], stream: &StreamName, id: EventId) -> Option<Holder> {
    let mut holders = log.iter().filter(|event| event.id == id);
    let any = holders.clone().next()?;
    Some(match holders.find(|event| event.stream == *stream) {
        Some(event) => Holder::Here(event.version),
        None => Holder::Elsewhere(any.stream.clone(), any.version),
    })
}

impl Facts for Answers {
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError> {
        self.asked.insert("state");
        self.asked_states.push(stream.clone());
        Ok(self.states[stream])
    }

    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        self.asked.insert("event");
        let event = &self.events[&(stream.clone(), version)];
        Ok(event.as_ref().map(|event| (event.id, event.position)))
    }

    fn read_event(
        &mut self,
        stream: &StreamName,
        position: Position,
        visit: &mut dyn FnMut(RecordedEventRef<'_>),
    ) -> Result<(), StoreError> {
        self.asked.insert("whole event");
        let mut events = self.events.values().flatten();
        let event = events.find(|event| event.position == position).unwrap();
        assert_eq!(event.stream, *stream);
        visit(event.view());
        Ok(())
    }

    fn holder(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError> {
        self.asked.insert("holder");
        Ok(self.holders[&(stream.clone(), id)].clone())
    }

    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        self.asked.insert("match");
        let mut matches = self.matches.iter();
        let (.., found) = matches
            .find(|(asked, from, _)| asked == query && *from == after)
            .unwrap();
        Ok(*found)
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        self.asked.insert("entry");
        Ok(self.entries[key].as_deref() == value)
    }
}

/// A store that is changed at random, and what was appended to it.
struct Scene {
    store: MemoryStore,
    random: Random,
    appends: Vec<Append>,
    events: Vec<NewEvent>,
}

impl Scene {
    fn stream(&mut self) -> StreamName {
        StreamName::new(format!("stream-{}", self.random.below(3))).unwrap()
    }

    /// A new event; now and then one with the id of another, or another whole one.
    fn event(&mut self) -> NewEvent {
        let name = ["opened", "closed"][self.random.below(2) as usize];
        let payload = format!("{{\"n\":{}}}", self.random.below(1000));
        let mut event = NewEvent::json(name, 1, payload.into_bytes());
        let other = (!self.events.is_empty()).then(|| self.random.pick(&self.events).clone());
        match (self.random.below(12), other) {
            (0, Some(other)) => event.id = other.id,
            (1, Some(other)) => event = other,
            _ => self.events.push(event.clone()),
        }
        event
    }

    fn expected(&mut self, stream: &StreamName) -> ExpectedVersion {
        let last = block_on(self.store.stream_state(stream)).unwrap().last;
        match self.random.below(6) {
            0 => ExpectedVersion::NoStream,
            1 => ExpectedVersion::Exists,
            2 => ExpectedVersion::Exact(Version(self.random.below(5))),
            3 => ExpectedVersion::Exact(last),
            _ => ExpectedVersion::Any,
        }
    }

    fn entry_write(&mut self) -> EntryWrite {
        let mut write = EntryWrite::new();
        for _ in 0..self.random.below(3) {
            let key = [b"a", b"b", b"c"][self.random.below(3) as usize];
            let is = entry(&self.store, key);
            let expected = if self.random.below(4) > 0 { is } else { None };
            write = write.expect(key, expected.as_deref()).put(key, b"1");
        }
        write
    }

    /// An append of any shape; now and then one that was made before.
    fn append(&mut self) -> Append {
        if self.random.below(4) == 0 && !self.appends.is_empty() {
            return self.random.pick(&self.appends).clone();
        }
        let mut append = Append::default();
        for _ in 0..[1, 1, 2, 3, 0][self.random.below(5) as usize] {
            let stream = self.stream();
            let expected = self.expected(&stream);
            let events: Vec<_> = (0..self.random.below(4)).map(|_| self.event()).collect();
            append = append.and(stream, expected, events);
        }
        if self.random.below(4) == 0 {
            let after = Place::main(Position(
                self.random.below(log(&self.store).len() as u64 + 2),
            ));
            let query = QueryItem::new().name("closed").into();
            append = append.unless(AppendCondition { query, after });
        }
        if self.random.below(3) == 0 {
            append = append.with_entries(self.entry_write());
        }
        self.appends.push(append.clone());
        append
    }
}

fn kind(ruled: &Result<Ruling, AppendError>) -> &'static str {
    match ruled {
        Ok(Ruling::Write(_)) => "written",
        Ok(Ruling::Repeat(_)) => "repeated",
        Err(AppendError::Conflict { .. }) => "conflict",
        Err(AppendError::Tombstoned { .. }) => "tombstoned",
        Err(AppendError::ConditionFailed { .. }) => "condition failed",
        Err(AppendError::EntryChanged { .. }) => "entry changed",
        Err(AppendError::IdTaken { .. }) => "id taken",
        Err(AppendError::IdRepeated { .. }) => "id repeated",
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_decision_asks_only_what_was_listed_and_is_that_of_a_store_that_knows_everything() {
    let (mut asked, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..100 {
        let mut scene = Scene {
            store: MemoryStore::new(),
            random: Random(seed),
            appends: Vec::new(),
            events: Vec::new(),
        };
        for _ in 0..40 {
            let append = scene.append();
            let mut answers = Answers::to(rules::questions(&append), &scene.store);
            let ruled = rules::decide(&append, &mut answers);
            asked.append(&mut answers.asked);
            kinds.insert(kind(&ruled));
            let made = block_on(scene.store.append(append.clone()));
            match (ruled, made) {
                (Ok(Ruling::Write(before)), Ok(made)) => {
                    let parts = append.parts().iter();
                    let streams: Vec<_> = parts.clone().map(|part| part.stream.clone()).collect();
                    assert_eq!(answers.asked_states, streams);
                    let after = before.iter().zip(parts);
                    let after =
                        after.map(|(version, part)| version.get() + part.events.len() as u64);
                    assert!(after.eq(made.versions.iter().map(|version| version.get())));
                }
                (Ok(Ruling::Repeat(first)), Ok(made)) => assert_eq!(first, made),
                (Err(one), Err(other)) => assert_eq!(format!("{one:?}"), format!("{other:?}")),
                (ruled, made) => panic!("{ruled:?} of an append, and {made:?}: {append:?}"),
            }

            let (stream, write) = (scene.stream(), scene.entry_write());
            let mut answers = Answers::to(rules::entry_questions(&write), &scene.store);
            let ruled = rules::decide_entries(&write, &mut answers);
            let made = block_on(scene.store.write_entries(write));
            assert_eq!(format!("{ruled:?}"), format!("{made:?}"));

            let expected = scene.expected(&stream);
            let mut answers = Answers::to(rules::end_questions(&stream), &scene.store);
            let ruled = rules::decide_end(&stream, expected, &mut answers).map(drop);
            let made = match scene.random.below(40) {
                0 => block_on(scene.store.tombstone(&stream, expected)),
                1..5 => block_on(scene.store.truncate(&stream, Version(3), expected)),
                _ => continue,
            };
            assert_eq!(format!("{ruled:?}"), format!("{made:?}"));
        }
    }
    // Every question and every outcome has come up.
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}
