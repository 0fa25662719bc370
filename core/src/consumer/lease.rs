//! Who handles which partition: leases that cost nothing while nobody else wants them.
//!
//! An owner writes nothing while it is alone. A worker that wants a partition, or wants to know whether
//! its owner is still there, writes itself into the lease as challenger; the owner answers by taking it
//! out again, or hands the partition over. A challenge that stays unanswered for the lease's time, by the
//! challenger's own clock, means that the owner is gone. No clocks are compared between machines.

use super::notes::Lease;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One worker's knowledge of the leases of a consumer.
pub(crate) struct Leases {
    worker: String,
    silence: Duration,
    seen: Vec<Seen>,
    /// When each other owner was last asked whether it is there.
    asked: HashMap<String, Instant>,
}

/// A lease as it was last read, and since when it is so.
#[derive(Clone)]
struct Seen {
    lease: Lease,
    since: Option<Instant>,
}

impl Leases {
    pub(crate) fn new(worker: String, partitions: u32, silence: Duration) -> Self {
        let unknown = Seen {
            lease: Lease::default(),
            since: None,
        };
        Leases {
            worker,
            silence,
            seen: vec![unknown; partitions as usize],
            asked: HashMap::new(),
        }
    }

    /// How often to look.
    pub(crate) fn interval(&self) -> Duration {
        self.silence / 3
    }

    pub(crate) fn is_mine(&self, lease: &Lease) -> bool {
        lease.owner.as_deref() == Some(&self.worker)
    }

    /// Takes in the leases as they are now, and says which of them to write. With `busy`, nothing is
    /// taken and nothing given away: challenges are answered, and that is all.
    pub(crate) fn decide(
        &mut self,
        now: Instant,
        leases: &[Lease],
        busy: bool,
    ) -> Vec<(usize, Lease)> {
        for (seen, lease) in self.seen.iter_mut().zip(leases) {
            if seen.since.is_none() || seen.lease != *lease {
                seen.lease = lease.clone();
                seen.since = Some(now);
            }
        }
        let gone: Vec<String> = self
            .seen
            .iter()
            .filter(|seen| seen.lease.challenger.is_some())
            .filter(|seen| seen.since.is_some_and(|since| now - since >= self.silence))
            .filter_map(|seen| seen.lease.owner.clone())
            .filter(|owner| *owner != self.worker)
            .collect();
        let mut counts: HashMap<String, usize> = HashMap::from([(self.worker.clone(), 0)]);
        for lease in leases {
            let there = lease.owner.iter().filter(|owner| !gone.contains(owner));
            there.for_each(|owner| *counts.entry(owner.clone()).or_default() += 1);
            if let Some(challenger) = &lease.challenger {
                counts.entry(challenger.clone()).or_default();
            }
        }
        let least = leases.len() / counts.len();
        let most = leases.len().div_ceil(counts.len());
        let mut mine = counts[&self.worker];
        let mut writes = Vec::new();
        for (index, lease) in leases.iter().enumerate() {
            let free = match &lease.owner {
                Some(owner) => gone.contains(owner),
                None => true,
            };
            if self.is_mine(lease) {
                let Some(challenger) = &lease.challenger else {
                    continue;
                };
                let theirs = counts.get(challenger).copied().unwrap_or_default();
                let gives = mine > most || (mine > least && theirs < least);
                if gives && !busy {
                    mine -= 1;
                    *counts.entry(challenger.clone()).or_default() += 1;
                    writes.push((index, self.owned_by(challenger, lease)));
                } else {
                    let answer = Lease {
                        challenger: None,
                        answers: lease.answers + 1,
                        ..lease.clone()
                    };
                    writes.push((index, answer));
                }
            } else if free && mine < most && !busy {
                mine += 1;
                writes.push((index, self.owned_by(&self.worker, lease)));
            }
        }
        if !busy {
            self.challenge(now, leases, &counts, mine < least, &mut writes);
        }
        writes
    }

    fn owned_by(&self, worker: &str, lease: &Lease) -> Lease {
        Lease {
            owner: Some(worker.to_owned()),
            epoch: lease.epoch + 1,
            challenger: None,
            answers: 0,
        }
    }

