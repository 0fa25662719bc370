//! Empty, too long or forbidden values are refused with an error that names the limit; values just within their limit
//! are kept.

use super::kit::*;
use midgard::EventId;
use midgard::event::Headers;
use midgard::limits::{LimitError, Limited};

/// Asserts a refusal because `what` breaks its limit; nothing of the append may be kept.
async fn refuses<F: Fixture>(fixture: &F, append: Append, wanted: LimitError) {
    let store = fixture.open();
    match refused(&store, append).await {
        AppendError::Store(StoreError::Limit(error)) => {
            assert_eq!(error, wanted, "a store names the limit that was broken");
        }
        error => panic!("a store refuses what breaks a limit, and names the limit, not: {error}"),
    }
}

/// Asserts that an event between valid ones is refused.
async fn refuses_event<F: Fixture>(fixture: &F, bad: NewEvent, wanted: LimitError) {
    let append = to(STREAM, Any, [event(), bad, event()]).and(stream("account-2"), Any, events(1));
    refuses(fixture, append, wanted).await;
}

async fn keeps<F: Fixture>(fixture: &F, good: NewEvent) {
    let store = fixture.open();
    put(&store, to(STREAM, Any, [good.clone()])).await;
    holds(&store, STREAM, &[good]).await;
}

const fn too_long(what: Limited, limit: usize) -> LimitError {
    LimitError::TooLong {
        what,
        limit,
        actual: limit + 1,
    }
}

fn with_header(key: &str, value: &str) -> NewEvent {
    event().with_metadata(Metadata::new().with_header(key, value))
}

pub(super) async fn name_of_an_event_at_its_limit<F: Fixture>(fixture: &F) {
    let long = "n".repeat(limits::EVENT_NAME_BYTES);
    let store = fixture.open();
    let all = [named(&long), named("n"), named(&long)];
    put(&store, to(STREAM, Any, all.clone())).await;
    holds(&store, STREAM, &all).await;
    assert_eq!(
        matching(&store, QueryItem::new().name(long)).await.len(),
        2,
        "it can be asked for"
    );
}

pub(super) async fn name_of_an_event_too_long<F: Fixture>(fixture: &F) {
    let long = "n".repeat(limits::EVENT_NAME_BYTES + 1);
    let wanted = too_long(Limited::EventName, limits::EVENT_NAME_BYTES);
    refuses_event(fixture, named(&long), wanted).await;
}

pub(super) async fn name_of_an_event_empty<F: Fixture>(fixture: &F) {
    refuses_event(fixture, named(""), LimitError::Empty(Limited::EventName)).await;
}

pub(super) async fn name_of_an_event_with_nul<F: Fixture>(fixture: &F) {
    let wanted = LimitError::NulCharacter(Limited::EventName);
    refuses_event(fixture, named("account\0opened"), wanted).await;
}

pub(super) async fn schema_version_zero<F: Fixture>(fixture: &F) {
    let bad = {
        let mut changed = named("account.opened");
        changed.schema_version = 0;
        changed
    };
    let name = bad.name.to_string();
    refuses_event(fixture, bad, LimitError::SchemaVersionZero { name }).await;
}

pub(super) async fn name_of_a_stream_at_its_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let long = "s".repeat(limits::STREAM_NAME_BYTES - 1);
    // Names that differ only in their last byte stay apart.
    for last in ["a", "b"] {
        let name = format!("{long}{last}");
        let events = put_any(&store, &name, 3).await;
        holds(&store, &name, &events).await;
    }
    holds(&store, &long, &[]).await;
}

pub(super) async fn name_of_a_stream_is_checked_when_it_is_made<F: Fixture>(_: &F) {
    let long = "s".repeat(limits::STREAM_NAME_BYTES + 1);
    let wanted = too_long(Limited::StreamName, limits::STREAM_NAME_BYTES);
    assert_eq!(
        StreamName::new(long),
        Err(wanted),
        "no store is ever given a longer one"
    );
    let wanted = LimitError::Empty(Limited::StreamName);
    assert_eq!(StreamName::new(""), Err(wanted), "nor an empty one");
    let wanted = LimitError::NulCharacter(Limited::StreamName);
    assert_eq!(StreamName::new("a\0b"), Err(wanted), "nor one with U+0000");
}

