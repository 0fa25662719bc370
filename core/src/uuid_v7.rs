//! New UUIDs of version 7 (RFC 9562), unique across processes, even when one is a fork of the other.
//!
//! A fork copies the state of a random number generator, so that parent and child would continue with the same
//! numbers. So the random bytes come from the system, several at a time, and a child discards those it inherited.

use crate::process_mark::ProcessMark;
use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last time that fits into a UUID, in milliseconds since the Unix epoch.
const LAST_MILLIS: u64 = (1 << 48) - 1;
/// The last number of 62 bits.
const LAST_SECOND: u64 = (1 << 62) - 1;
use uuid::{Builder, Uuid};

thread_local! {
    static SOURCE: RefCell<Source> = RefCell::new(Source::new());
}

/// Returns a new UUID. Those of one thread sort in the order in which they were made, whatever the clock shows.
/// Before 1970 and after the year 10889 its time is the first or the last possible one.
///
/// # Panics
/// When the system has no random bytes, which never happens on a system that is set up.
pub(crate) fn now() -> Uuid {
    SOURCE.with_borrow_mut(|source| {
        if !source.mark.is_here() {
            *source = Source::new();
        }
        source.next()
    })
}

struct Source {
    /// The process that the remaining bytes belong to.
    mark: ProcessMark,
    /// Random bytes of the system; those before `used` are used up.
    random: [u8; 1024],
    used: usize,
    /// The time of the last UUID, in milliseconds since the Unix epoch.
    millis: Option<u64>,
    /// The random parts of the last UUID, of 12 and of 62 bits.
    first: u16,
    second: u64,
}

impl Source {
    fn new() -> Self {
        Source {
            mark: ProcessMark::here(),
            random: [0; 1024],
            used: 1024,
            millis: None,
            first: 0,
            second: 0,
        }
    }

    fn next(&mut self) -> Uuid {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(now.unwrap_or_default())
    }

    /// Returns the next UUID at a time, given since the Unix epoch.
    fn at(&mut self, now: Duration) -> Uuid {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let millis = millis.min(LAST_MILLIS);
        let step = u64::from(u32::from_ne_bytes(self.take())) + 1;
        if self.millis.is_none_or(|last| millis > last) {
            self.begin(millis);
        } else if self.second + step > LAST_SECOND {
            // Too many at one time, as after the clock was set back: the time advances by itself.
            let next = self.millis.map_or(0, |last| last + 1);
            self.begin(next.min(LAST_MILLIS));
        } else {
            self.second += step;
        }
        let mut parts = [0; 10];
        parts[..2].copy_from_slice(&self.first.to_be_bytes());
        parts[2..].copy_from_slice(&self.second.to_be_bytes());
        let millis = self.millis.unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &parts).into_uuid()
    }

    /// Starts from new random parts.
    fn begin(&mut self, millis: u64) {
        self.millis = Some(millis);
        self.first = u16::from_ne_bytes(self.take());
        // From the lower half, to leave room above.
        self.second = u64::from_ne_bytes(self.take()) >> 3;
    }

    #[allow(clippy::panic)]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > self.random.len() {
            if let Err(error) = getrandom::fill(&mut self.random) {
                panic!("the system has no random bytes for ids: {error}");
            }
            self.used = 0;
        }
        let taken = self.used..self.used + N;
        self.used += N;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.random[taken]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_uuids_of_version_7_in_the_order_in_which_they_were_made() {
        let ids: Vec<Uuid> = (0..100_000).map(|_| now()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let millis = u64::try_from(now.as_millis()).unwrap();
        for id in ids {
            assert_eq!(
                (id.get_version_num(), id.get_variant()),
                (7, uuid::Variant::RFC4122)
            );
            let (secs, nanos) = id.get_timestamp().unwrap().to_unix();
            let made = secs * 1000 + u64::from(nanos) / 1_000_000;
            assert!(made <= millis && made + 60_000 > millis);
        }
    }

    #[test]
    fn ids_are_given_at_any_time_and_go_on_in_their_order() {
        let times = [
            Duration::ZERO,
            Duration::from_secs(1),
            Duration::MAX,
            Duration::ZERO,
            Duration::from_millis(LAST_MILLIS),
        ];
        let mut source = Source::new();
        let ids: Vec<Uuid> = times.into_iter().map(|time| source.at(time)).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        // Two threads that start while the clock shows 1970 start with different ids.
        let first = |_| Source::new().at(Duration::ZERO).as_u128() >> 32;
        let first: HashSet<_> = (0..1000).map(first).collect();
        assert_eq!(first.len(), 1000);
    }

    #[test]
    fn there_is_always_a_next_id_while_the_clock_stands_still() {
        let mut source = Source::new();
        let before = source.at(Duration::from_secs(1));
        source.second = LAST_SECOND;
        let after = source.at(Duration::from_secs(1));
        assert!(before < after);
        assert_eq!(after.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn threads_have_no_id_in_common() {
        let many = || (0..20_000).map(|_| now()).collect::<Vec<_>>();
        let ids = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(many)).collect();
            let ids = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            ids.collect::<HashSet<_>>()
        });
        assert_eq!(ids.len(), 8 * 20_000);
    }
}
