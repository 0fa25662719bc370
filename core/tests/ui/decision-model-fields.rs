use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

struct Plan;

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct WithoutDefault {
    #[decision(tag)]
    course: u64,
    plan: Plan,
}

impl Apply<CourseDefined> for WithoutDefault {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct TagsThatAreNoText {
    #[decision(tag)]
    course: u64,
    #[decision(tag)]
    students: Vec<u64>,
}

impl Apply<CourseDefined> for TagsThatAreNoText {
    fn apply(&mut self, _: CourseDefined) {}
}

fn main() {}
