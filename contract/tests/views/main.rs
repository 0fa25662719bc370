//! The contract of a store for views: embedded views hold it, and it catches those that break it.

mod bites;
mod broken;
mod memory;
#[path = "../common/quiet.rs"]
mod quiet;

use memory::Memory;
use midgard_contract::view_store_contract;

view_store_contract!(Memory);
