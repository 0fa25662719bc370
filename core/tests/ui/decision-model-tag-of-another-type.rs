use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "student.subscribed")]
struct Subscribed {
    #[event(tag = "course")]
    course: Option<String>,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined, Subscribed))]
struct CourseSeats {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, _: CourseDefined) {}
}

impl Apply<Subscribed> for CourseSeats {
    fn apply(&mut self, _: Subscribed) {}
}

fn main() {}
