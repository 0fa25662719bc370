//! Many students fight for the last seats, from two processes: no course is overbooked.

use midgard::event::RecordedEventRef;
use midgard::repository::{ExecuteError, Repositories};
use midgard::store::ReadLog;
use midgard::{LogId, Position, Store, block_on};
use midgard_example_courses::commands::{
    COURSES_PER_STUDENT, ChangeCapacity, DefineCourse, Refused, Subscribe, subscribing,
};
use midgard_example_courses::events::{
    CapacityChanged, CourseDefined, CourseId, StudentId, StudentSubscribed,
};
use midgard_example_courses::models::CourseSeats;
use midgard_store_lmdb::LmdbStore;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::thread;

/// The store that the second process opens.
const DATA: &str = "COURSES_TEST_DATA";
/// How many tasks each of the two processes runs.
const TASKS: usize = 32;
/// Few seats for 64 tasks.
const SEATS: [(&str, u32); 3] = [("art", 7), ("law", 3), ("music", 12)];
/// One student more than the others asks for more courses than one may take.
const OPEN_COURSES: usize = 14;

#[test]
fn sixty_four_tasks_of_two_processes_never_overbook() {
    if let Ok(directory) = std::env::var(DATA) {
        return fight(Path::new(&directory), 'b');
    }
    let directory = tempfile::tempdir().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "sixty_four_tasks_of_two_processes_never_overbook",
        ])
        .env(DATA, directory.path())
        .spawn()
        .unwrap();
    fight(directory.path(), 'a');
    assert!(other.wait().unwrap().success(), "the other process failed");
    check(&LmdbStore::open(directory.path()).unwrap());
}

/// Lets all tasks of one process subscribe at once. The first process defines the courses, and the second waits for them.
fn fight(directory: &Path, process: char) {
    let store = LmdbStore::open(directory).unwrap();
    let courses = Repositories::new(store.clone()).with_retries(u32::MAX);
    if process == 'a' {
        block_on(define(&courses));
    }
    let all_but_one = OPEN_COURSES + SEATS.len() - 1;
    block_on(store.wait_past(LogId::MAIN, Position(all_but_one as u64))).unwrap();
    thread::scope(|scope| {
        for task in 0..TASKS {
            let courses = courses.clone();
            scope.spawn(move || block_on(subscribe_everywhere(&courses, process, task)));
        }
        // Meanwhile a course grows.
        if process == 'a' {
            let law = CourseSeats::of(CourseId("law".to_owned()));
            let grown = block_on(courses.execute(law, &ChangeCapacity { capacity: 5 }));
            grown.unwrap();
        }
    });
}

async fn define(courses: &Repositories<LmdbStore>) {
    let open = (0..OPEN_COURSES).map(|number| (format!("open-{number}"), 1000));
    let few = SEATS.map(|(course, capacity)| (course.to_owned(), capacity));
    // Those that the second process waits for come last.
    for (course, capacity) in open.chain(few) {
        let seats = CourseSeats::of(CourseId(course));
        courses
            .execute(seats, &DefineCourse { capacity })
            .await
            .unwrap();
    }
}

/// A student of its own asks for each of the few seats; and all tasks ask for more courses than one may take, for one student.
async fn subscribe_everywhere(courses: &Repositories<LmdbStore>, process: char, task: usize) {
    let student = StudentId(format!("{process}-{task}"));
    for offset in 0..SEATS.len() {
        let (course, _) = SEATS[(task + offset) % SEATS.len()];
        subscribe(courses, course, &student).await;
    }
    let keen = StudentId("keen".to_owned());
    let open = format!("open-{}", task % OPEN_COURSES);
    subscribe(courses, &open, &keen).await;
}

async fn subscribe(courses: &Repositories<LmdbStore>, course: &str, student: &StudentId) {
    let model = subscribing(&CourseId(course.to_owned()), student);
    match courses.execute(model, &Subscribe).await {
        Ok(_)
        | Err(ExecuteError::Rejected(
            Refused::CourseIsFull { .. }
            | Refused::TooManyCourses(_)
            | Refused::AlreadySubscribed { .. },
        )) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Replays the log by itself: each subscription was allowed when it was appended, and every seat is taken in the end.
fn check(store: &LmdbStore) {
    let mut capacity = HashMap::<String, u32>::new();
    let mut taken = HashMap::<String, u32>::new();
    let mut of_student = HashMap::<String, u32>::new();
    let mut pairs = HashSet::new();
    let visit = &mut |event: RecordedEventRef<'_>| {
        match event.name {
            "course.defined" => {
                let event: CourseDefined = event.decode().unwrap();
                capacity.insert(event.course.0, event.capacity);
            }
            "course.capacity_changed" => {
                let event: CapacityChanged = event.decode().unwrap();
                capacity.insert(event.course.0, event.capacity);
            }
            _ => {
                let event: StudentSubscribed = event.decode().unwrap();
                let (course, student) = (event.course.0, event.student.0);
                let seats = taken.entry(course.clone()).or_default();
                *seats += 1;
                assert!(*seats <= capacity[&course], "{course} is overbooked");
                let courses = of_student.entry(student.clone()).or_default();
                *courses += 1;
                assert!(*courses <= COURSES_PER_STUDENT, "{student} takes too many");
                assert!(pairs.insert((course, student)), "subscribed twice");
            }
        }
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), visit)).unwrap();
    for (course, _) in SEATS {
        assert_eq!(taken[course], capacity[course], "{course} has free seats");
    }
    assert_eq!(capacity["law"], 5);
    assert_eq!(of_student["keen"], COURSES_PER_STUDENT);
}
