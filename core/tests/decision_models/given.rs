//! `given_model(..).when(..).then(..)`.

use super::courses::{
    Define, Refused, StudentCourses, Subscribe, Teacher, TeacherHired, defined, seats, subscribed,
    subscription,
};
use midgard::decision_model::Instance;
use midgard::testing::given_model;
use midgard::{Command, Event, Events, StreamName, events};

#[test]
fn a_model_takes_the_events_that_its_query_finds_and_no_others() {
    given_model(
        subscription(1, "ann"),
        events![
            defined(1, 2),
            subscribed(2, "ann"),
            subscribed(1, "ben"),
            subscribed(3, "cy")
        ],
    )
    .when(Subscribe)
    .then([subscribed(1, "ann")])
    .then_state(|(seats, student)| assert_eq!((seats.taken, student.courses), (2, 2)));
    given_model(subscription(1, "ann"), [defined(2, 5)])
        .when(Subscribe)
        .then_error(Refused::Full);
    given_model(
        subscription(1, "ann"),
        events![defined(1, 2), subscribed(2, "ann"), subscribed(3, "ann")],
    )
    .when(Subscribe)
    .then_error(Refused::TooManyCourses);
    given_model(seats(1), [defined(1, 2)])
        .when(Define(2))
        .then_nothing();
}

struct Hire(&'static str);

impl Command<Instance<Teacher>> for Hire {
    type Error = Refused;

    fn decide(&self, teacher: &Instance<Teacher>) -> Result<Events<Instance<Teacher>>, Refused> {
        match teacher.hired {
            0 => Ok(events![TeacherHired {}.to(self.0)]),
            _ => Err(Refused::Full),
        }
    }
}

#[test]
fn an_aggregate_takes_the_events_of_its_stream() {
    let kim = || TeacherHired {}.to(StreamName::of::<Teacher>("kim"));
    let instance = || Instance::<Teacher>::of("kim");
    given_model(instance(), [TeacherHired {}.to("teacher-lee")])
        .when(Hire("teacher-kim"))
        .then([kim()]);
    given_model(instance(), [kim()])
        .when(Hire("teacher-kim"))
        .then_error(Refused::Full);
}

#[test]
fn an_event_that_goes_to_another_stream_is_another() {
    let failure = std::panic::catch_unwind(|| {
        given_model(Instance::<Teacher>::of("kim"), events![])
            .when(Hire("teacher-lee"))
            .then([TeacherHired {}.to("teacher-kim")]);
    });
    let message = failure.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        *message,
        "event 1 (teacher.hired) differs: expected (-) 1 event, decided (+) 1 event\n\
         - teacher.hired to \"teacher-kim\" {}\n\
         + teacher.hired to \"teacher-lee\" {}"
    );
}

type Lesson = (Instance<Teacher>, StudentCourses);

fn lesson() -> Lesson {
    (Instance::of("kim"), StudentCourses::of("ann".to_owned()))
}

/// Subscribes the student of a hired teacher, to a stream of its own or to that of the teacher.
struct Teach {
    to: &'static str,
}

impl Command<Lesson> for Teach {
    type Error = Refused;

    fn decide(&self, (teacher, student): &Lesson) -> Result<Events<Lesson>, Refused> {
        if teacher.hired == 0 {
            return Err(Refused::Full);
        }
        if student.courses == 2 {
            return Err(Refused::TooManyCourses);
        }
        Ok(events![subscribed(1, &student.student).to(self.to)])
    }
}

#[test]
fn a_tuple_with_an_aggregate_takes_the_events_of_both() {
    let hired = |teacher: &str| TeacherHired {}.to(StreamName::of::<Teacher>(teacher));
    let teach = || Teach { to: "s-1" };
    given_model(
        lesson(),
        events![hired("kim"), subscribed(7, "ann"), subscribed(7, "ben")],
    )
    .when(teach())
    .then([subscribed(1, "ann").to("s-1")])
    .then_state(|(teacher, student)| assert_eq!((teacher.hired, student.courses), (1, 2)));
    // Of another teacher.
    given_model(lesson(), [hired("lee")])
        .when(teach())
        .then_error(Refused::Full);
    given_model(
        lesson(),
        events![subscribed(7, "ann"), hired("kim"), subscribed(8, "ann")],
    )
    .when(teach())
    .then_error(Refused::TooManyCourses);
}

#[test]
fn an_event_that_a_repository_would_refuse_fails_the_test() {
    let failure = std::panic::catch_unwind(|| {
        let hired = TeacherHired {}.to(StreamName::of::<Teacher>("kim"));
        given_model(lesson(), [hired])
            .when(Teach { to: "teacher-kim" })
            .then([subscribed(1, "ann").to("teacher-kim")]);
    });
    let message = failure.unwrap_err().downcast::<String>().unwrap();
    let refused = "event \"student.subscribed\" version 1 for stream \"teacher-kim\" cannot be written as json: that is the \
                   stream of an aggregate \"teacher\", which does not list the event and could not be loaded with it";
    assert!(message.starts_with(refused), "{message}");
}
