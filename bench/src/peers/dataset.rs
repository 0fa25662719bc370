//! The streams and events that every store is filled with, byte for byte the same.

use super::{Event, Stream};
use crate::workload::Random;

/// How many events a stream has that is loaded.
pub(super) const EVENTS: usize = 100;
/// How many events a store has at least when its log is scanned and appended to.
const LEAST: usize = 100_000;
/// How many streams are loaded where there are too many for all to have that many events.
const LOADED: usize = 100;
/// How many streams may all have that many events.
const ALL_LOADED: usize = 1000;
/// How many different payloads there are.
const PAYLOADS: usize = 4096;
/// The shortest and the longest payload; 228 bytes on average.
const PAYLOAD: (usize, usize) = (200, 256);

pub(super) struct Dataset {
    names: Vec<String>,
    payloads: Vec<Vec<u8>>,
}

impl Dataset {
    pub(super) fn new(streams: usize) -> Self {
        let mut random = Random(1);
        Dataset {
            names: (0..streams)
                .map(|number| format!("customer-{number:07}"))
                .collect(),
            payloads: (0..PAYLOADS).map(|_| payload(&mut random)).collect(),
        }
    }

    pub(super) fn streams(&self) -> usize {
        self.names.len()
    }

    /// The streams with the lowest numbers are those that are loaded.
    pub(super) fn loaded(&self) -> usize {
        match self.streams() {
            streams if streams <= ALL_LOADED => streams,
            _ => LOADED,
        }
    }

    pub(super) fn stream(&self, number: usize) -> Stream<'_> {
        let name = &self.names[number];
        Stream { name, number }
    }

    /// Returns the event with this version of a stream.
    pub(super) fn event(&self, number: usize, version: u64) -> Event {
        let payload = number.wrapping_mul(31).wrapping_add(version as usize) % PAYLOADS;
        Event {
            stream: self.names[number].clone(),
            number,
            version,
            payload: self.payloads[payload].clone(),
        }
    }

    /// Returns the streams of the first events: 100 for each stream that is loaded, one for each other. Those of one
    /// stream lie as far apart as possible.
    pub(super) fn first(&self) -> impl Iterator<Item = usize> {
        let (loaded, streams) = (self.loaded(), self.streams());
        let others = (streams - loaded).div_ceil(EVENTS);
        (0..EVENTS).flat_map(move |round| {
            let begin = loaded + round * others;
            (0..loaded).chain(begin.min(streams)..(begin + others).min(streams))
        })
    }

    /// Returns the streams of the events appended after the loads, where there are too few events for a scan.
    pub(super) fn more(&self) -> impl Iterator<Item = usize> {
        let streams = self.streams();
        (self.first().count()..LEAST).map(move |event| event % streams)
    }
}

/// JSON with letters in it that cannot be compressed much further than to three quarters.
fn payload(random: &mut Random) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -";
    let (shortest, longest) = PAYLOAD;
    let length = shortest + random.below(longest - shortest + 1);
    let mut payload = br#"{"note":""#.to_vec();
    while payload.len() < length - 2 {
        payload.push(LETTERS[random.below(LETTERS.len())]);
    }
    payload.extend_from_slice(br#""}"#);
    payload
}
