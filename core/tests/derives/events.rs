//! What the derives generate, at run time. What they refuse is in `compile.rs`.

use midgard::aggregate::Fold as _;
use midgard::event::{Registry, Tags, UpcastContext};
use midgard::{Aggregate, Apply, Event, EventSet};
use midgard_test_events::OrderPlaced;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct CreatedV1 {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 2, upcast_from = CreatedV1)]
struct CreatedV2 {
    name: String,
    age: Option<u32>,
}

impl From<CreatedV1> for CreatedV2 {
    fn from(old: CreatedV1) -> Self {
        CreatedV2 {
            name: old.name,
            age: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 3, upcast_from = CreatedV2)]
struct Created {
    first: String,
    last: String,
    age: u32,
}

impl From<CreatedV2> for Created {
    fn from(old: CreatedV2) -> Self {
        let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
        Created {
            first: first.to_owned(),
            last: last.to_owned(),
            age: old.age.unwrap_or(0),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "user.left")]
struct Left {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(Created, Gone = Left))]
struct User {
    names: Vec<String>,
}

impl Apply<Created> for User {
    fn apply(&mut self, event: Created) {
        self.names.push(event.first);
    }
}

impl Apply<Left> for User {
    fn apply(&mut self, _: Left) {
        self.names.clear();
    }
}

#[derive(Debug, EventSet)]
enum All {
    Users(UserEvent),
    Order(OrderPlaced),
}

fn created() -> Created {
    Created {
        first: "Ann".into(),
        last: "Lee".into(),
        age: 7,
    }
}

fn from_json<S: EventSet>(name: &str, version: u32, data: serde_json::Value) -> Result<S, String> {
    let context = UpcastContext::without_record(name, version);
    let decoded = S::deserialize_payload(&context, data).map_err(|error| error.to_string())?;
    decoded.one().map_err(|error| error.to_string())
}

#[test]
fn every_version_is_read_as_the_newest() {
    let read = |version, data| from_json::<Created>("user.created", version, data);
    let one = read(1, json!({"name": "Ann Lee"})).unwrap();
    let two = read(2, json!({"name": "Ann Lee", "age": 7})).unwrap();
    let three = read(3, json!({"first": "Ann", "last": "Lee", "age": 7})).unwrap();
    assert_eq!((one.first.as_str(), one.age), ("Ann", 0));
    assert_eq!((two, three), (created(), created()));

    let unknown = |version| read(version, json!({})).unwrap_err();
    assert_eq!(unknown(4), "\"user.created\" has no version 4");
    assert_eq!(unknown(0), "\"user.created\" has no version 0");
}

#[test]
fn the_enum_has_the_stored_names_in_serde() {
    let event = UserEvent::from(created());
    let json = serde_json::to_string(&event).unwrap();
    assert_eq!(
        json,
        r#"{"event":"user.created","version":3,"data":{"first":"Ann","last":"Lee","age":7}}"#
    );
    let back: UserEvent = serde_json::from_str(&json).unwrap();
    assert_eq!(Created::try_from(back).unwrap(), created());

    let old = r#"{"event":"user.created","version":1,"data":{"name":"Ann Lee"}}"#;
    let old: All = serde_json::from_str(old).unwrap();
    assert_eq!(old.descriptor().version, 3);

    let unknown = r#"{"event":"user.flown","version":1,"data":{}}"#;
    let error = serde_json::from_str::<UserEvent>(unknown).unwrap_err();
    assert!(
        error.to_string().contains("unknown event \"user.flown\""),
        "{error}"
    );
    for part in [
        r#"{"event":"user.left","version":1}"#,
        r#"{"event":"user.left","data":{}}"#,
        r#"{"version":1,"data":{}}"#,
        r#"{"event":"user.left","version":1,"more":1,"data":{}}"#,
        "[]",
    ] {
        assert!(serde_json::from_str::<UserEvent>(part).is_err(), "{part}");
    }
}

#[test]
fn events_go_into_the_enum_and_back() {
    let event = UserEvent::from(created());
    assert_eq!(Created::try_from(event.clone()).unwrap(), created());
    let back: UserEvent = Left::try_from(event).unwrap_err();
    assert!(matches!(back, UserEvent::Created(_)));

    let all = All::from(UserEvent::from(Left {}));
    assert!(OrderPlaced::try_from(all).is_err());
    let all = All::from(UserEvent::from(Left {}));
    assert!(matches!(
        UserEvent::try_from(all),
        Ok(UserEvent::Gone(Left {}))
    ));
}

#[test]
fn the_enum_prints_as_the_event_that_it_holds() {
    let event = UserEvent::from(created());
    assert_eq!(format!("{event:?}"), format!("{:?}", created()));
    assert_eq!(format!("{event:#?}"), format!("{:#?}", created()));
}

#[test]
fn descriptors_are_those_of_the_members_in_order() {
    let of = |set: &'static [&'static midgard::event::EventDescriptor]| -> Vec<_> {
        set.iter().map(|one| (one.name, one.version)).collect()
    };
    assert_eq!(of(Created::DESCRIPTORS), [("user.created", 3)]);
    assert_eq!(
        of(UserEvent::DESCRIPTORS),
        [("user.created", 3), ("user.left", 1)]
    );
    assert_eq!(
        of(All::DESCRIPTORS),
        [("user.created", 3), ("user.left", 1), ("order.placed", 1)]
    );

