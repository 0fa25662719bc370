use super::*;
use midgard::Metadata;
use midgard::event::NewEvent;

const NO_LINKS: Links<'_> = Links {
    back: Position::ZERO,
    skips: &[],
    first: Version::FIRST,
};

fn recording() -> Recording<'static> {
    Recording {
        position: Position(7),
        stream: "user-ann",
        version: Version(300),
        time: Timestamp::from_micros(1_234_567),
        links: NO_LINKS,
    }
}

fn full() -> NewEvent {
    let metadata = Metadata::new()
        .with_correlation_id(EventId::new())
        .with_causation_id(EventId::new())
        .with_header("user", "jun");
    NewEvent::json("user.renamed", 2, b"{\"name\":\"jun2\"}".to_vec())
        .with_tag("email", "ann@x.org")
        .with_metadata(metadata)
}

/// A record, read whole.
fn parse(position: Position, bytes: &[u8]) -> Result<RecordedEventRef<'_>, String> {
    Header::parse(position, bytes)?.event()
}

#[test]
fn a_record_comes_back_as_it_was() {
    let (mut bytes, event) = (Vec::new(), full());
    encode(&mut bytes, recording(), &event);
    let header = Header::parse(Position(7), &bytes).unwrap();
    assert_eq!((header.kind, header.first), (Kind::Event, Version::FIRST));
    let owned = header.event().unwrap().to_owned();
    assert_eq!((owned.position, owned.version), (Position(7), Version(300)));
    assert_eq!(
        (owned.stream.as_str(), &*owned.name),
        ("user-ann", "user.renamed")
    );
    assert_eq!(
        (owned.id, owned.schema_version, owned.codec),
        (event.id, 2, Codec::JSON)
    );
    assert_eq!((owned.payload, owned.tags), (event.payload, event.tags));
    assert_eq!(owned.metadata, event.metadata);
    assert_eq!(owned.time, recording().time);
}

#[test]
fn any_time_comes_back_next_to_any_id() {
    let mut bytes = Vec::new();
    for id in [[0; 16], [0xff; 16], *EventId::new().as_bytes()] {
        for micros in [0, 1, 1_234_567, Timestamp::now().as_micros(), u64::MAX] {
            let mut event = full();
            event.id = EventId::from_bytes(id);
            let time = Timestamp::from_micros(micros);
            encode(
                &mut bytes,
                Recording {
                    time,
                    ..recording()
                },
                &event,
            );
            assert_eq!(parse(Position(7), &bytes).unwrap().time, time);
        }
    }
}

#[test]
fn a_time_near_its_id_takes_few_bytes() {
    let (mut near, mut far) = (Vec::new(), Vec::new());
    let event = full();
    let time = Timestamp::now();
    encode(
        &mut near,
        Recording {
            time,
            ..recording()
        },
        &event,
    );
    encode(&mut far, recording(), &event);
    assert!(near.len() + 4 <= far.len());
}

#[test]
fn an_event_that_starts_a_correlation_does_not_store_its_id_twice() {
    let event = NewEvent::json("user.renamed", 1, b"{}".to_vec());
    let itself = event
        .clone()
        .with_metadata(Metadata::new().with_correlation_id(event.id));
    let (mut plain, mut correlated) = (Vec::new(), Vec::new());
    encode(&mut plain, recording(), &event);
    encode(&mut correlated, recording(), &itself);
    assert_eq!(plain.len(), correlated.len());
    let read = parse(Position(7), &correlated).unwrap();
    assert_eq!(read.correlation_id, Some(event.id));
}

#[test]
fn links_lead_where_they_should() {
    let mut bytes = Vec::new();
    let recording = Recording {
        position: Position(10_000),
        version: Version(512),
        links: Links {
            back: Position(9_999),
            skips: &[Position(5_000), Position(700)],
            first: Version(200),
        },
        ..recording()
    };
    encode(&mut bytes, recording, &full());
    let header = Header::parse(Position(10_000), &bytes).unwrap();
    assert_eq!(
        (header.back(), header.first),
        (Position(9_999), Version(200))
    );
    assert_eq!(header.skip_to(Version(511)), None);
    let lowest = Some((Version(496), Position(5_000)));
    assert_eq!(header.skip_to(Version(496)), lowest);
    assert_eq!(header.skip_to(Version(257)), lowest);
    assert_eq!(
        header.skip_to(Version(256)),
        Some((Version(256), Position(700)))
    );
    assert_eq!(header.skip_to(Version(1)), header.skip_to(Version(256)));
}

#[test]
fn a_mark_says_how_far_its_stream_goes() {
    let mut bytes = Vec::new();
    let links = Links {
        back: Position(3),
        skips: &[],
        first: Version(300),
    };
    let version = Version(512);
    encode_mark(
        &mut bytes,
        Kind::Truncated,
        Recording {
            version,
            links,
            ..recording()
        },
    );
    let header = Header::parse(Position(7), &bytes).unwrap();
    assert_eq!(
        (header.kind, header.version, header.first, header.back()),
        (Kind::Truncated, version, Version(300), Position(3))
    );
}

#[test]
fn any_changed_or_missing_byte_is_found() {
    let mut bytes = Vec::new();
    encode(&mut bytes, recording(), &full());
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x20;
        assert!(
            parse(Position(7), &damaged).is_err(),
            "byte {index} was changed"
        );
        assert!(
            parse(Position(7), &bytes[..index]).is_err(),
            "cut at byte {index}"
        );
    }
}

#[test]
fn a_payload_that_is_damaged_leaves_its_header_readable() {
    let mut bytes = Vec::new();
    encode(&mut bytes, recording(), &full());
    *bytes.last_mut().unwrap() ^= 1;
    let header = Header::parse(Position(7), &bytes).unwrap();
    assert_eq!(
        (header.stream, header.version),
        (&b"user-ann"[..], Version(300))
    );
    assert_eq!(
        header.event().unwrap_err(),
        "the checksum of its payload does not match"
    );
}

#[test]
fn a_record_in_a_wrong_place_is_damaged() {
    let mut bytes = Vec::new();
    encode(&mut bytes, recording(), &full());
    assert_eq!(
        parse(Position(8), &bytes).unwrap_err(),
        "the checksum of its header does not match"
    );
}

#[test]
fn a_record_of_another_format_or_with_nonsense_in_it_is_refused_not_guessed() {
    assert_eq!(
        parse(Position(1), &[0, 0, 0, 0, 3 << 4, 0, 1]).unwrap_err(),
        "it has record format 3, and this release reads 1 to 2"
    );
    // Every cut of an intact header, with a checksum that fits.
    let mut whole = Vec::new();
    encode(&mut whole, recording(), &full());
    for end in 5..whole.len() {
        let mut cut = whole[..end].to_vec();
        let checksum = header_checksum(Position(7), &cut[4..]);
        cut[..4].copy_from_slice(&checksum.to_le_bytes());
        assert!(parse(Position(7), &cut).is_err(), "cut at {end}");
    }
    // A length that is far too long, and a number that never ends.
    let mut bytes = whole[..31].to_vec();
    bytes.extend_from_slice(&[0xff; 80]);
    assert!(parse(Position(7), &bytes).is_err());
}
