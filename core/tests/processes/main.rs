//! Process managers: sagas over two services, their deadlines, their failures, and what they write down.

#[path = "../common/logs.rs"]
mod logs;
#[path = "../common/random.rs"]
mod random;

mod answers;
mod chaos;
mod deadlines;
mod failures;
mod given;
mod kit;
mod notes;
mod order;
mod panics;
mod reactions;
mod releases;
mod replay;
mod saga;
mod several_logs;
mod shop;
mod stores;
mod tombstones;
mod versions;
