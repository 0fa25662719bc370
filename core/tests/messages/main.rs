//! Messages between services: what leaves by the outbox, what the inbox makes of what comes, and clients of commands; on
//! stores in memory and buses within the process, some of them broken on purpose.

#[path = "../common/logs.rs"]
mod logs;

mod aside;
mod carriers;
mod client;
mod dispatch;
mod ends;
mod inbox;
mod kit;
mod knowledge;
mod limits;
mod lines;
mod lossy;
mod memory;
mod models;
mod notes;
mod outbox;
mod parking;
mod releases;
mod replies;
mod several_logs;
