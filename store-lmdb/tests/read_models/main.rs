//! Read models, messages and processes of several operating system processes on one store: nothing is skipped, work is shared
//! and handed over, readers see whole transactions, and a kill leaves nothing half done.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod kit;
mod messages_crash;
mod order;
mod processes_crash;
#[path = "../../../core/tests/processes/shop.rs"]
mod shop;
mod versions;
mod waiting_handlers;
mod wake;
mod workers;
