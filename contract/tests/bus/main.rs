//! The contract of a bus, run on the bus within a process, and on the same behind a type that is picked at run time.

#[path = "../common/bus.rs"]
mod bus;
mod in_process;

mod plain {
    use super::in_process::InProcess;

    midgard_contract::bus_contract!(InProcess<midgard::bus::InProcessBus>);
}

mod picked_at_run_time {
    use super::in_process::InProcess;

    midgard_contract::bus_contract!(InProcess<midgard::bus::DynBus>);
}
