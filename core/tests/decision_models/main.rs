//! Decision models: what they are folded from, and what must not change before their decisions are appended.

mod courses;
mod execute;
mod given;
mod instances;
#[path = "../common/logs.rs"]
mod logs;
#[path = "../common/random.rs"]
mod numbers;
mod once;
mod queries;
mod random;
mod units;
mod waiting;
