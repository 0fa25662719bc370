//! The commands, each on the models that it depends on.

use crate::events::{CapacityChanged, CourseDefined, CourseId, StudentId, StudentSubscribed};
use crate::models::{CourseSeats, StudentCourses, Subscription};
use midgard::{Command, Events, events};

/// The maximum number of courses of one student.
pub const COURSES_PER_STUDENT: u32 = 10;

/// The reasons for which a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refused {
    #[error("course \"{0}\" is defined already; change its capacity instead")]
    CourseExists(CourseId),
    #[error("there is no course \"{0}\"; define it first")]
    NoSuchCourse(CourseId),
    #[error("course \"{course}\" has {taken} students already; give it at least as many seats")]
    TooFewSeats { course: CourseId, taken: u32 },
    #[error("all {capacity} seats of course \"{course}\" are taken")]
    CourseIsFull { course: CourseId, capacity: u32 },
    #[error("student \"{0}\" takes {COURSES_PER_STUDENT} courses already")]
    TooManyCourses(StudentId),
    #[error("student \"{student}\" takes course \"{course}\" already")]
    AlreadySubscribed {
        student: StudentId,
        course: CourseId,
    },
}

/// Offers a course.
#[derive(Debug, Clone, Copy)]
pub struct DefineCourse {
    /// The number of seats.
    pub capacity: u32,
}

impl Command<CourseSeats> for DefineCourse {
    type Error = Refused;

    fn decide(&self, seats: &CourseSeats) -> Result<Events<CourseSeats>, Refused> {
        let (course, capacity) = (seats.course.clone(), self.capacity);
        match seats.capacity {
            None => Ok(events![CourseDefined { course, capacity }]),
            Some(_) => Err(Refused::CourseExists(course)),
        }
    }
}

/// Gives a course more or fewer seats.
#[derive(Debug, Clone, Copy)]
pub struct ChangeCapacity {
    /// The new number of seats.
    pub capacity: u32,
}

impl Command<CourseSeats> for ChangeCapacity {
    type Error = Refused;

    fn decide(&self, seats: &CourseSeats) -> Result<Events<CourseSeats>, Refused> {
        let (course, capacity, taken) = (seats.course.clone(), self.capacity, seats.taken);
        match seats.capacity {
            None => Err(Refused::NoSuchCourse(course)),
            Some(now) if now == capacity => Ok(Events::none()),
            Some(_) if capacity < taken => Err(Refused::TooFewSeats { course, taken }),
            Some(_) => Ok(events![CapacityChanged { course, capacity }]),
        }
    }
}

/// Subscribes a student to a course.
#[derive(Debug, Clone, Copy)]
pub struct Subscribe;

/// The models that decide on a subscription, one for each rule.
pub type Subscribing = (CourseSeats, StudentCourses, Subscription);

/// Returns the models that decide on the subscription of this student to this course: all with the same tags.
#[must_use]
pub fn subscribing(course: &CourseId, student: &StudentId) -> Subscribing {
    (
        CourseSeats::of(course.clone()),
        StudentCourses::of(student.clone()),
        Subscription::of(course.clone(), student.clone()),
    )
}

impl Command<Subscribing> for Subscribe {
    type Error = Refused;

    fn decide(
        &self,
        (seats, courses, subscription): &Subscribing,
    ) -> Result<Events<Subscribing>, Refused> {
        let (course, student) = (seats.course.clone(), courses.student.clone());
        let Some(capacity) = seats.capacity else {
            return Err(Refused::NoSuchCourse(course));
        };
        if subscription.exists {
            return Err(Refused::AlreadySubscribed { student, course });
        }
        if seats.taken >= capacity {
            return Err(Refused::CourseIsFull { course, capacity });
        }
        if courses.courses >= COURSES_PER_STUDENT {
            return Err(Refused::TooManyCourses(student));
        }
        Ok(events![StudentSubscribed { student, course }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midgard::testing::given_model;

    fn course(name: &str) -> CourseId {
        CourseId(name.to_owned())
    }

    fn student(name: &str) -> StudentId {
        StudentId(name.to_owned())
    }

    fn defined(name: &str, capacity: u32) -> CourseDefined {
        CourseDefined {
            course: course(name),
            capacity,
        }
    }

    fn subscribed(of: &str, to: &str) -> StudentSubscribed {
        StudentSubscribed {
            student: student(of),
            course: course(to),
        }
    }

    fn ann_to_art() -> Subscribing {
        subscribing(&course("art"), &student("ann"))
    }

    #[test]
    fn a_student_subscribes_while_a_seat_is_free() {
        let before = events![defined("art", 2), subscribed("ben", "art")];
        given_model(ann_to_art(), before)
            .when(Subscribe)
            .then([subscribed("ann", "art")])
            .then_state(|(seats, ..)| assert_eq!(seats.taken, 2));
    }

    #[test]
    fn the_capacity_is_the_last_one() {
        let fewer = CapacityChanged {
            course: course("art"),
            capacity: 1,
        };
        let before = events![defined("art", 2), subscribed("ben", "art"), fewer];
        given_model(ann_to_art(), before)
            .when(Subscribe)
            .then_error(Refused::CourseIsFull {
                course: course("art"),
                capacity: 1,
            });
    }

    #[test]
    fn nobody_subscribes_twice() {
        let before = events![defined("art", 9), subscribed("ann", "art")];
        given_model(ann_to_art(), before)
            .when(Subscribe)
            .then_error(Refused::AlreadySubscribed {
                student: student("ann"),
                course: course("art"),
            });
    }

    #[test]
    fn a_student_takes_ten_courses_and_those_of_others_do_not_count() {
        let subscriptions = |count| {
            let mut before = events![defined("art", 9), subscribed("ben", "art")];
            before.extend((0..count).map(|number| subscribed("ann", &format!("c{number}"))));
            before
        };
        given_model(ann_to_art(), subscriptions(9))
            .when(Subscribe)
            .then([subscribed("ann", "art")]);
        given_model(ann_to_art(), subscriptions(10))
            .when(Subscribe)
            .then_error(Refused::TooManyCourses(student("ann")));
    }

    #[test]
    fn a_course_is_defined_once_and_keeps_a_seat_for_each_student() {
        let seats = || CourseSeats::of(course("art"));
        given_model(seats(), [defined("music", 5)])
            .when(DefineCourse { capacity: 2 })
            .then([defined("art", 2)]);
        given_model(seats(), [defined("art", 2)])
            .when(DefineCourse { capacity: 2 })
            .then_error(Refused::CourseExists(course("art")));
        given_model(seats(), events![])
            .when(ChangeCapacity { capacity: 2 })
            .then_error(Refused::NoSuchCourse(course("art")));
        given_model(
            seats(),
            events![defined("art", 2), subscribed("ann", "art")],
        )
        .when(ChangeCapacity { capacity: 0 })
        .then_error(Refused::TooFewSeats {
            course: course("art"),
            taken: 1,
        });
    }
}
