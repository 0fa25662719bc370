//! The metadata recorded with an event: ids, times, correlation, causation, headers, tags, codec.
//!
//! JasperFx's tenants and typed wrappers have no counterpart in a store, and neither has taking correlation from the
//! current activity: a store records what it is given, and `Repository` and `Metadata::following` decide what that
//! is.

use super::kit::*;

/// Appends events and returns them as recorded.
async fn recorded<F: Fixture>(fixture: &F, events: Vec<NewEvent>) -> Vec<RecordedEvent> {
    let store = fixture.open();
    put(&store, to(STREAM, Any, events.clone())).await;
    holds(&store, STREAM, &events).await;
    history(&store, STREAM).await
}

pub(super) async fn every_field_of_an_event_comes_back<F: Fixture>(fixture: &F) {
    let metadata = Metadata::new()
        .with_correlation_id(EventId::new())
        .with_causation_id(EventId::new())
        .with_header("user", "ann")
        .with_header("reason", "because");
    let mut full = tagged("account.opened", &["owner:ann", "branch:north"]).with_metadata(metadata);
    full.schema_version = 7;
    let recorded = recorded(fixture, vec![event(), full, event()]).await;
    let full = &recorded[1];
    assert_eq!(full.log, LogId::MAIN, "an event knows its log");
    assert_eq!(full.position, Position(2), "an event knows its position");
    assert_eq!(full.stream, stream(STREAM), "an event knows its stream");
    assert_eq!(full.version, Version(2), "an event knows its version");
}

pub(super) async fn event_by_itself_has_no_correlation_no_headers_no_tags<F: Fixture>(fixture: &F) {
    let recorded = recorded(fixture, events(1)).await;
    let plain = &recorded[0];
    assert_eq!(
        plain.metadata,
        Metadata::new(),
        "a store invents no metadata"
    );
    assert_eq!(plain.tags, Tags::new(), "a store invents no tags");
}

pub(super) async fn correlation_without_causation<F: Fixture>(fixture: &F) {
    let id = EventId::new();
    let one = event().with_metadata(Metadata::new().with_correlation_id(id));
    let other = event().with_metadata(Metadata::new().with_causation_id(id));
    let recorded = recorded(fixture, vec![one, other]).await;
    assert_eq!(
        recorded[0].metadata.correlation_id(),
        Some(id),
        "correlation is kept"
    );
    assert_eq!(
        recorded[0].metadata.causation_id(),
        None,
        "no causation is invented"
    );
    assert_eq!(
        recorded[1].metadata.correlation_id(),
        None,
        "no correlation is invented"
    );
    assert_eq!(
        recorded[1].metadata.causation_id(),
        Some(id),
        "causation is kept"
    );
}

pub(super) async fn headers_keep_their_order_and_values<F: Fixture>(fixture: &F) {
    let pairs = [
        ("z", "1"),
        ("a", ""),
        ("m", "a value, with: punctuation\n"),
        ("Z", "2"),
    ];
    let metadata = Metadata::new().with_headers(pairs.into_iter().collect());
    let recorded = recorded(fixture, vec![event().with_metadata(metadata)]).await;
    let headers: Vec<_> = recorded[0].metadata.headers().iter().collect();
    assert_eq!(
        headers, pairs,
        "headers come back as they were given, empty values too"
    );
}

pub(super) async fn tags_keep_their_order<F: Fixture>(fixture: &F) {
    let given = ["z:1", "a:2", "a:1", "no colon", "::", "a:2:3"];
    let recorded = recorded(fixture, vec![tagged("some.event", &given)]).await;
    let tags: Vec<_> = recorded[0].tags.view().iter().collect();
    assert_eq!(tags, given, "tags come back as they were given");
}

pub(super) async fn metadata_belongs_to_one_event_of_a_batch<F: Fixture>(fixture: &F) {
    let batch = (0..20).map(|index| {
        let header = Metadata::new().with_header("index", &index.to_string());
        let one = tagged(&format!("event.{index}"), &[&format!("index:{index}")]);
        if index % 3 == 0 {
            one
        } else {
            one.with_metadata(header)
        }
    });
    recorded(fixture, batch.collect()).await;
}

pub(super) async fn unknown_codec_is_kept_as_it_is<F: Fixture>(fixture: &F) {
    let codecs = [
        Codec::JSON,
        Codec::from_code(0),
        Codec::from_code(42),
        Codec::from_code(255),
    ];
    let all = codecs.map(|codec| {
        let mut changed = event();
        changed.codec = codec;
        changed
    });
    recorded(fixture, all.to_vec()).await;
}

pub(super) async fn any_schema_version_is_kept<F: Fixture>(fixture: &F) {
    let all = [1, 2, 255, 256, 65_536, u32::MAX].map(|schema_version| {
        let mut changed = event();
        changed.schema_version = schema_version;
        changed
    });
    recorded(fixture, all.to_vec()).await;
}

pub(super) async fn any_sixteen_bytes_are_an_id<F: Fixture>(fixture: &F) {
    let all = [
        [0; 16],
        [255; 16],
        *b"not a known UUID",
        std::array::from_fn(|at| at as u8),
    ];
    let all = all.map(|bytes| {
        let id = EventId::from_bytes(bytes);
        let metadata = Metadata::new()
            .with_correlation_id(id)
            .with_causation_id(id);
        event().with_id(id).with_metadata(metadata)
    });
    recorded(fixture, all.to_vec()).await;
}

pub(super) async fn time_of_an_event_is_when_it_was_recorded<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    // A store on another machine has a clock of its own: the check only fails for absurd times.
    const HOUR: u64 = 3_600_000_000;
    let before = Timestamp::now().as_micros() - HOUR;
    put_any(&store, STREAM, 1).await;
    let after = Timestamp::now().as_micros() + HOUR;
    let time = history(&store, STREAM).await[0].time.as_micros();
    assert!(
        (before..=after).contains(&time),
        "a store records the time of an append"
    );
}

pub(super) async fn time_never_goes_back<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for index in 0..30 {
        put_any(&store, &format!("account-{}", index % 3), 1 + index % 2).await;
    }
    // Each read checks that times are in the order of positions.
    assert_eq!(log(&store).await.len(), 45, "all events are there");
}

pub(super) async fn time_of_an_event_does_not_change<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    let before = log(&store).await;
    put_any(&store, STREAM, 3).await;
    assert_eq!(
        log(&store).await[..3],
        before,
        "what was recorded stays as it is"
    );
    assert_eq!(
        history(&store, STREAM).await[..3],
        before,
        "also when read by its stream"
    );
}