pub(super) async fn tag_at_its_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let long = "t".repeat(limits::TAG_BYTES - 1);
    let tags = ["a", "b"].map(|last| format!("{long}{last}"));
    for tag in &tags {
        put(&store, to(STREAM, Any, [tagged("some.event", &[tag])])).await;
    }
    for tag in &tags {
        let found = matching(&store, QueryItem::new().tag(tag)).await;
        assert_eq!(found.len(), 1, "a tag at its limit can be asked for");
    }
}

pub(super) async fn tag_too_long<F: Fixture>(fixture: &F) {
    let long = "t".repeat(limits::TAG_BYTES + 1);
    let wanted = too_long(Limited::Tag, limits::TAG_BYTES);
    refuses_event(fixture, tagged("some.event", &["fine:1", &long]), wanted).await;
}

pub(super) async fn tag_empty<F: Fixture>(fixture: &F) {
    let bad = tagged("some.event", &["fine:1", ""]);
    refuses_event(fixture, bad, LimitError::Empty(Limited::Tag)).await;
}

pub(super) async fn tag_with_nul<F: Fixture>(fixture: &F) {
    let bad = tagged("some.event", &["key:\0"]);
    refuses_event(fixture, bad, LimitError::NulCharacter(Limited::Tag)).await;
}

fn many_tags(count: usize) -> NewEvent {
    let mut event = event();
    event.tags = (0..count).map(|index| format!("key:{index}")).collect();
    event
}

pub(super) async fn as_many_tags_as_allowed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, Any, [many_tags(limits::TAGS), event()])).await;
    for index in 0..limits::TAGS {
        let found = matching(&store, QueryItem::new().tag(format!("key:{index}"))).await;
        assert_eq!(
            positions(&found),
            [Position(1)],
            "each of the tags can be asked for"
        );
    }
}

pub(super) async fn too_many_tags<F: Fixture>(fixture: &F) {
    let wanted = too_long(Limited::Tags, limits::TAGS);
    refuses_event(fixture, many_tags(limits::TAGS + 1), wanted).await;
}

pub(super) async fn header_at_its_limits<F: Fixture>(fixture: &F) {
    let key = "k".repeat(limits::HEADER_KEY_BYTES);
    let value = "v".repeat(limits::HEADER_VALUE_BYTES);
    keeps(fixture, with_header(&key, &value)).await;
}

pub(super) async fn key_of_a_header_too_long<F: Fixture>(fixture: &F) {
    let key = "k".repeat(limits::HEADER_KEY_BYTES + 1);
    let wanted = too_long(Limited::HeaderKey, limits::HEADER_KEY_BYTES);
    refuses_event(fixture, with_header(&key, "value"), wanted).await;
}

pub(super) async fn key_of_a_header_empty_or_with_nul<F: Fixture>(fixture: &F) {
    let wanted = LimitError::Empty(Limited::HeaderKey);
    refuses_event(fixture, with_header("", "value"), wanted).await;
    let wanted = LimitError::NulCharacter(Limited::HeaderKey);
    refuses_event(fixture, with_header("k\0", "value"), wanted).await;
}

pub(super) async fn value_of_a_header_too_long_or_with_nul<F: Fixture>(fixture: &F) {
    let value = "v".repeat(limits::HEADER_VALUE_BYTES + 1);
    let wanted = too_long(Limited::HeaderValue, limits::HEADER_VALUE_BYTES);
    refuses_event(fixture, with_header("key", &value), wanted).await;
    let wanted = LimitError::NulCharacter(Limited::HeaderValue);
    refuses_event(fixture, with_header("key", "\0"), wanted).await;
}

fn many_headers(count: usize, value: &str) -> NewEvent {
    let headers: Headers = (0..count)
        .map(|index| (format!("key-{index}"), value))
        .collect();
    event().with_metadata(Metadata::new().with_headers(headers))
}

pub(super) async fn as_many_headers_as_allowed<F: Fixture>(fixture: &F) {
    let value = "v".repeat(limits::HEADER_VALUE_BYTES);
    keeps(fixture, many_headers(limits::HEADERS, &value)).await;
}

