//! What a repository refuses to append, and what it says.

use crate::kit::event;
use midgard::event::{EncodeError, EncodeReason};
use midgard::repository::ExecuteError;
use midgard::store::{AppendError, ExpectedVersion};
use midgard::testing::given;
use midgard::{
    Aggregate, Apply, Command, Events, LogId, MemoryStore, Position, Repository, Store, Version,
    block_on, events,
};
use std::convert::Infallible;

event!(Taken(f64), "reading.taken");

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "sensor", id = u32, events(Taken))]
struct Sensor {
    last: Option<f64>,
}

impl Apply<Taken> for Sensor {
    fn apply(&mut self, event: Taken) {
        self.last = Some(event.value);
    }
}

/// Takes readings.
struct Take(&'static [f64]);

impl Command<Sensor> for Take {
    type Error = Infallible;

    fn decide(&self, _: &Sensor) -> Result<Events<Sensor>, Infallible> {
        Ok(self.0.iter().map(|&value| Taken { value }).collect())
    }
}

fn sensors() -> Repository<Sensor, MemoryStore> {
    Repository::new(MemoryStore::new())
}

fn last_position(sensors: &Repository<Sensor, MemoryStore>) -> Position {
    block_on(sensors.store().last_position(LogId::MAIN)).unwrap()
}

const FAULTY: &[f64] = &[1.5, f64::NAN];

fn assert_names_its_stream(error: &AppendError) {
    assert!(matches!(
        error,
        AppendError::Encode(EncodeError { name: "reading.taken", stream: Some(stream), reason: EncodeReason::Unreadable { .. }, .. })
            if stream.as_str() == "sensor-7"
    ));
    let sentence = error.to_string();
    assert!(
        sentence.starts_with(
            "event \"reading.taken\" version 1 for stream \"sensor-7\" cannot be written as json: "
        ),
        "{sentence}"
    );
}

#[test]
fn execute_appends_nothing_of_a_decision_with_an_event_that_cannot_be_read() {
    let sensors = sensors();
    block_on(sensors.execute(&7, &Take(&[0.5]))).unwrap();
    let executed = block_on(sensors.execute(&7, &Take(FAULTY)));
    let Err(ExecuteError::Append(error)) = executed else {
        panic!("{executed:?}");
    };
    assert_names_its_stream(&error);
    assert_eq!(last_position(&sensors), Position(1));
    assert_eq!(block_on(sensors.load(&7)).unwrap().state().last, Some(0.5));
}

#[test]
fn so_do_commit_and_save() {
    let sensors = sensors();
    let mut sensor = block_on(sensors.load(&7)).unwrap();
    sensor.decide(&Take(FAULTY)).unwrap();
    assert_names_its_stream(&block_on(sensors.commit(sensor)).unwrap_err());
    let events = events![Taken {
        value: f64::INFINITY
    }];
    let saved = block_on(sensors.save(&7, ExpectedVersion::Any, events));
    assert_names_its_stream(&saved.unwrap_err());
    assert_eq!(last_position(&sensors), Position::ZERO);
}

#[test]
fn a_repository_can_be_told_to_leave_it_out() {
    let sensors = sensors().without_read_back();
    // A clone is told so too.
    for (id, sensors) in [(7, sensors.clone()), (8, sensors)] {
        let executed = block_on(sensors.execute(&id, &Take(FAULTY))).unwrap();
        assert_eq!(executed.version(), executed.starting_version());
    }
}

/// The sentence does not blame a change of the struct alone, as there was none.
#[test]
fn what_was_stored_without_it_says_so_when_it_is_loaded() {
    let sensors = sensors().without_read_back();
    block_on(sensors.execute(&7, &Take(FAULTY))).unwrap();
    let error = block_on(sensors.load(&7)).unwrap_err().to_string();
    assert_eq!(
        error,
        "event \"reading.taken\" version 1 in stream \"sensor-7\" at version 2 (position 2) cannot be read: its payload does \
         not fit the event's struct (invalid type: null, expected f64, at `value`); if the struct has changed since \
         it was written, give the change a new `version` and `upcast_from`; if not, let the struct read what it wrote"
    );
}

#[test]
#[should_panic(
    expected = "event \"reading.taken\" version 1 cannot be written as json: its payload cannot be read back"
)]
fn a_test_of_what_follows_finds_it() {
    given(events![])
        .when(Take(FAULTY))
        .then([Taken { value: 1.5 }, Taken { value: f64::NAN }]);
}

#[test]
#[should_panic(expected = "cannot be read back")]
fn so_does_one_of_the_state_that_follows() {
    given(events![]).when(Take(FAULTY)).then_state(|_| ());
}

#[test]
#[should_panic(expected = "cannot be read back")]
fn nothing_is_given_that_could_not_have_happened() {
    given::<Sensor>([Taken { value: f64::NAN }])
        .when(Take(&[]))
        .then_nothing();
}

#[test]
fn the_versions_are_those_of_what_was_appended() {
    let sensors = sensors();
    let sensor = block_on(sensors.execute(&7, &Take(&[0.5, 1.5]))).unwrap();
    assert_eq!(
        (sensor.version(), sensor.state().last),
        (Version(2), Some(1.5))
    );
}
