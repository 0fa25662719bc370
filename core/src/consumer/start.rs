//! Where a consumer begins.

use crate::place::Position;

/// Where a subscription begins when it has no checkpoint yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum StartFrom {
    /// With the first event.
    #[default]
    Start,
    /// With the first event after a position.
    After(Position),
    /// With what is appended from now on.
    End,
}
