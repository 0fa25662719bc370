use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Missing {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "")]
struct Empty {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "User Created")]
struct Spaces {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "UserCreated")]
struct Uppercase {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "1.created")]
struct Digit {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
struct Long {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = 7)]
struct Number {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = NAME)]
struct Constant {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name)]
struct NoValue {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name("user.created"))]
struct Parentheses {}

const NAME: &str = "constant";

fn main() {
    let _ = NAME;
}
