use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct NoTag {
    course: u64,
}

impl Apply<CourseDefined> for NoTag {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(all, events(CourseDefined))]
struct AllAndATag {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for AllAndATag {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct OneTagTwice {
    #[decision(tag)]
    course: u64,
    #[decision(tag = "course")]
    other: u64,
}

impl Apply<CourseDefined> for OneTagTwice {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct TagIsNoText {
    #[decision(tag = 5)]
    course: u64,
}

impl Apply<CourseDefined> for TagIsNoText {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct BadTag {
    #[decision(tag = "The Course")]
    course: u64,
}

impl Apply<CourseDefined> for BadTag {
    fn apply(&mut self, _: CourseDefined) {}
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct NoNameForTheTag(#[decision(tag)] u64);

impl Apply<CourseDefined> for NoNameForTheTag {
    fn apply(&mut self, _: CourseDefined) {}
}

fn main() {}
