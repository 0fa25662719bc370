//! A command on one stream.

use super::decision::{Attempt, Decision};
use super::once::{DoneOnce, OnceKey};
use super::{Loaded, Repository, encoding, replay};
use crate::aggregate::{Aggregate, Command};
use crate::event::metadata::Metadata;
use crate::place::Version;
use crate::repository::{ExecuteError, LoadError};
use crate::store::{Append, Store};
use crate::stream_name::StreamName;

/// A command decided on one aggregate.
pub(super) struct OnStream<'a, A, S, C> {
    pub(super) repository: &'a Repository<A, S>,
    pub(super) stream: StreamName,
    pub(super) command: &'a C,
    pub(super) metadata: &'a Metadata,
    /// The key under which the command has one effect.
    pub(super) once: Option<OnceKey>,
}

impl<A: Aggregate, S: Store, C: Command<A>> Decision for OnStream<'_, A, S, C> {
    type Outcome = Loaded<A>;
    type Error = C::Error;

    async fn done(&mut self) -> Result<Option<Loaded<A>>, LoadError> {
        let store = &self.repository.store;
        if let Some(once) = &self.once
            && let Some(done) = once.find(store).await?
            && let Some((stream, version)) = done.stream_after()
        {
            return Ok(Some(replay::load_at(store, stream, version).await?));
        }
        Ok(None)
    }

    async fn decide(&mut self, tries: u32) -> Result<Attempt<Loaded<A>>, ExecuteError<C::Error>> {
        let (store, read_back) = (&self.repository.store, self.repository.read_back);
        let mut loaded = replay::load(store, self.stream.clone()).await?;
        if tries > 1 {
            // Reading a long stream takes time, so events appended meanwhile are read before the command decides.
            replay::catch_up_with_all(store, &mut loaded).await?;
        }
        let decided = self.command.decide(loaded.state());
        let events = decided.map_err(ExecuteError::Rejected)?;
        if events.is_empty() && self.once.is_none() {
            return Ok((loaded, None));
        }
        let (stream, expected) = (&self.stream, loaded.starting_version());
        let mut metadata = self.metadata.clone();
        let encoded = encoding::encode(stream, events.iter(), &mut metadata, read_back)
            .map_err(|error| ExecuteError::Append(error.into()))?;
        let after = Version(expected.get() + encoded.len() as u64);
        let mut append = Append::to(stream.clone(), expected, encoded);
        // A panic leaves nothing stored.
        loaded.apply(events);
        if let Some(once) = &self.once {
            let now = self.repository.clock.now();
            let done = DoneOnce::new(now, Some((stream, after)), None);
            append = once.note(append, &done).map_err(ExecuteError::Append)?;
        }
        Ok((loaded, Some(append)))
    }
}
