use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event]
struct NoList {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event = "user.created"]
struct NoParentheses {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event()]
struct EmptyList {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("user.created")]
struct OnlyText {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "a.created", verison = 2)]
struct Misspelled {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "b.created", topic = "users")]
struct UnknownKey {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "c.created", name = "c.made")]
struct NameTwice {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "d.created")]
#[event(name = "d.made")]
struct NameTwiceInTwoAttributes {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "e.created", tag = "email")]
struct TagOnTheStruct {
    email: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "f.created")]
struct NameOnAField {
    #[event(name = "email")]
    email: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "g.created")]
struct Tags {
    #[event(tag = "")]
    empty: String,
    #[event(tag = "E Mail")]
    malformed: String,
    #[event(tag)]
    no_value: String,
    #[event]
    no_list: String,
    #[event()]
    empty_list: String,
    #[event(tag = 7)]
    number: String,
    #[event(tga = "x")]
    misspelled: String,
    #[event(tag = "a", tag = "b")]
    twice: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "h.created" version = 2)]
struct NoComma {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "i.created", crate = "midgard")]
struct CrateIsText {}

fn main() {}
