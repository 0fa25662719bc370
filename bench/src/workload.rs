//! Streams to append to, and events to append.

use midgard::event::NewEvent;

/// How many streams there are.
pub(crate) const STREAMS: usize = 100_000;

/// The name of every event.
pub(crate) const EVENT_NAME: &str = "order.approved";
/// The shortest and the longest payload; 228 bytes on average.
const PAYLOAD: (usize, usize) = (200, 256);

/// The streams that one contestant appends to, all filled with one event at first.
pub(crate) struct Workload {
    names: Vec<String>,
    versions: Vec<u64>,
    random: Random,
}

impl Workload {
    pub(crate) fn new() -> Self {
        Workload {
            names: (0..STREAMS).map(|n| format!("customer-{n:05}")).collect(),
            versions: vec![0; STREAMS],
            random: Random(1),
        }
    }

    pub(crate) fn name(&self, stream: usize) -> &str {
        &self.names[stream]
    }

    pub(crate) fn version(&self, stream: usize) -> u64 {
        self.versions[stream]
    }

    /// Counts one more event in a stream, and returns its version.
    pub(crate) fn advance(&mut self, stream: usize) -> u64 {
        self.versions[stream] += 1;
        self.versions[stream]
    }

    /// Returns a random stream among those whose numbers leave `rest` when divided by `parts`.
    pub(crate) fn stream(&mut self, rest: usize, parts: usize) -> usize {
        self.random.below(STREAMS / parts) * parts + rest
    }

    /// Returns this many different streams.
    pub(crate) fn streams(&mut self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let step = STREAMS / count;
        let picks: Vec<_> = (0..count)
            .map(|part| part * step + self.random.below(step))
            .collect();
        picks.into_iter()
    }

    /// An event to append.
    pub(crate) fn event(&mut self) -> NewEvent {
        NewEvent::json(EVENT_NAME, 1, self.payload())
    }

    /// The payload of an event to append.
    pub(crate) fn payload(&mut self) -> Vec<u8> {
        let (shortest, longest) = PAYLOAD;
        payload(shortest + self.random.below(longest - shortest + 1))
    }
}

/// Returns a payload in JSON, of this many bytes.
fn payload(length: usize) -> Vec<u8> {
    let mut payload = br#"{"note":""#.to_vec();
    payload.resize(length - 2, b'x');
    payload.extend_from_slice(br#""}"#);
    payload
}

/// Computes something that needs every byte of a payload.
pub(crate) fn sum(payload: &[u8]) -> u64 {
    let (words, rest) = payload.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    words.chain(rest).fold(0, u64::wrapping_add)
}

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`.
    pub(crate) const fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
