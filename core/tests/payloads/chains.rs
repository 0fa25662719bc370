//! The message of an error has its cause, with what lies underneath that; and a chain of errors says nothing twice.
//! So a log that prints messages alone lacks nothing, and one that prints the chain repeats nothing.

use midgard::bus::{BusError, Message, MessageError};
use midgard::command::{AskError, SendError};
use midgard::consumer::HandleError;
use midgard::event::{DecodeError, DecodeReason, EncodeError, JsonError, NewEvent};
use midgard::inbox::InboxError;
use midgard::limits::{LimitError, Limited};
use midgard::projection::ProjectError;
use midgard::repository::{ExecuteError, LoadError};
use midgard::store::{AppendError, EntryError, StoreError};
use midgard::view::{LiveError, ViewError};
use midgard::{Event, Position, Version};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "weather.taken")]
struct ReadingTaken {
    degrees: f64,
}

/// An error as most crates have them: what lies underneath is its source, and not in its message.
#[derive(Debug)]
struct NoAnswer(TimedOut);

#[derive(Debug)]
struct TimedOut;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("after 3 seconds")
    }
}

impl Error for NoAnswer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl Error for TimedOut {}

/// What the two say together.
const NO_ANSWER: &str = "no answer: after 3 seconds";

fn no_answer() -> Box<dyn Error + Send + Sync> {
    Box::new(NoAnswer(TimedOut))
}

fn store() -> StoreError {
    StoreError::Backend {
        action: "read the log",
        cause: no_answer(),
    }
}

fn bus() -> BusError {
    BusError::Unavailable {
        location: "localhost".to_owned(),
        action: "publish",
        cause: no_answer(),
    }
}

fn unreadable_message() -> MessageError {
    let data = br#"{"degrees":"warm"}"#;
    let message = Message::event("weather", "weather.taken", 1, data.to_vec());
    message.decode::<ReadingTaken>().unwrap_err()
}

fn json() -> JsonError {
    match unreadable_message().reason {
        DecodeReason::Payload(error) => error,
        other => panic!("{other:?}"),
    }
}

fn unreadable_event() -> DecodeError {
    DecodeError {
        name: "weather.taken".to_owned(),
        schema_version: 1,
        stream: "station-1".to_owned(),
        version: Version::from(1),
        position: Position::from(1),
        reason: DecodeReason::Payload(json()),
    }
}

fn unwritable_event() -> EncodeError {
    let degrees = f64::NAN;
    NewEvent::encode(&ReadingTaken { degrees }).unwrap_err()
}

/// Each public error that has others underneath, with what its message must have.
fn errors() -> Vec<(Box<dyn Error>, String)> {
    let mut errors: Vec<(Box<dyn Error>, String)> = Vec::new();
    let mut add = |error: Box<dyn Error>, part: &str| errors.push((error, part.to_owned()));
    let limit = LimitError::Empty(Limited::StreamName);
    let json_text = json().to_string();

    add(Box::new(store()), NO_ANSWER);
    add(
        Box::new(StoreError::Limit(limit.clone())),
        &limit.to_string(),
    );
    add(Box::new(EntryError::Store(store())), NO_ANSWER);
    add(Box::new(AppendError::Store(store())), NO_ANSWER);
    add(
        Box::new(AppendError::Encode(unwritable_event())),
        "read back",
    );
    add(Box::new(LoadError::Store(store())), NO_ANSWER);
    add(Box::new(LoadError::Decode(unreadable_event())), &json_text);
    add(
        Box::new(ExecuteError::<TimedOut>::Load(store().into())),
        NO_ANSWER,
    );
    add(
        Box::new(ExecuteError::<TimedOut>::Append(store().into())),
        NO_ANSWER,
    );
    add(
        Box::new(ExecuteError::<TimedOut>::Conflict {
            tries: 3,
            last: store().into(),
        }),
        NO_ANSWER,
    );
    add(
        Box::new(ExecuteError::Rejected(NoAnswer(TimedOut))),
        "no answer",
    );
    add(Box::new(unreadable_event()), &json_text);
    add(Box::new(unwritable_event()), "read back");
    add(Box::new(unreadable_message()), &json_text);

    add(Box::new(bus()), NO_ANSWER);
    add(Box::new(SendError::Bus(bus())), NO_ANSWER);
    add(Box::new(AskError::Bus(bus())), NO_ANSWER);
    add(Box::new(AskError::Send(SendError::Bus(bus()))), NO_ANSWER);
    add(
        Box::new(AskError::Unreadable(unreadable_message())),
        &json_text,
    );
    add(
        Box::new(InboxError::Unreadable(unreadable_message())),
        &json_text,
    );
    add(Box::new(InboxError::Handler(no_answer().into())), NO_ANSWER);

    add(
        Box::new(ProjectError::Decode(unreadable_event())),
        &json_text,
    );
    add(
        Box::new(ProjectError::Handler(no_answer().into())),
        NO_ANSWER,
    );
    add(
        Box::new(LiveError::Project {
            projection: "weather",
            name: "weather.taken".to_owned(),
            place: midgard::Place::main(Position::from(1)),
            cause: ProjectError::Handler(no_answer().into()),
        }),
        NO_ANSWER,
    );
    add(
        Box::new(LiveError::View(ViewError::Store(store()))),
        NO_ANSWER,
    );
    add(Box::new(LiveError::Store(store())), NO_ANSWER);
    add(Box::new(ViewError::Store(store())), NO_ANSWER);
    add(
        Box::new(ViewError::Encode {
            view: "station",
            key: "1".to_owned(),
            cause: json(),
        }),
        &json_text,
    );
    add(
        Box::new(ViewError::Unreadable {
            view: "station",
            key: "1".to_owned(),
            cause: json(),
        }),
        &json_text,
    );
    add(Box::new(HandleError::Store(store())), NO_ANSWER);
    add(
        Box::new(HandleError::Notes {
            name: "weather".to_owned(),
            cause: store().into(),
        }),
        NO_ANSWER,
    );
    errors
}

#[test]
fn messages_have_their_causes_and_chains_say_nothing_twice() {
    for (error, part) in errors() {
        let message = error.to_string();
        assert!(
            message.matches(part.as_str()).count() == 1,
            "`{part}` is in it once: {message}"
        );
        let mut said = message;
        let mut next = error.source();
        while let Some(error) = next {
            let text = error.to_string();
            assert!(!said.contains(&text), "`{text}` is said again: {said}");
            said.push_str(&text);
            next = error.source();
        }
    }
}

#[test]
fn cause_that_prints_its_own_source_is_not_repeated() {
    let inner = store();
    let error = StoreError::Backend {
        action: "open",
        cause: inner.into(),
    };
    assert_eq!(
        error.to_string(),
        format!("the store could not open: the store could not read the log: {NO_ANSWER}")
    );
    let io = std::io::Error::other(NoAnswer(TimedOut));
    let error = StoreError::Backend {
        action: "open",
        cause: Box::new(io),
    };
    assert_eq!(
        error.to_string(),
        format!("the store could not open: {NO_ANSWER}")
    );
}