pub(super) async fn too_many_headers<F: Fixture>(fixture: &F) {
    let wanted = too_long(Limited::Headers, limits::HEADERS);
    refuses_event(fixture, many_headers(limits::HEADERS + 1, ""), wanted).await;
}

pub(super) async fn too_many_parts_in_one_append<F: Fixture>(fixture: &F) {
    let most = to(STREAM, Any, events(1));
    let most = (1..limits::PARTS_PER_APPEND)
        .fold(most, |append, _| append.and(stream(STREAM), Any, events(1)));
    let over = most.clone().and(stream("account-2"), Any, events(1));
    refuses(
        fixture,
        over,
        too_long(Limited::Parts, limits::PARTS_PER_APPEND),
    )
    .await;
    let store = fixture.open();
    assert_eq!(
        put(&store, most).await.version(),
        Version(10_000),
        "as many as are allowed go through"
    );
}

pub(super) async fn too_many_events_in_one_append<F: Fixture>(fixture: &F) {
    let half = limits::EVENTS_PER_APPEND / 2;
    let append = to(STREAM, Any, events(half)).and(stream("account-2"), Any, events(half + 1));
    refuses(
        fixture,
        append,
        too_long(Limited::Events, limits::EVENTS_PER_APPEND),
    )
    .await;
}

pub(super) async fn payload_too_large<F: Fixture>(fixture: &F) {
    let bad = {
        let mut changed = event();
        changed.payload = vec![b' '; limits::PAYLOAD_BYTES + 1];
        changed
    };
    let wanted = too_long(Limited::Payload, limits::PAYLOAD_BYTES);
    refuses_event(fixture, bad, wanted).await;
}

pub(super) async fn append_too_large<F: Fixture>(fixture: &F) {
    let half = |bytes| {
        let mut changed = event();
        changed.payload = vec![b' '; bytes];
        changed
    };
    let mut all: Vec<_> = (0..4).map(|_| half(limits::PAYLOAD_BYTES)).collect();
    all.push(half(1));
    let wanted = too_long(Limited::Append, limits::APPEND_BYTES);
    refuses(fixture, to(STREAM, Any, all), wanted).await;
}

/// Returns an append of enough events to make it too large by everything except their payloads.
async fn refuses_many<F: Fixture>(fixture: &F, event: &NewEvent) {
    let one = to(STREAM, Any, [event.clone()]).bytes();
    let many = limits::APPEND_BYTES / one + 1;
    let ids = (0..many).map(|_| EventId::new());
    let append = to(
        STREAM,
        Any,
        ids.map(|id| {
            let mut changed = event.clone();
            changed.id = id;
            changed
        }),
    );
    let wanted = LimitError::TooLong {
        what: Limited::Append,
        limit: limits::APPEND_BYTES,
        actual: append.bytes(),
    };
    refuses(fixture, append, wanted).await;
}

pub(super) async fn append_with_headers_too_large<F: Fixture>(fixture: &F) {
    let value = "v".repeat(limits::HEADER_VALUE_BYTES);
    refuses_many(fixture, &many_headers(limits::HEADERS, &value)).await;
}

pub(super) async fn append_with_tags_too_large<F: Fixture>(fixture: &F) {
    let long = "t".repeat(limits::TAG_BYTES - 3);
    let tags = (0..limits::TAGS).map(|index| format!("{long}{index:03}"));
    let event = {
        let mut changed = event();
        changed.tags = tags.collect();
        changed
    };
    refuses_many(fixture, &event).await;
}

pub(super) async fn error_of_a_limit_prints_its_number<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let long = "n".repeat(limits::EVENT_NAME_BYTES + 1);
    let error = refused(&store, to(STREAM, Any, [named(&long)]))
        .await
        .to_string();
    assert!(
        error.contains("255") && error.contains("256") && error.contains("name of an event"),
        "an error names what is too long, its length, and the limit: {error}"
    );
}

pub(super) async fn append_after_a_refused_one_is_as_ever<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    refused(&store, to(STREAM, NoStream, [event(), named("")])).await;
    let all = events(2);
    let appended = put(&store, to(STREAM, NoStream, all.clone())).await;
    assert_eq!(
        appended.position,
        Some(Position(2)),
        "a refused append takes no positions"
    );
    holds(&store, STREAM, &all).await;
}
