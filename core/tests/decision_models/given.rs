//! `given_model(..).when(..).then(..)`.

use super::courses::{
    Define, Refused, Subscribe, Teacher, TeacherHired, defined, seats, subscribed, subscription,
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
