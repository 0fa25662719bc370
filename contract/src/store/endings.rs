//! Shared code of the cases of truncation and of tombstones.

use super::kit::*;
use midgard::store::ExpectedVersion;

pub(super) async fn truncate(store: &impl Store, before: u64) {
    store
        .truncate(&stream(STREAM), Version(before), Any)
        .await
        .expect("a stream can be truncated");
}

pub(super) async fn tombstone(store: &impl Store, name: &str) {
    store
        .tombstone(&stream(name), Any)
        .await
        .expect("a stream can be tombstoned");
}

/// Five events, and three of another stream before, between and after them: positions 2 and 4 to 7.
pub(super) async fn five(store: &impl Store) -> Vec<NewEvent> {
    put_any(store, "account-2", 1).await;
    let mut all = put_any(store, STREAM, 1).await;
    put_any(store, "account-2", 1).await;
    all.extend(put_any(store, STREAM, 4).await);
    put_any(store, "account-2", 1).await;
    all
}

/// Returns the error of an ending that is refused; nothing may change.
pub(super) async fn end_refused(
    store: &impl Store,
    expected: ExpectedVersion,
    tombstone: bool,
) -> AppendError {
    let before = (log(store).await, state_of(store, STREAM).await);
    let name = stream(STREAM);
    let refused = match tombstone {
        true => store.tombstone(&name, expected).await,
        false => store.truncate(&name, Version(3), expected).await,
    };
    let after = (log(store).await, state_of(store, STREAM).await);
    assert_eq!(after, before, "an ending that is refused changes nothing");
    refused.expect_err("an ending is refused when the stream is not as expected")
}

pub(super) async fn end_conflicts(
    store: &impl Store,
    wanted: ExpectedVersion,
    tombstone: bool,
    at: u64,
) {
    match end_refused(store, wanted, tombstone).await {
        AppendError::Conflict {
            stream,
            expected,
            actual,
        } => {
            assert_eq!(stream.as_str(), STREAM, "a conflict names the stream");
            assert_eq!(
                (expected, actual),
                (wanted, Version(at)),
                "expected and actual versions"
            );
        }
        error => panic!("a stream in another state than expected is a conflict, not: {error}"),
    }
}
