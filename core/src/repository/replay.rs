//! Rebuilds an aggregate from its stream.

use super::Loaded;
use super::end::End;
use crate::aggregate::Aggregate;
use crate::event::codec;
use crate::event::registry::Registry;
use crate::place::Version;
use crate::repository::LoadError;
use crate::store::{ReadStream, Store, StreamState};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::ops::ControlFlow;

/// Rebuilds an aggregate from all events of its stream.
pub(super) async fn load<A: Aggregate, S: Store>(
    store: &S,
    stream: StreamName,
) -> Result<Loaded<A>, LoadError> {
    let mut loaded = Loaded::new(stream);
    catch_up(store, &mut loaded, |_, _| true).await?;
    Ok(loaded)
}

/// Rebuilds an aggregate as it was at a version.
pub(super) async fn load_at<A: Aggregate, S: Store>(
    store: &S,
    stream: StreamName,
    version: Version,
) -> Result<Loaded<A>, LoadError> {
    let mut loaded = Loaded::new(stream);
    catch_up(store, &mut loaded, |at, _| at <= version).await?;
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

/// Applies the events that `loaded` does not have yet, as long as `wanted` accepts their version and time.
pub(super) async fn catch_up<A: Aggregate, S: Store>(
    store: &S,
    loaded: &mut Loaded<A>,
    wanted: impl Fn(Version, Timestamp) -> bool + Send + Sync,
) -> Result<(), LoadError> {
    Registry::linked()?;
    let mut end = End::OfStream;
    let read = ReadStream::forward(loaded.stream().clone()).from(loaded.version().next());
    let mut state = store
        .read_stream(&read, &mut |event| {
            if !wanted(event.version, event.time) {
                end = End::Unwanted;
            } else if event.version != loaded.version().next() {
                end = End::Jump(event.version);
            } else {
                match codec::decode::<A::Event>(&event) {
                    Ok(decoded) => {
                        loaded.replay(decoded, event.version, event.place());
                        return ControlFlow::Continue(());
                    }
                    Err(error) => end = End::Unreadable(error),
                }
            }
            ControlFlow::Break(())
        })
        .await?;
    if end.lacks_events(loaded, state) {
        // The events may have been removed on purpose during the read.
        let (now, last) = (store.stream_state(loaded.stream()).await?, state.last);
        state = StreamState { last, ..now };
    }
    end.check(loaded, state)
}
