//! What is loaded is what was stored, whatever type a payload has; or it is refused before it is stored.

mod chains;
mod changed;
mod elsewhere;
mod errors;
mod kit;
mod order;
#[path = "../common/random.rs"]
mod random;
mod refused;
mod repository;
mod shown;
mod units;
mod values;
