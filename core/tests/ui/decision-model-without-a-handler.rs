use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.closed")]
struct CourseClosed {
    #[event(tag = "course")]
    course: u64,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct CourseSeats {
    #[decision(tag)]
    course: u64,
}

/// Lists one that it does not apply.
#[derive(DecisionModel)]
#[decision(events(CourseDefined, CourseClosed))]
struct OpenCourse {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, _: CourseDefined) {}
}

impl Apply<CourseClosed> for CourseSeats {
    fn apply(&mut self, _: CourseClosed) {}
}

impl Apply<CourseDefined> for OpenCourse {
    fn apply(&mut self, _: CourseDefined) {}
}

fn main() {}
