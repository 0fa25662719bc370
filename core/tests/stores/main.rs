//! What authors of stores build on: the rules that decide, and layers.

mod addresses;
mod layers;
#[path = "../common/random.rs"]
mod random;
mod rules;
