//! Random records, changed and cut at random: none makes the parser panic, and none is taken for another event.
//!
//! `MIDGARD_TEST_RECORDS` sets how many each test tries, `MIDGARD_TEST_SEED` repeats a run.

use super::*;
use fastrand::Rng;
use midgard::Metadata;
use midgard::event::{NewEvent, RecordedEvent};
use std::iter::repeat_with;

/// Calls `one` with random numbers repeatedly; prints the seed of a call that panicked.
fn try_many(mut one: impl FnMut(&mut Rng)) {
    let number = |variable, usual| match std::env::var(variable) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => usual,
    };
    let first: u64 = number("MIDGARD_TEST_SEED", 0);
    for seed in first..first + number("MIDGARD_TEST_RECORDS", 5_000) {
        let seed = Failing(seed);
        one(&mut Rng::with_seed(seed.0));
    }
}

/// Prints its seed when a panic drops it.
struct Failing(u64);

impl Drop for Failing {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("MIDGARD_TEST_SEED={}", self.0);
        }
    }
}

/// Returns a number with any count of bits, so that small and large ones are as frequent.
fn number(random: &mut Rng) -> u64 {
    random.u64(..) >> random.u32(..64)
}

fn text(random: &mut Rng, longest: usize) -> String {
    let length = random.usize(1..=longest);
    let letter = || match random.u8(..8) {
        0 => random.char(..),
        _ => random.alphanumeric(),
    };
    let mut text: String = repeat_with(letter).take(length).collect();
    while text.len() > longest {
        text.pop();
    }
    text + "x"
}

fn bytes(random: &mut Rng, length: usize) -> Vec<u8> {
    repeat_with(|| random.u8(..)).take(length).collect()
}

fn event(random: &mut Rng) -> NewEvent {
    let id = |random: &mut Rng| EventId::from_bytes(*bytes(random, 16).first_chunk().unwrap());
    let length = match random.u8(..16) {
        0 => random.usize(..10_000),
        _ => random.usize(..100),
    };
    let (name, payload) = (text(random, 30), bytes(random, length));
    let mut event = NewEvent::json(name, number(random) as u32, payload).with_id(id(random));
    event.codec = Codec::from_code(random.u8(..));
    let mut metadata = Metadata::new();
    if random.bool() {
        let itself = random.bool();
        let led_to_it = if itself { event.id } else { id(random) };
        metadata = metadata.with_correlation_id(led_to_it);
    }
    if random.bool() {
        metadata = metadata.with_causation_id(id(random));
    }
    while random.u8(..4) == 0 {
        metadata = metadata.with_header(&text(random, 20), &text(random, 200));
    }
    while random.u8(..4) == 0 {
        event = event.with_tag(&text(random, 20), &text(random, 40));
    }
    event.with_metadata(metadata)
}

/// A record as the writer makes it.
struct Written {
    position: Position,
    stream: String,
    version: Version,
    time: Timestamp,
    back: Position,
    first: Version,
    skips: Vec<Position>,
    event: NewEvent,
    bytes: Vec<u8>,
}

impl Written {
    fn new(random: &mut Rng) -> Self {
        // Versions that have skips are as frequent as others.
        let version = Version(number(random) & u64::MAX << random.choice([0, 4, 8, 12]).unwrap());
        let position = Position(number(random).max(1));
        let mut earlier = || Position(random.u64(..position.get()));
        let skips = (0..skip_levels(version)).map(|_| earlier()).collect();
        let back = earlier();
        let mut written = Written {
            position,
            stream: text(random, 60),
            version,
            time: Timestamp::from_micros(number(random)),
            back,
            first: Version(number(random).max(1)),
            skips,
            event: event(random),
            bytes: bytes(random, 3),
        };
        let recording = Recording {
            position,
            stream: &written.stream,
            version,
            time: written.time,
            links: Links {
                back,
                skips: &written.skips,
                first: written.first,
            },
        };
        encode(&mut written.bytes, recording, &written.event);
        written
    }

    /// Returns whether the links of a header are those that were written.
    fn has_links(&self, header: &Header<'_>) -> bool {
        let mut step = 1_u64;
        let skips = self.skips.iter().all(|skip| {
            step = step.saturating_mul(SKIP);
            let target = Version(self.version.get() - step);
            *skip == Position::ZERO
                || header
                    .skip_to(target)
                    .is_none_or(|(version, to)| version != target || to == *skip)
        });
        skips && (header.back(), header.first) == (self.back, self.first)
    }

    fn is(&self, read: &RecordedEvent) -> bool {
        let event = &self.event;
        read.log == LogId::MAIN
            && (read.position, read.version, read.time) == (self.position, self.version, self.time)
            && (read.stream.as_str(), read.name.as_str()) == (self.stream.as_str(), &*event.name)
            && (read.id, read.schema_version) == (event.id, event.schema_version)
            && (read.codec, &read.payload) == (event.codec, &event.payload)
            && (&read.tags, &read.metadata) == (&event.tags, &event.metadata)
    }
}