    let newest = Created::DESCRIPTOR;
    assert_eq!(newest.type_name, "derives::events::Created");
    let versions: Vec<_> = std::iter::successors(Some(newest), |one| one.previous)
        .map(|one| (one.version, one.type_name))
        .collect();
    assert_eq!(
        versions,
        [
            (3, "derives::events::Created"),
            (2, "derives::events::CreatedV2"),
            (1, "derives::events::CreatedV1")
        ]
    );
    assert_eq!(UserEvent::from(Left {}).name(), "user.left");
    assert_eq!(
        (User::NAME, Created::NAME, Created::VERSION),
        ("user", "user.created", 3)
    );
}

#[test]
fn events_are_applied_by_their_handlers() {
    let mut user = User::default();
    user.apply_event(created().into());
    assert_eq!(user.names, ["Ann"]);
    user.apply_event(Left {}.into());
    assert!(user.names.is_empty());
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Email(String);

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_lowercase())
    }
}

type Perhaps<T> = Option<T>;

#[derive(Debug, Clone, Default, Serialize, Deserialize, Event)]
#[event(name = "mail.sent")]
struct Sent {
    #[event(tag = "from")]
    from: String,
    #[event(tag = "reply")]
    reply: Option<Email>,
    #[event(tag = "alias")]
    alias: Perhaps<u64>,
    #[event(tag = "to")]
    to: Vec<Email>,
    #[event(tag = "cc")]
    cc: Option<Vec<Option<u8>>>,
    #[event(tag = "to")]
    blind: Option<Email>,
    subject: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "mail.read")]
struct Read(
    #[event(tag = "by")] u64,
    #[event(tag = "at")] Option<String>,
);

fn tags(event: &impl EventSet) -> Vec<String> {
    let mut tags = Tags::new();
    event.collect_tags(&mut tags);
    tags.view().iter().map(str::to_owned).collect()
}

#[test]
fn marked_fields_are_tags() {
    let mail = |name: &str| Email(name.to_owned());
    let sent = Sent {
        from: "ann".into(),
        reply: Some(mail("Ann@X.org")),
        alias: Some(7),
        to: vec![mail("bob"), mail("eve"), mail("bob")],
        cc: Some(vec![Some(1), None, Some(2)]),
        blind: Some(mail("zoe")),
        subject: "not a tag".into(),
    };
    assert_eq!(
        tags(&sent),
        [
            "from:ann",
            "reply:ann@x.org",
            "alias:7",
            "to:bob",
            "to:eve",
            "cc:1",
            "cc:2",
            "to:zoe"
        ]
    );
    assert_eq!(tags(&Read(7, None)), ["by:7"]);
}

#[test]
fn what_is_absent_is_no_tag() {
    assert_eq!(tags(&Sent::default()), ["from:"]);
    assert!(tags(&Left {}).is_empty());
}

#[test]
fn a_set_has_the_tags_of_the_event_that_it_holds() {
    let event = OrderPlaced {
        article: "pen".into(),
    };
    assert_eq!(tags(&All::from(event)), ["article:pen"]);
    assert!(tags(&All::from(UserEvent::from(Left {}))).is_empty());
}

#[test]
fn the_registry_knows_the_newest_of_every_linked_event() {
    let registry = Registry::linked().unwrap();
    let newest = registry.get("user.created").unwrap();
    assert_eq!(
        (newest.version, newest.type_name),
        (3, "derives::events::Created")
    );
    for name in ["user.left", "mail.sent", "order.placed"] {
        assert!(registry.get(name).is_some(), "{name}");
    }
    assert!(registry.get("user.flown").is_none());
}

#[test]
fn the_free_test_is_there() {
    let program = std::env::current_exe().unwrap();
    let listed = std::process::Command::new(program)
        .arg("--list")
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("user_events_are_consistent::over_the_program: test"),
        "{listed}"
    );
}
