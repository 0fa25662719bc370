//! What followed from an input, compared with what was expected.

use super::GivenProcess;
use super::lines::{difference, lines};
use crate::process::{ProcessManager, Reactions};
use crate::testing::sound;
use std::fmt;

/// What followed from an input; created by [`GivenProcess::event`] and the like.
#[must_use = "nothing is tested before `then`"]
pub struct Reacted<P: ProcessManager> {
    pub(super) given: GivenProcess<P>,
    pub(super) lines: Vec<String>,
    /// The reactions that record what is expected.
    pub(super) expected: Reactions<P>,
}

impl<P: ProcessManager> Reacted<P> {
    /// Checks that exactly this follows, in this order. Call the methods of `expected` as reactions do; it has the same id,
    /// configuration, time and event.
    ///
    /// # Panics
    /// With the difference, line by line, when something else follows.
    #[track_caller]
    pub fn then(self, expected: impl FnOnce(&mut Reactions<P>)) -> GivenProcess<P> {
        let mut reactions = self.expected;
        expected(&mut reactions);
        let expected = lines(&sound(reactions.into_steps()).0);
        if expected != self.lines {
            panic!(
                "something else follows: expected (-), found (+){}",
                difference(&expected, &self.lines)
            );
        }
        self.given
    }

    /// Checks that nothing follows.
    ///
    /// # Panics
    /// When something does.
    #[track_caller]
    pub fn then_nothing(self) -> GivenProcess<P> {
        self.then(|_| {})
    }
}

impl<P: ProcessManager> fmt::Debug for Reacted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reacted")
            .field("given", &self.given)
            .field("follows", &self.lines)
            .finish()
    }
}
