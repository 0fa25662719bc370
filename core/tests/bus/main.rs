//! Messages, and the bus within a process.

#[path = "../common/traced_to.rs"]
mod traced_to;

mod in_process_bus;
mod messages;
