//! Records that are made up, changed and cut at random: none makes the parser panic, and none is taken for
//! another event.
//!
//! `MIDGARD_TEST_RECORDS` says how many each test tries, `MIDGARD_TEST_SEED` repeats a run.

use super::*;
use fastrand::Rng;
use midgard::{Metadata, RecordedEvent};
use std::iter::repeat_with;

/// Calls `one` with random numbers again and again; says the seed of the one that panicked.
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

/// Says its seed when a panic drops it.
struct Failing(u64);

impl Drop for Failing {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("MIDGARD_TEST_SEED={}", self.0);
        }
    }
}

/// A number with any count of bits, so that small and large ones are as frequent.
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
    event: NewEvent,
    bytes: Vec<u8>,
}

impl Written {
    fn new(random: &mut Rng) -> Self {
        let mut written = Written {
            position: Position(number(random)),
            stream: text(random, 60),
            version: Version(number(random)),
            time: Timestamp::from_micros(number(random)),
            event: event(random),
            bytes: bytes(random, 3),
        };
        let place = Place {
            position: written.position,
            stream: &written.stream,
            version: written.version,
            time: written.time,
        };
        encode(&mut written.bytes, place, &written.event);
        written
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

/// Reads all fields, also those that are only looked into when somebody asks.
fn parse_all(position: Position, bytes: &[u8]) -> Result<RecordedEvent, String> {
    parse(position, bytes).map(|record| record.event.to_owned())
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

fn fit_checksum(position: Position, bytes: &mut [u8]) {
    if let Some((stored, rest)) = bytes.split_first_chunk_mut::<4>() {
        *stored = checksum(position, rest).to_le_bytes();
    }
}

#[test]
fn any_event_comes_back_as_it_was() {
    try_many(|random| {
        let written = Written::new(random);
        let read = parse_all(written.position, &written.bytes).unwrap();
        assert!(written.is(&read), "{:?}\n{read:?}", written.event);
    });
}

#[test]
fn a_changed_record_is_damaged_and_never_another_event() {
    let mut collisions = 0;
    let mut tried = 0;
    try_many(|random| {
        let written = Written::new(random);
        let mut changed = written.bytes.clone();
        change(random, &mut changed);
        tried += 1;
        match parse_all(written.position, &changed) {
            Ok(read) if changed == written.bytes => assert!(written.is(&read)),
            // One of four thousand million fits by chance.
            Ok(_) => collisions += 1,
            Err(_) => assert_ne!(changed, written.bytes),
        }
    });
    assert!(
        collisions <= tried >> 28,
        "{collisions} of {tried} were not found"
    );
}

#[test]
fn a_change_of_up_to_four_bytes_that_stand_together_is_always_found() {
    try_many(|random| {
        let Written {
            position,
            mut bytes,
            ..
        } = Written::new(random);
        let at = random.usize(..bytes.len() - 3);
        let change = random.u32(1..).to_ne_bytes();
        // The checksum itself is not one piece with what it is of.
        let at = if at < 4 { 0 } else { at };
        for (byte, change) in bytes[at..].iter_mut().zip(change) {
            *byte ^= change;
        }
        parse_all(position, &bytes).unwrap_err();
    });
}

#[test]
fn a_record_at_another_position_is_damaged() {
    try_many(|random| {
        let written = Written::new(random);
        let elsewhere = Position(written.position.get() ^ u64::from(random.u32(1..)));
        parse_all(elsewhere, &written.bytes).unwrap_err();
    });
}

#[test]
fn arbitrary_bytes_are_refused() {
    let mut accepted = 0;
    let mut tried = 0;
    try_many(|random| {
        let length = random.usize(..300);
        let bytes = bytes(random, length);
        tried += 1;
        accepted += u64::from(parse_all(Position(number(random)), &bytes).is_ok());
    });
    assert!(
        accepted <= tried >> 28,
        "{accepted} of {tried} were accepted"
    );
}

/// What no writer writes, with a checksum that fits.
#[test]
fn nonsense_under_a_checksum_that_fits_never_makes_the_parser_panic() {
    let mut accepted = 0;
    try_many(|random| {
        let Written {
            position,
            mut bytes,
            ..
        } = Written::new(random);
        if random.u8(..4) == 0 {
            // Only the first byte, so that more of it is looked at.
            bytes.truncate(5);
            let length = random.usize(..200);
            bytes.extend(self::bytes(random, length));
        } else {
            change(random, &mut bytes);
        }
        fit_checksum(position, &mut bytes);
        if let Ok(read) = parse_all(position, &bytes) {
            accepted += 1;
            assert_eq!(read.position, position);
            assert!(read.payload.len() <= bytes.len());
        }
    });
    assert!(accepted > 0, "the fields were never looked at");
}
