//! Commands on models that wait until a projection shows what they changed, and their metadata.

use super::courses::{Define, StudentSubscribed, Subscribe, log, seats, subscription, with_course};
use midgard::consumer::ExecuteAndWaitError;
use midgard::view::Select;
use midgard::{
    Context, EventId, HandlerError, MemoryStore, Metadata, Midgard, Place, Position, Project,
    Projection, View, Views, block_on,
};
use serde::{Deserialize, Serialize};
use std::thread;
use std::time::Duration;

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = student)]
struct Timetable {
    student: String,
    courses: u32,
}

#[derive(Clone, Projection)]
#[projection(name = "timetables", events(StudentSubscribed), views(Timetable))]
struct Timetables;

impl Project<StudentSubscribed> for Timetables {
    async fn project(
        &self,
        event: StudentSubscribed,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let student = event.student;
        let new = || Timetable {
            student: student.clone(),
            courses: 0,
        };
        context.upsert::<Timetable>(&student, new, |row| row.courses += 1)?;
        Ok(())
    }
}

#[test]
fn a_command_on_a_model_waits_until_a_projection_shows_it() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let courses = block_on(with_course(store.clone()));
    block_on(courses.execute(seats(1), &Define(50))).unwrap();
    let midgard = Midgard::new(store).project(Timetables, views.clone());
    let handle = midgard.handle();
    let running = thread::spawn(|| block_on(midgard.run()));
    for number in 0..20 {
        let student = format!("s-{number}");
        let done = courses
            .execute(subscription(1, &student), &Subscribe)
            .and_wait_for::<Timetables>(&handle, LONG);
        assert_eq!(block_on(done).unwrap().model().0.taken, number + 1);
        let rows = views.select(Select::<Timetable>::all()).unwrap();
        assert!(rows.iter().any(|row| row.student == student));
    }
    // Without an event there is nothing to wait for.
    let same = courses.execute(seats(1), &Define(50));
    let same = block_on(same.and_wait_for::<Timetables>(&handle, LONG));
    assert_eq!(same.unwrap().place(), None);
    handle.stop();
    running.join().unwrap().unwrap();
}

#[test]
fn a_command_on_a_model_that_nothing_shows_is_said_to_be_done_or_not() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let courses = block_on(with_course(store.clone()));
    let idle = Midgard::new(store.clone()).handle();
    let soon = Duration::from_millis(10);
    let execute = || courses.execute(subscription(1, "ann"), &Subscribe);
    let error = block_on(execute().and_wait_for::<Timetables>(&idle, soon)).unwrap_err();
    assert!(matches!(error, ExecuteAndWaitError::NotExecuted(_)));
    assert_eq!(block_on(log(&store)).len(), 1);

    // Never run.
    let midgard = Midgard::new(store).project(Timetables, views);
    let handle = midgard.handle();
    let error = block_on(execute().and_wait_for::<Timetables>(&handle, soon)).unwrap_err();
    let ExecuteAndWaitError::NotShown { place, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*place, Place::main(Position(2)));
    let said = error.to_string();
    let begin = "the command was executed, and its last event is at position 2, but the projection does not show it yet: ";
    assert!(said.starts_with(begin), "{said}");
}

#[test]
fn a_command_under_a_key_has_metadata_too() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let cause = EventId::new();
        let metadata = Metadata::new()
            .with_causation_id(cause)
            .with_header("user", "ann");
        for _ in 0..2 {
            let model = subscription(1, "ann");
            let once = courses.execute_once_with("request-1", model, &Subscribe, &metadata);
            assert_eq!(once.await.unwrap().place(), Some(Place::main(Position(2))));
        }
        let log = log(&store).await;
        assert_eq!(log.len(), 2);
        assert_eq!(log[1].metadata.causation_id(), Some(cause));
        assert_eq!(log[1].metadata.headers().get("user"), Some("ann"));
        assert_eq!(log[1].metadata.correlation_id(), Some(log[1].id));
    });
}
