use midgard::repository::Repositories;
use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
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

async fn no_model(courses: Repositories<MemoryStore>) {
    let _ = courses.execute(OfNothing, &Define).await;
}

async fn stream_that_is_no_name() {
    let _ = CourseDefined { course: 1 }.to(5);
}

fn main() {}
