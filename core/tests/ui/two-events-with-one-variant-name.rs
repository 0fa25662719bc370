use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

mod a {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "a.created")]
    pub struct Created {}
}

mod b {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "b.created")]
    pub struct Created {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(a::Created, b::Created))]
struct User {}

impl Apply<a::Created> for User {
    fn apply(&mut self, _: a::Created) {}
}

impl Apply<b::Created> for User {
    fn apply(&mut self, _: b::Created) {}
}

fn main() {}
