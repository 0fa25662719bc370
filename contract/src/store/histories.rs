//! Random histories: a store answers everything as the memory store does.
//!
//! The other cases check known rules one by one; these find problems that nobody thought of.

use super::kit::*;
use crate::random::Random;
use midgard::MemoryStore;

impl Random {
    fn stream(&mut self) -> StreamName {
        stream(&format!("account-{}", self.below(6)))
    }

    fn expected(&mut self, last: Version) -> midgard::store::ExpectedVersion {
        match self.below(6) {
            0 => NoStream,
            1 => Exists,
            2 => Exact(Version(self.below(12))),
            3 => Exact(last),
            _ => Any,
        }
    }

    fn event(&mut self) -> NewEvent {
        let mut event = named(&format!("event.{}", self.below(4)));
        for _ in 0..self.below(3) {
            event = event.with_tag("key", &self.below(5).to_string());
        }
        event
    }

    fn query(&mut self) -> Query {
        (0..self.below(3)).fold(Query::all(), |query, _| {
            let mut item = QueryItem::new();
            for _ in 0..self.below(3) {
                item = item.name(format!("event.{}", self.below(5)));
            }
            for _ in 0..self.below(3) {
                item = item.tag(format!("key:{}", self.below(6)));
            }
            query.or(item)
        })
    }

    /// Mostly within the log, sometimes far beyond it.
    fn position(&mut self, end: Position) -> Position {
        match self.below(12) {
            0 => Position::MAX,
            _ => Position(self.below(end.0 + 3)),
        }
    }

    fn limit(&mut self) -> u64 {
        [0, 1, 2, 10, u64::MAX][self.below(5) as usize]
    }
}

/// Events without their times, which differ between any two stores.
fn timeless(mut events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    for event in &mut events {
        event.time = Timestamp::default();
    }
    events
}

/// Makes one append of some parts, now and then one that was made before.
async fn append(random: &mut Random, made: &mut Vec<Append>, model: &MemoryStore) -> Append {
    if !made.is_empty() && random.one_in(4) {
        return made[random.below(made.len() as u64) as usize].clone();
    }
    let mut append = Append::default();
    for _ in 0..1 + random.below(3) / 2 {
        let name = random.stream();
        let last = state_of(model, name.as_str()).await.last;
        let events: Vec<_> = (0..random.below(4)).map(|_| random.event()).collect();
        append = append.and(name, random.expected(last), events);
    }
    if random.one_in(4) {
        let end = last_position(model).await;
        append = append.unless(AppendCondition {
            query: random.query(),
            after: Place::main(random.position(end)),
        });
    }
    made.push(append.clone());
    append
}

/// Asserts that both did the same, or failed with the same text.
fn agree<T: PartialEq + std::fmt::Debug>(
    what: &str,
    (found, wanted): (Result<T, AppendError>, Result<T, AppendError>),
) {
    let [found, wanted] = [found, wanted].map(|result| result.map_err(|error| error.to_string()));
    assert_eq!(
        found, wanted,
        "a store answers as the memory store does: {what}"
    );
}

async fn reads_agree(random: &mut Random, store: &impl Store, model: &MemoryStore) {
    let name = random.stream();
    let what = [
        ReadStream::forward(name.clone()),
        ReadStream::backward(name.clone()),
    ][random.below(2) as usize]
        .clone();
    let from = Version(random.below(state_of(model, name.as_str()).await.last.0 + 3));
    let what = what.from(from).limit(random.limit());
    let (found, state) = read(store, &what).await;
    let (wanted, wanted_state) = read(model, &what).await;
    assert_eq!(state, wanted_state, "the state of {name}");
    let [found, wanted] = [found, wanted].map(timeless);
    assert_eq!(
        found, wanted,
        "a store reads what the memory store does: {what:?}"
    );

    let end = last_position(model).await;
    assert_eq!(
        last_position(store).await,
        end,
        "the log ends where that of the memory store does"
    );
    let what = [ReadLog::forward(), ReadLog::backward()][random.below(2) as usize].clone();
    let what = what
        .from(random.position(end))
        .limit(random.limit())
        .matching(random.query());
    let found = timeless(scan(store, &what).await.0);
    let wanted = timeless(scan(model, &what).await.0);
    assert_eq!(
        found, wanted,
        "a store reads what the memory store does: {what:?}"
    );
}

async fn history<F: Fixture>(fixture: &F, seed: u64, endings: bool) {
    let random = &mut Random(seed);
    let (mut store, model) = (fixture.open(), MemoryStore::new());
    let mut made = Vec::new();
    for step in 0..150 {
        match random.below(20) {
            0 if endings => {
                let (name, before) = (random.stream(), Version(random.below(20)));
                let expected = random.expected(state_of(&model, name.as_str()).await.last);
                let found = store.truncate(&name, before, expected).await;
                let wanted = model.truncate(&name, before, expected).await;
                agree(
                    &format!("truncation {step} of seed {seed}"),
                    (found, wanted),
                );
                // A truncated event may or may not be recognised any more.
                made.clear();
            }
            1 if endings && random.one_in(4) => {
                let name = random.stream();
                let expected = random.expected(state_of(&model, name.as_str()).await.last);
                let found = store.tombstone(&name, expected).await;
                let wanted = model.tombstone(&name, expected).await;
                agree(&format!("tombstone {step} of seed {seed}"), (found, wanted));
            }
            2 if random.one_in(4) => {
                drop(store);
                store = fixture.open();
            }
            _ => {
                let append = append(random, &mut made, &model).await;
                let found = store.append(append.clone()).await;
                let wanted = model.append(append.clone()).await;
                agree(
                    &format!("append {step} of seed {seed}: {append:?}"),
                    (found, wanted),
                );
            }
        }
        reads_agree(random, &store, &model).await;
    }
}

pub(super) async fn random_history_of_appends<F: Fixture>(fixture: &F) {
    history(fixture, 1, false).await;
}

pub(super) async fn another_random_history_of_appends<F: Fixture>(fixture: &F) {
    history(fixture, 2, false).await;
}

pub(super) async fn random_history_with_endings<F: Fixture>(fixture: &F) {
    history(fixture, 3, true).await;
}

pub(super) async fn another_random_history_with_endings<F: Fixture>(fixture: &F) {
    history(fixture, 4, true).await;
}
