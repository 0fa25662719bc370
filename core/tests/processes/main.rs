//! Process managers: sagas over two services, their deadlines, their failures, and what they write down.

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
mod shop;
mod stores;
mod tombstones;
mod versions;
