use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Email(String);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {
    #[event(tag = "email")]
    email: Email,
    #[event(tag = "other")]
    other: Option<Email>,
    #[event(tag = "more")]
    more: Vec<Email>,
}

fn main() {}
