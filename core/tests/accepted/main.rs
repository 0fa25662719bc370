//! What the derives accept: each module compiles without a warning, and runs.
//!
//! They are one program, which is compiled and linked once. It has no harness: the modules define the same events again,
//! so that the tests which the derive of aggregates adds would fail.
// Written as users may write it, not by the lints of this repository.
#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction
)]

pub mod aggregate_forms;
pub mod decision_model_forms;
pub mod event_in_one_line;
pub mod events_of_another_crate;
pub mod hundred_events;
pub mod ids_and_enums;
pub mod in_macro_rules;
pub mod in_one_line;
pub mod message_forms;
pub mod methods;
pub mod raw_identifiers;
pub mod renamed_crate;
pub mod shadowed_prelude;
pub mod visibility;

fn main() {
    aggregate_forms::main();
    decision_model_forms::main();
    event_in_one_line::main();
    events_of_another_crate::main();
    hundred_events::main();
    ids_and_enums::main();
    in_macro_rules::main();
    in_one_line::main();
    message_forms::main();
    methods::main();
    raw_identifiers::main();
    renamed_crate::main();
    shadowed_prelude::main();
    visibility::main();
}
