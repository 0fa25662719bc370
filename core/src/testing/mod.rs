//! Test kits: `given`, `when`, `then` for aggregates, and the contract of a store.
