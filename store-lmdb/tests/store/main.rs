//! The store as one process sees it, and as several do: what is stored, what is damaged, what is full, and what is killed.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod append_entries;
mod contract;
mod crash;
mod creation;
mod damage;
mod damaged_blocks;
mod damaged_pages;
mod entries;
mod format;
mod full_disk;
mod growing_map;
mod held_snapshots;
mod long_readers;
mod long_streams;
mod lost_pages;
mod many_stores;
mod merging;
mod meta_pages;
mod moved_files;
mod name_spaces;
mod once;
mod opening;
mod operations_backup;
mod operations_statistics;
mod operations_verify;
mod payloads;
mod prewritten;
mod read_models_format;
mod read_only;
mod read_without_locks;
mod reader_slots;
mod retries;
mod room;
mod sharing;
mod snapshots;
mod tags;
mod times;
mod turns;
