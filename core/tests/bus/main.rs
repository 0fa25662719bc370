//! Messages, and the bus within a process.

mod in_process_bus;
mod messages;