    /// Asks each other owner from time to time whether it is there; at once when this worker has less
    /// than its share.
    fn challenge(
        &mut self,
        now: Instant,
        leases: &[Lease],
        counts: &HashMap<String, usize>,
        wants_more: bool,
        writes: &mut Vec<(usize, Lease)>,
    ) {
        self.asked.retain(|owner, _| counts.contains_key(owner));
        let richest = counts.values().copied().max().unwrap_or_default();
        for (owner, count) in counts.iter().filter(|(owner, _)| **owner != self.worker) {
            let of_owner = |lease: &Lease| lease.owner.as_ref() == Some(owner);
            let is_asked = leases
                .iter()
                .any(|lease| of_owner(lease) && lease.challenger.is_some());
            let due = match self.asked.get(owner) {
                Some(asked) => now - *asked >= self.silence,
                None => true,
            };
            if is_asked || !(due || wants_more && *count == richest) {
                continue;
            }
            let first = leases.iter().position(of_owner);
            if let Some(index) = first.filter(|index| writes.iter().all(|(one, _)| one != index)) {
                let challenge = Lease {
                    challenger: Some(self.worker.clone()),
                    ..leases[index].clone()
                };
                writes.push((index, challenge));
                self.asked.insert(owner.clone(), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(3);

    /// Workers that look at shared leases in turn.
    struct World {
        leases: Vec<Lease>,
        workers: Vec<Leases>,
        now: Instant,
    }

    impl World {
        fn new(partitions: u32, workers: &[&str]) -> Self {
            let worker = |name: &&str| Leases::new((*name).to_owned(), partitions, SILENCE);
            World {
                leases: vec![Lease::default(); partitions as usize],
                workers: workers.iter().map(worker).collect(),
                now: Instant::now(),
            }
        }

        /// Everybody looks, every second. Returns how many leases were written.
        fn seconds(&mut self, seconds: u64, workers: &[usize]) -> usize {
            let mut written = 0;
            for _ in 0..seconds {
                for worker in workers {
                    let writes = self.workers[*worker].decide(self.now, &self.leases, false);
                    written += writes.len();
                    for (index, lease) in writes {
                        self.leases[index] = lease;
                    }
                }
                self.now += Duration::from_secs(1);
            }
            written
        }

        fn owned(&self) -> Vec<usize> {
            let owned = |worker: &Leases| {
                let mine = self.leases.iter().filter(|lease| worker.is_mine(lease));
                mine.count()
            };
            self.workers.iter().map(owned).collect()
        }
    }

    #[test]
    fn a_worker_that_is_alone_takes_all_and_then_writes_nothing() {
        let mut world = World::new(4, &["a"]);
        assert_eq!(world.seconds(1, &[0]), 4);
        assert_eq!(world.owned(), [4]);
        assert_eq!(world.seconds(100, &[0]), 0);
    }

    #[test]
    fn workers_that_come_later_get_their_share() {
        let mut world = World::new(16, &["a", "b", "c"]);
        world.seconds(1, &[0]);
        world.seconds(40, &[0, 1]);
        assert_eq!(world.owned(), [8, 8, 0]);
        world.seconds(60, &[0, 1, 2]);
        let mut owned = world.owned();
        owned.sort_unstable();
        assert_eq!(owned, [5, 5, 6]);
    }

    #[test]
    fn what_a_dead_worker_owned_is_taken_over_after_its_silence() {
        let mut world = World::new(4, &["a", "b"]);
        world.seconds(20, &[0, 1]);
        assert_eq!(world.owned(), [2, 2]);
        world.seconds(2, &[1]);
        assert_eq!(world.owned(), [2, 2], "it may only be slow");
        world.seconds(6, &[1]);
        assert_eq!(world.owned(), [0, 4]);
    }

    #[test]
    fn one_partition_stays_with_its_owner_and_passes_to_the_one_in_standby() {
        let mut world = World::new(1, &["a", "b"]);
        world.seconds(50, &[0, 1]);
        assert_eq!(world.owned(), [1, 0]);
        world.seconds(7, &[1]);
        assert_eq!(world.owned(), [0, 1]);
    }
}
