use midgard::{Apply, DecisionModel, Event, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(Debug, Clone, EventSet)]
enum Courses {
    Defined(CourseDefined),
}

struct NoEvent;

#[derive(DecisionModel)]
#[decision(events(CourseDefined, NoEvent))]
struct CourseSeats {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, _: CourseDefined) {}
}

impl Apply<NoEvent> for CourseSeats {
    fn apply(&mut self, _: NoEvent) {}
}

#[derive(DecisionModel)]
#[decision(events(Courses))]
struct OfASet {
    #[decision(tag)]
    course: u64,
}

impl Apply<Courses> for OfASet {
    fn apply(&mut self, _: Courses) {}
}

fn main() {}
