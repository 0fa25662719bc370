//! Errors say where a payload does not fit, and never what stands there: they are logged, and kept with dead letters.

use midgard::bus::{InProcessBus, Message, Publisher as _};
use midgard::consumer::{FailurePolicy, Status};
use midgard::event::{Encoded, NewEvent, RecordedEventRef};
use midgard::inbox::InboxOptions;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{
    Context, Done, Event, Handle, HandlerError, Inbox, MemoryStore, MessageContext, Midgard,
    MidgardHandle, Position, Project, Projection, RemoteCommand, StartFrom, Store, StreamName,
    Subscribe, Subscription, Views, block_on,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::Debug;
use std::num::NonZeroU8;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

const SECRET: &str = "ann@x.org";
const LONG: Duration = Duration::from_secs(180);

/// Says what it was given, as many types do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Even(String);

impl TryFrom<String> for Even {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("{text} is odd"))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum State {
    New,
    Paid { cents: u64 },
    Sent(u64, u64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Number(u64),
    Flag(bool),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    One { cents: u64 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Flat {
    cents: u64,
    #[serde(flatten)]
    more: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "thing.done")]
struct ThingDone {
    #[serde(default)]
    number: u64,
    #[serde(default)]
    small: Option<NonZeroU8>,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    even: Option<Even>,
    #[serde(default)]
    state: Option<State>,
    #[serde(default)]
    loose: Vec<Loose>,
    #[serde(default)]
    tagged: Option<Tagged>,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    of_each: HashMap<String, Vec<Line>>,
    #[serde(default)]
    by_number: HashMap<u64, u64>,
    #[serde(default)]
    flat: Option<Flat>,
    #[serde(default)]
    pair: (u8, String),
    #[serde(default)]
    letter: Option<char>,
}

/// All that an error says, in any way.
fn all(error: &(dyn Error + 'static)) -> String {
    let mut said = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        said.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    said
}

fn append(store: &impl Store, payload: &str) -> Position {
    let stream = StreamName::new("thing-7").unwrap();
    let event = NewEvent::json(ThingDone::NAME, 1, payload.as_bytes().to_vec());
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    block_on(store.append(append)).unwrap().position.unwrap()
}

fn error_of(payload: &str) -> String {
    let store = MemoryStore::new();
    append(&store, payload);
    let mut said = String::new();
    let visit = &mut |event: RecordedEventRef<'_>| {
        let error = event.decode::<ThingDone>().unwrap_err();
        said = all(&error);
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), visit)).unwrap();
    said
}

#[test]
fn payloads_that_do_not_fit_are_told_by_path_and_kind() {
    let mut wrong = Vec::new();
    for (payload, said) in [
        (
            r#"{"number":"ann@x.org"}"#,
            "(invalid type: string, expected u64, at `number`)",
        ),
        (
            r#"{"number":"a, expected ann@x.org at line 7"}"#,
            "(invalid type: string, expected u64, at `number`)",
        ),
        (
            r#"{"number":-714}"#,
            "(invalid value: integer, expected u64, at `number`)",
        ),
        (
            r#"{"number":71.4}"#,
            "(invalid type: floating point, expected u64, at `number`)",
        ),
        (
            r#"{"small":714}"#,
            "(invalid value: integer, expected a nonzero u8, at `small`)",
        ),
        (
            r#"{"flag":"ann@x.org"}"#,
            "(invalid type: string, expected a boolean, at `flag`)",
        ),
        (
            r#"{"letter":"ann@x.org"}"#,
            "(invalid value: string, expected a character, at `letter`)",
        ),
        (
            r#"{"even":"ann@x.org"}"#,
            "(its `Deserialize` refuses it, at `even`)",
        ),
        (
            r#"{"even":714}"#,
            "(invalid type: integer, expected a string, at `even`)",
        ),
        (
            r#"{"state":"ann@x.org"}"#,
            "(unknown variant, expected one of `New`, `Paid`, `Sent`, at `state`)",
        ),
        (
            r#"{"state":{"Paid":{"cents":"ann@x.org"}}}"#,
            "(invalid type: string, expected u64, at `state.cents`)",
        ),
        (
            r#"{"state":{"Sent":[1,"ann@x.org"]}}"#,
            "(invalid type: string, expected u64, at `state[1]`)",
        ),
        (
            r#"{"state":{"Sent":[1]}}"#,
            "(invalid length 1, expected tuple variant State::Sent with 2 elements, at `state`)",
        ),
        (
            r#"{"loose":[1,true,"ann@x.org"]}"#,
            "(data did not match any variant of untagged enum Loose, at `loose[2]`)",
        ),
        (
            r#"{"tagged":{"kind":"ann@x.org"}}"#,
            "(unknown variant, expected one of `One`, at `tagged[..]`)",
        ),
        (
            r#"{"tagged":{"kind":"One","cents":"ann@x.org"}}"#,
            "(invalid type: string, expected u64, at `tagged`)",
        ),
        (
            r#"{"lines":[{"cents":1},{"cents":"ann@x.org"}]}"#,
            "(invalid type: string, expected u64, at `lines[1].cents`)",
        ),
        (
            r#"{"lines":[{"cents":1,"ann@x.org":2}]}"#,
            "(unknown field, expected one of `cents`, at `lines[0]`)",
        ),
        (
            r#"{"lines":[{"cents":1,"cents":714}]}"#,
            "(duplicate field `cents`, at `lines[0]`)",
        ),
        (
            r#"{"lines":[{}]}"#,
            "(missing field `cents`, at `lines[0]`)",
        ),
        (
            r#"{"lines":{"ann@x.org":1}}"#,
            "(invalid type: map, expected a sequence, at `lines`)",
        ),
        (
            r#"{"of_each":{"ann@x.org":[{"cents":null}]}}"#,
            "(invalid type: null, expected u64, at `of_each[..][0].cents`)",
        ),
        (
            r#"{"by_number":{"ann@x.org":1}}"#,
            "(invalid value: expected key to be a number in quotes at line 1 column 15)",
        ),
        (
            r#"{"flat":{"cents":1,"ann@x.org":"714"}}"#,
            "(invalid type: string, expected u64, at `flat`)",
        ),
        (
            r#"{"pair":["ann@x.org","a"]}"#,
            "(invalid type: string, expected u8, at `pair[0]`)",
        ),
        (
            r#""ann@x.org""#,
            "(invalid type: string, expected struct ThingDone)",
        ),
        (
            r#"["ann@x.org"]"#,
            "(it is a list, and the fields of this event have names",
        ),
        (
            r#"{"number":ann@x.org}"#,
            "(expected value at line 1 column 11)",
        ),
        (
            r#"{"number":1}ann@x.org"#,
            "(trailing characters at line 1 column 13)",
        ),
    ] {
        let error = error_of(payload);
        let secrets = [SECRET, "x.org", "714", "71.4"];
        let holds = secrets.iter().any(|secret| error.contains(secret));
        if holds || !error.contains(said) {
            wrong.push(format!("{payload}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "do", service = "things")]
struct Do {
    number: u64,
}

#[derive(Inbox)]
#[inbox(name = "things", events(ThingDone), commands(Do))]
struct Things;

impl Subscribe<ThingDone> for Things {
    async fn receive(&self, _: ThingDone, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Handle<Do> for Things {
    async fn handle(&self, _: Do, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

#[derive(Projection)]
#[projection(name = "projection", events(ThingDone))]
struct Projected;

impl Project<ThingDone> for Projected {
    async fn project(&self, _: ThingDone, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Runs a program until the future is done.
fn run<T>(midgard: Midgard<MemoryStore>, until: impl AsyncFnOnce(&MidgardHandle) -> T) -> T {
    block_on(midgard.declare()).unwrap();
    let handle = midgard.handle();
    let running = thread::spawn(|| block_on(midgard.run()));
    let done = block_on(until(&handle));
    handle.stop();
    running.join().unwrap().unwrap();
    done
}

fn holds_no_secret(what: &impl Debug) {
    let said = format!("{what:?}");
    assert!(!said.contains(SECRET), "{said}");
    assert!(said.contains("`number`"), "{said}");
}

#[test]
fn dead_letters_and_status_hold_none() {
    let store = MemoryStore::new();
    let policy = || FailurePolicy::retry(0).then_park();
    let subscription =
        Subscription::<ThingDone>::events("subscription", StartFrom::Start).on_failure(policy());
    let options = midgard::consumer::ConsumerOptions::new().on_failure(policy());
    let views = Views::new(MemoryStore::new());
    let midgard = Midgard::new(store.clone())
        .subscribe(subscription, async |_| Ok(()))
        .project_with(Projected, views, options);
    append(&store, r#"{"number":"ann@x.org"}"#);
    run(midgard, async |handle| {
        for name in ["subscription", "projection"] {
            let is_parked = |status: &Status| status.parked == 1;
            handle.wait_until(name, LONG, is_parked).await.unwrap();
            holds_no_secret(&handle.dead_letters(name).await.unwrap());
            holds_no_secret(&handle.status_of(name).unwrap());
        }
    });
}

#[test]
fn parked_messages_and_commands_hold_none_but_in_their_content() {
    let bus = InProcessBus::new();
    let parking = InboxOptions::new().on_failure(FailurePolicy::retry(0).then_park());
    let midgard = Midgard::new(MemoryStore::new())
        .outbox_elsewhere()
        .inbox_with(Things, bus.clone(), parking);
    let data = || br#"{"number":"ann@x.org"}"#.to_vec();
    let event = Message::event("others", ThingDone::NAME, 1, data());
    let purpose = midgard::bus::Purpose::Command {
        service: "things".to_owned(),
    };
    let command = Message::new(purpose, "others", Encoded::json(Do::NAME, 1, data()));
    run(midgard, async |handle| {
        bus.publish(&[event.with_id("1"), command.with_id("2")])
            .await
            .unwrap();
        let is_parked = |status: &Status| status.parked == 2;
        handle.wait_until("things", LONG, is_parked).await.unwrap();
        let parked = handle.parked_messages("things").await.unwrap();
        for parked in &parked {
            holds_no_secret(&parked.error);
        }
        let status = format!("{:?}", handle.status_of("things").unwrap());
        assert!(!status.contains(SECRET), "{status}");
    });
}

#[test]
fn messages_of_strangers_that_are_none_are_told_without_values() {
    for text in [
        r#""ann@x.org""#,
        r#"{"specversion":"1.0","id":"1","source":"a","type":"b","data_base64":["ann@x.org"]}"#,
    ] {
        let error = Message::from_json(text.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

/// Cannot be written, and says why.
#[derive(Debug, Clone, Deserialize)]
struct Unwritten(String);

impl Serialize for Unwritten {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format!("{} is odd", self.0)))
    }
}

/// Comes back as another.
#[derive(Debug, Clone)]
struct Shortened(String);

impl Serialize for Shortened {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0[1..])
    }
}

impl<'de> Deserialize<'de> for Shortened {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Shortened)
    }
}

macro_rules! encode_error {
    ($name:literal, $type:ty, $value:expr) => {{
        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = $name)]
        struct Written {
            value: $type,
            secret: String,
        }

        let secret = SECRET.to_owned();
        let error = NewEvent::encode(&Written {
            value: $value,
            secret,
        });
        all(&error.unwrap_err())
    }};
}

#[test]
fn what_cannot_be_written_is_told_without_values() {
    let errors: [String; 3] = [
        encode_error!("thing.written", Unwritten, Unwritten(SECRET.to_owned())),
        encode_error!(
            "thing.written.shorter",
            Shortened,
            Shortened(format!("a{SECRET}"))
        ),
        encode_error!("thing.written.number", f64, f64::NAN),
    ];
    for error in errors {
        assert!(!error.contains(&SECRET[1..]), "{error}");
        assert!(error.contains("thing.written"), "{error}");
    }
}
