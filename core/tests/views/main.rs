//! Views: typed tables with keys and indexes, on the store in memory.
//!
//! What their projections do with them is in `read_models`.

mod damage;
mod definitions;
mod given;
mod kept;
mod keys;
mod kit;
mod layout;
mod lookups;
mod many;
mod model;
mod pages;
#[path = "../common/random.rs"]
mod random;
mod read_back;
mod transactions;
mod unique;
