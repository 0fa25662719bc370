use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined, CourseDefined))]
struct CourseSeats {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, _: CourseDefined) {}
}

fn main() {}
