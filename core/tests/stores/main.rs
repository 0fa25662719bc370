//! What authors of stores build on: the rules that decide, and layers.

mod layers;
mod rules;
