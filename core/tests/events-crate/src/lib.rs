//! Events that live in another crate than their aggregate, and call midgard by another name.

use es::Event;
use serde::{Deserialize, Serialize};

/// An event of another crate.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
pub struct OrderPlaced {
    /// What was ordered.
    #[event(tag = "article")]
    pub article: String,
}
