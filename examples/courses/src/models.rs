//! What the commands depend on: one model for each rule.

use crate::events::{CapacityChanged, CourseDefined, CourseId, StudentId, StudentSubscribed};
use midgard::{Apply, DecisionModel};

/// The seats of one course.
#[derive(Debug, DecisionModel)]
#[decision(events(CourseDefined, CapacityChanged, StudentSubscribed))]
pub struct CourseSeats {
    /// The course.
    #[decision(tag)]
    pub course: CourseId,
    /// The number of its seats; `None` when the course is not defined.
    pub capacity: Option<u32>,
    /// The number of its students.
    pub taken: u32,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, event: CourseDefined) {
        self.capacity = Some(event.capacity);
    }
}

impl Apply<CapacityChanged> for CourseSeats {
    fn apply(&mut self, event: CapacityChanged) {
        self.capacity = Some(event.capacity);
    }
}

impl Apply<StudentSubscribed> for CourseSeats {
    fn apply(&mut self, _: StudentSubscribed) {
        self.taken += 1;
    }
}

/// The number of courses that a student takes.
#[derive(Debug, DecisionModel)]
#[decision(events(StudentSubscribed))]
pub struct StudentCourses {
    /// The student.
    #[decision(tag)]
    pub student: StudentId,
    /// The number of courses.
    pub courses: u32,
}

impl Apply<StudentSubscribed> for StudentCourses {
    fn apply(&mut self, _: StudentSubscribed) {
        self.courses += 1;
    }
}

/// Whether one student takes one course: of two tags, an event must have both.
#[derive(Debug, DecisionModel)]
#[decision(events(StudentSubscribed))]
pub struct Subscription {
    /// The course.
    #[decision(tag)]
    pub course: CourseId,
    /// The student.
    #[decision(tag)]
    pub student: StudentId,
    /// Whether the student takes the course.
    pub exists: bool,
}

impl Apply<StudentSubscribed> for Subscription {
    fn apply(&mut self, _: StudentSubscribed) {
        self.exists = true;
    }
}
