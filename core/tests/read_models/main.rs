//! Read models: subscriptions, projections and the value that runs them, on stores in memory.
//!
//! Cases of other projects' suites are named as they are there, where the name says what is promised here.
//! Those that have no counterpart of their own:
//! - `rebuilding_by_projection_name_agrees_with_rebuilding_by_view_type`: a projection is known by its name alone.
//! - `catch_up_advances_the_projection_without_a_full_daemon_run`: `catch_up` is how most tests here run one.
//! - `prepare_for_rebuilds_leaves_the_daemon_able_to_rebuild`: nothing has to be prepared.
//! - `skip_apply_errors_is_readable_back_off_the_shared_options`: options are of each consumer; its `Debug` shows them.
//! - "inline" is no lifecycle here, as handlers would run within every append: what a projection makes is compared
//!   with the one that is folded on demand.

#[path = "../common/logs.rs"]
mod logs;
#[path = "../common/traced_to.rs"]
mod traced_to;

mod batches;
mod busy;
mod courses;
mod covered;
mod dead_letters;
mod effects;
mod endless;
mod error_kinds;
mod failures;
mod fan_out;
mod forms;
mod kit;
mod live;
mod locking;
mod notes;
mod notes_read;
mod other_logs;
mod panics;
mod partitions;
mod projections;
mod rebuilds;
mod refusals;
mod release_versions;
mod releases;
mod several_logs;
mod several_logs_views;
mod slow_workers;
mod started;
mod starts;
mod streams;
mod subscriptions;
mod tasks;
mod tombstones;
mod traced;
mod waiting;