/// Reads all fields, including those that are parsed only on demand.
fn parse_all(position: Position, bytes: &[u8]) -> Result<RecordedEvent, String> {
    let header = Header::parse(position, bytes)?;
    let _links = (header.back(), header.skip_to(Version::ZERO));
    header.event().map(|event| event.to_owned())
}

/// Changes bytes as a device, a cable or a bug may.
fn change(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=random.u8(..3) {
        let at = random.usize(..bytes.len().max(1)).min(bytes.len());
        let until = random.usize(at..=bytes.len());
        match random.u8(..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..until)),
            2 => bytes.insert(at, random.u8(..)),
            3 => bytes[at..until].fill(random.choice([0, 0xff]).unwrap()),
            4 => bytes[at..until].reverse(),
            5 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            _ if at < bytes.len() => bytes[at] ^= random.u8(1..),
            _ => {}
        }
    }
}

/// Corrects the checksums, in the format that the record claims to have.
fn fit_checksums(position: Position, bytes: &mut [u8]) {
    if bytes
        .get(4)
        .is_some_and(|format| format >> 4 == format_1::FORMAT)
    {
        let checksum = format_1::checksum(position, &bytes[4..]);
        return bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    }
    let Some(header) = Header::parse_unchecked(position, bytes) else {
        return;
    };
    let payload = checksum::of(header.payload).to_le_bytes();
    let end = bytes.len() - header.payload.len();
    bytes[end - 4..end].copy_from_slice(&payload);
    let checksum = header_checksum(position, &bytes[4..end]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn any_event_comes_back_as_it_was() {
    try_many(|random| {
        let mut written = Written::new(random);
        if random.bool() {
            // As it is when it is too long for one value.
            set_split(&mut written.bytes, written.position);
            assert!(is_split(&written.bytes));
        }
        let header = Header::parse(written.position, &written.bytes).unwrap();
        assert!(
            written.has_links(&header),
            "{:?}\n{header:?}",
            written.skips
        );
        let read = header.event().unwrap().to_owned();
        assert!(written.is(&read), "{:?}\n{read:?}", written.event);
    });
}

#[test]
fn a_changed_record_is_damaged_and_never_another_event() {
    let (mut tried, mut by_chance) = (0, 0);
    try_many(|random| {
        let written = Written::new(random);
        let mut changed = written.bytes.clone();
        change(random, &mut changed);
        tried += 1;
        match parse_all(written.position, &changed) {
            Ok(read) if changed == written.bytes => assert!(written.is(&read)),
            Ok(_) => by_chance += 1,
            Err(_) => assert_ne!(changed, written.bytes),
        }
    });
    assert_rare(by_chance, tried);
}

#[test]
fn a_record_at_another_position_is_damaged() {
    let (mut tried, mut by_chance) = (0, 0);
    try_many(|random| {
        let written = Written::new(random);
        // Near ones, and any.
        let elsewhere = written.position.get() ^ number(random).max(1);
        tried += 1;
        by_chance += u64::from(parse_all(Position(elsewhere), &written.bytes).is_ok());
    });
    assert_rare(by_chance, tried);
}

/// One in four thousand million matches its checksum by chance.
fn assert_rare(by_chance: u64, tried: u64) {
    assert!(
        by_chance <= tried >> 28,
        "{by_chance} of {tried} were taken for events"
    );
}

#[test]
fn arbitrary_bytes_are_refused() {
    let (mut tried, mut by_chance) = (0, 0);
    try_many(|random| {
        let length = random.usize(..300);
        let bytes = bytes(random, length);
        tried += 1;
        by_chance += u64::from(parse_all(Position(number(random)), &bytes).is_ok());
    });
    assert_rare(by_chance, tried);
}

/// Records that no writer writes, with a matching checksum.
#[test]
fn nonsense_under_a_checksum_that_fits_never_makes_the_parser_panic() {
    let mut accepted = 0;
    try_many(|random| {
        let Written {
            position,
            mut bytes,
            ..
        } = Written::new(random);
        match random.u8(..4) {
            // Only the first bytes, so that parsing gets further.
            0 => {
                bytes.truncate(5);
                let length = random.usize(..200);
                bytes.extend(self::bytes(random, length));
            }
            1 => bytes[4] = format_1::FORMAT << 4 | bytes[4] & 0x0f,
            _ => change(random, &mut bytes),
        }
        fit_checksums(position, &mut bytes);
        if let Ok(read) = parse_all(position, &bytes) {
            accepted += 1;
            assert_eq!(read.position, position);
            assert!(read.payload.len() <= bytes.len());
        }
    });
    assert!(accepted > 0, "the fields were never looked at");
}
