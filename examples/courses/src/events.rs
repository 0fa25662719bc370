//! What happens to courses and students.

use midgard::{AggregateId, Event};
use serde::{Deserialize, Serialize};

/// A course, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
pub struct CourseId(pub String);

/// A student, by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
pub struct StudentId(pub String);

/// A course is offered.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
pub struct CourseDefined {
    /// The course.
    #[event(tag = "course")]
    pub course: CourseId,
    /// The number of seats.
    pub capacity: u32,
}

/// A course has more or fewer seats.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.capacity_changed")]
pub struct CapacityChanged {
    /// The course.
    #[event(tag = "course")]
    pub course: CourseId,
    /// The new number of seats.
    pub capacity: u32,
}

/// A student takes a course. The event concerns both, so it carries both tags; it is stored in the stream of the first.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "student.subscribed")]
pub struct StudentSubscribed {
    /// The student.
    #[event(tag = "student")]
    pub student: StudentId,
    /// The course.
    #[event(tag = "course")]
    pub course: CourseId,
}
