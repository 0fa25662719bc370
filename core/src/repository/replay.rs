//! Rebuilds aggregates from their streams.

use super::Loaded;
use super::end::End;
use crate::aggregate::{Aggregate, Replay};
use crate::event::RecordedEventRef;
use crate::event::registry::Registry;
use crate::place::Version;
use crate::repository::LoadError;
use crate::store::{ReadStream, Store, StreamState};
use crate::stream_name::StreamName;
use std::ops::ControlFlow;

/// Rebuilds an aggregate from all events of its stream.
pub(super) async fn load<A: Aggregate, S: Store>(
    store: &S,
    stream: StreamName,
) -> Result<Loaded<A>, LoadError> {
    let mut loaded = Loaded::new(stream);
    catch_up_with_all(store, &mut loaded).await?;
    Ok(loaded)
}

/// Rebuilds an aggregate as it was at a version.
pub(super) async fn load_at<A: Aggregate, S: Store>(
    store: &S,
    stream: StreamName,
    version: Version,
) -> Result<Loaded<A>, LoadError> {
    let mut loaded = Loaded::new(stream);
    let stream = loaded.stream().clone();
    catch_up(store, &stream, &mut loaded, |event| {
        event.version <= version
    })
    .await?;
    if loaded.version() < version {
        let (stream, last) = (loaded.stream().clone(), loaded.version());
        return Err(LoadError::NoSuchVersion {
            stream,
            asked: version,
            last,
        });
    }
    Ok(loaded)
}

/// Applies all events that `loaded` does not have yet.
pub(super) async fn catch_up_with_all<A: Aggregate, S: Store>(
    store: &S,
    loaded: &mut Loaded<A>,
) -> Result<(), LoadError> {
    let stream = loaded.stream().clone();
    catch_up(store, &stream, loaded, |_| true).await
}

/// Applies the events of a stream that a state does not have yet, as long as they are wanted.
pub(super) async fn catch_up<S: Store>(
    store: &S,
    stream: &StreamName,
    state: &mut dyn Replay,
    wanted: impl Fn(&RecordedEventRef<'_>) -> bool + Send + Sync,
) -> Result<(), LoadError> {
    Registry::linked()?;
    let mut end = End::OfStream;
    let read = ReadStream::forward(stream.clone()).from(state.version().next());
    let mut found = store
        .read_stream(&read, &mut |event| {
            if !wanted(&event) {
                end = End::Unwanted;
            } else if event.version != state.version().next() {
                end = End::Jump(event.version);
            } else {
                match state.replay(&event) {
                    Ok(()) => return ControlFlow::Continue(()),
                    Err(error) => end = End::Unreadable(error),
                }
            }
            ControlFlow::Break(())
        })
        .await?;
    if end.lacks_events(state.version(), found) {
        // The events may have been removed on purpose during the read.
        let (now, last) = (store.stream_state(stream).await?, found.last);
        found = StreamState { last, ..now };
    }
    end.check(stream, state.version(), found)
}
