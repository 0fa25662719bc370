use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(DecisionModel)]
struct NoAttribute {
    #[decision(tag)]
    course: u64,
}

#[derive(DecisionModel)]
#[decision(events())]
struct NoEvents {
    #[decision(tag)]
    course: u64,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined), tag = "course")]
struct TagAboveTheStruct {
    course: u64,
}

impl Apply<CourseDefined> for TagAboveTheStruct {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(name = "seats", events(CourseDefined))]
struct UnknownKey {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for UnknownKey {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct NothingSaid {
    #[decision(tag)]
    course: u64,
    #[decision()]
    other: u64,
}

impl Apply<CourseDefined> for NothingSaid {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct Generic<T> {
    #[decision(tag)]
    course: T,
}

impl<T> Apply<CourseDefined> for Generic<T> {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
enum Enum {
    Course,
}

impl Apply<CourseDefined> for Enum {
    fn apply(&mut self, _: CourseDefined) {}
}

fn main() {}
