//! Messages, and the bus within a process: it holds the contract of a bus, also behind a type that is picked at run time.

#[path = "../common/bus.rs"]
mod bus;
mod in_process;
mod in_process_bus;
mod messages;

mod plain {
    use super::in_process::InProcess;

    midgard_contract::bus_contract!(InProcess<midgard::bus::InProcessBus>);
}

mod picked_at_run_time {
    use super::in_process::InProcess;

    midgard_contract::bus_contract!(InProcess<midgard::bus::DynBus>);
}
