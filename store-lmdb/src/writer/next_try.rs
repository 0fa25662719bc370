//! Trying a group once more, after a failure that another try may not meet.

use super::failure::Failure;
use crate::environment::Environment;
use crate::error::backend;
use midgard::store::StoreError;

/// What the next try needs.
#[derive(Default)]
pub(super) struct NextTry {
    /// The size of the map at this try.
    pub(super) map_size: usize,
    reopened: bool,
}

impl NextTry {
    /// Prepares the environment for another try; returns an error where that is of no use.
    pub(super) fn prepare(
        &mut self,
        environment: &Environment,
        failure: Failure,
    ) -> Result<(), StoreError> {
        match failure {
            Failure::Grow => environment.grow(self.map_size),
            Failure::Unusable(_) if !std::mem::replace(&mut self.reopened, true) => {
                environment.reopen()
            }
            Failure::Unusable(error) => Err(backend("begin a write")(error)),
            Failure::Commit(failed) => Err(failed.unknown(None)),
            Failure::Merge => Ok(()),
            Failure::Request { error, .. } | Failure::Store(error) => Err(error),
        }
    }
}
