//! The guide, a page for each subject. All but the [web service](web_service), which keeps its events in LMDB, runs on the
//! [`MemoryStore`](crate::MemoryStore); a program changes one line to keep its events in LMDB.
//!
//! | page | what it shows |
//! |---|---|
//! | [`first_program`] | a first program: events, an aggregate, commands |
//! | [`repositories`] | more of a repository: the past, metadata, what was decided |
//! | [`decision_models`] | decision models: decisions that depend on several streams |
//! | [`stores`] | stores: streams, the log, queries |
//! | [`subscriptions`] | subscriptions: handlers that are called with each event |
//! | [`views`] | views, and the projections that keep them |
//! | [`running`] | running a program: its handle, threads, async runtimes |
//! | [`failures`] | when handlers fail |
//! | [`services`] | between services: messages, outboxes, inboxes, process managers |
//! | [`web_service`] | a web service: handlers, status codes, live events, start and shutdown, requests that are cancelled |
//! | [`threads`] | what runs where, and what blocks |
//! | [`uniqueness`] | uniqueness across streams: one user for each name |
//! | [`outcomes`] | unknown outcomes: how to repeat a command safely |
//! | [`erasing`] | erasing: ends of streams, and what they leave behind |
//! | [`tests`] | testing without a program, and a clock that tests move |

pub mod decision_models;
pub mod erasing;
pub mod failures;
pub mod first_program;
pub mod outcomes;
pub mod repositories;
pub mod running;
pub mod services;
pub mod stores;
pub mod subscriptions;
pub mod tests;
pub mod threads;
pub mod uniqueness;
pub mod views;
pub mod web_service;
