//! The decision models, one for each rule.

use crate::events::{CapacityChanged, CourseDefined, CourseId, StudentId, StudentSubscribed};
use midgard::{Apply, DecisionModel};

/// The seats of one course.
#[derive(Debug, DecisionModel)]
#[decision(events(CourseDefined, CapacityChanged, StudentSubscribed))]
pub struct CourseSeats {
    /// The course.
    #[decision(tag)]
    pub course: CourseId,
    /// The number of seats; `None` when the course is not defined.
    pub capacity: Option<u32>,
    /// The number of students that take the course.
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

/// Whether one student takes one course. An event must have both tags to belong to this model.
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
