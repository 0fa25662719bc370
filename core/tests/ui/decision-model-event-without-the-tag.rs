use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "teacher.hired")]
struct TeacherHired {
    #[event(tag = "teacher")]
    teacher: u64,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined, TeacherHired))]
struct CourseSeats {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, _: CourseDefined) {}
}

impl Apply<TeacherHired> for CourseSeats {
    fn apply(&mut self, _: TeacherHired) {}
}

/// Of two tags.
#[derive(DecisionModel)]
#[decision(events(CourseDefined, TeacherHired))]
struct Subscription {
    #[decision(tag)]
    course: u64,
    #[decision(tag = "student")]
    of: u64,
}

impl Apply<CourseDefined> for Subscription {
    fn apply(&mut self, _: CourseDefined) {}
}

impl Apply<TeacherHired> for Subscription {
    fn apply(&mut self, _: TeacherHired) {}
}

fn main() {}
