use midgard::repository::Repositories;
use midgard::{Aggregate, Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
struct CourseDefined {
    #[event(tag = "course")]
    course: u64,
}

#[derive(DecisionModel)]
#[decision(events(CourseDefined))]
struct CourseSeats {
    #[decision(tag)]
    course: u64,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, _: CourseDefined) {}
}

struct NotAnEvent;

struct Define;

impl Command<CourseSeats> for Define {
    type Error = std::convert::Infallible;

    fn decide(&self, _: &CourseSeats) -> Result<Events<CourseSeats>, Self::Error> {
        Ok(events![NotAnEvent])
    }
}

struct OfNothing;

async fn command_of_another_model(courses: Repositories<MemoryStore>) {
    let _ = courses.execute(CourseSeats::of(1), &OfNothing).await;
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "course", id = u64, events(CourseDefined))]
struct Course {}

impl Apply<CourseDefined> for Course {
    fn apply(&mut self, _: CourseDefined) {}
}

struct Close;

impl Command<Course> for Close {
    type Error = std::convert::Infallible;

    fn decide(&self, _: &Course) -> Result<Events<Course>, Self::Error> {
        Ok(events![])
    }
}

async fn aggregate_as_a_model(courses: Repositories<MemoryStore>) {
    let _ = courses.execute(Course {}, &Close).await;
}

async fn stream_that_is_no_name() {
    let _ = CourseDefined { course: 1 }.to(5);
}

fn main() {}
