//! A program whose `serde_json` has other features than midgard's. What payloads promise holds here too.
#![cfg(test)]
#![allow(dead_code)]

#[path = "../payloads/elsewhere.rs"]
mod elsewhere;
#[path = "../payloads/kit.rs"]
mod kit;
#[path = "../common/random.rs"]
mod random;
#[path = "../payloads/refused.rs"]
mod refused;
#[path = "../payloads/shown.rs"]
mod shown;
mod stored;
#[path = "../payloads/values.rs"]
mod values;
