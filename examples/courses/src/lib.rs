//! Courses and their students, decided without aggregates: each command states what it depends on.
//!
//! The rules are those of <https://dcb.events/examples/course-subscriptions>:
//!
//! - a course has a capacity, which can change, and never more students than that,
//! - a student takes at most ten courses,
//! - nobody subscribes to a course twice.
//!
//! The second rule spans all courses of a student, and the first all students of a course: no aggregate has both. [`models`] has
//! one small model for each rule, and [`commands`] decides on as many of them as a command needs.

pub mod commands;
pub mod events;
pub mod models;
pub mod shop;
