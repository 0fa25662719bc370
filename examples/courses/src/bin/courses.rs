//! Defines courses, and subscribes students to them.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use clap::{Parser, Subcommand};
use midgard::repository::Repositories;
use midgard_example_courses::commands::{ChangeCapacity, DefineCourse, Subscribe, subscribing};
use midgard_example_courses::events::{CourseId, StudentId};
use midgard_example_courses::models::CourseSeats;
use midgard_examples::open::open;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Keeps courses and their students. Any number of these programs may run at once, and no course is overbooked.
#[derive(Parser)]
struct Arguments {
    /// The directory of the events.
    #[arg(long, default_value = "courses-data")]
    data: PathBuf,
    /// The address of the store of events, such as postgres://.. for programs on several machines. Without it, they are kept on disk, in the directory.
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Offers a course.
    Define { course: String, capacity: u32 },
    /// Gives a course more or fewer seats.
    Resize { course: String, capacity: u32 },
    /// Subscribes a student to a course.
    Subscribe { course: String, student: String },
}

fn main() -> ExitCode {
    match midgard::block_on(run(Arguments::parse())) {
        Ok(seats) => {
            let capacity = seats.capacity.unwrap_or_default();
            println!("{}: {} of {capacity} seats", seats.course, seats.taken);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<CourseSeats, Box<dyn Error>> {
    let courses = Repositories::new(open(arguments.store.as_deref(), &arguments.data).await?);
    let decided = match arguments.command {
        Command::Define { course, capacity } => {
            let seats = CourseSeats::of(CourseId(course));
            courses.execute(seats, &DefineCourse { capacity }).await?
        }
        Command::Resize { course, capacity } => {
            let seats = CourseSeats::of(CourseId(course));
            courses.execute(seats, &ChangeCapacity { capacity }).await?
        }
        Command::Subscribe { course, student } => {
            let model = subscribing(&CourseId(course), &StudentId(student));
            let decided = courses.execute(model, &Subscribe).await?;
            return Ok(decided.into_model().0);
        }
    };
    Ok(decided.into_model())
}
