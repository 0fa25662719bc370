//! Which worker handles which partition: leases that cost nothing while no other worker wants them.
//!
//! An owner writes nothing while it is alone. A worker that wants a partition, or wants to know whether
//! its owner is still there, writes its name as challenger next to the lease; the owner answers by removing
//! it again, or hands the partition over. A challenge that stays unanswered for the lease's time, by the
//! challenger's own clock, means that the owner is gone. No clocks are compared between machines.

use super::notes::{Challenge, Lease};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One worker's knowledge of the leases of a consumer.
pub(crate) struct Leases {
    worker: String,
    silence: Duration,
    seen: Vec<Seen>,
    /// When each other owner was last challenged.
    challenged: HashMap<String, Instant>,
    /// The owners that have not answered for too long.
    gone: Vec<String>,
}

/// The notes about a partition: its lease, and the challenge to its owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) lease: Lease,
    pub(crate) challenge: Challenge,
}

impl Claim {
    fn owner(&self) -> Option<&String> {
        self.lease.owner.as_ref()
    }

    fn challenger(&self) -> Option<&String> {
        self.challenge.challenger.as_ref()
    }

    fn with(&self, challenge: Challenge) -> Self {
        let lease = self.lease.clone();
        Claim { lease, challenge }
    }
}

/// A claim as it was last read, and since when it is unchanged.
#[derive(Clone)]
struct Seen {
    claim: Claim,
    since: Option<Instant>,
}

impl Leases {
    pub(crate) fn new(worker: String, partitions: u32, silence: Duration) -> Self {
        let unknown = Seen {
            claim: Claim::default(),
            since: None,
        };
        Leases {
            worker,
            silence,
            seen: vec![unknown; partitions as usize],
            challenged: HashMap::new(),
            gone: Vec::new(),
        }
    }

    /// Returns how often to check the leases.
    pub(crate) fn interval(&self) -> Duration {
        self.silence / 3
    }

    pub(crate) fn is_mine(&self, lease: &Lease) -> bool {
        lease.owner.as_deref() == Some(&self.worker)
    }

    /// Takes the claims as they are now, and returns which of them to write. With `busy`, nothing is
    /// taken and nothing given away: challenges are answered, and that is all.
    pub(crate) fn decide(
        &mut self,
        now: Instant,
        claims: &[Claim],
        busy: bool,
    ) -> Vec<(usize, Claim)> {
        for (seen, claim) in self.seen.iter_mut().zip(claims) {
            if seen.since.is_none() || seen.claim != *claim {
                seen.claim = claim.clone();
                seen.since = Some(now);
            }
        }
        self.gone = self
            .seen
            .iter()
            .filter(|seen| seen.claim.challenger().is_some())
            .filter(|seen| seen.since.is_some_and(|since| now - since >= self.silence))
            .filter_map(|seen| seen.claim.owner().cloned())
            .filter(|owner| *owner != self.worker)
            .collect();
        let mut counts: HashMap<String, usize> = HashMap::from([(self.worker.clone(), 0)]);
        for claim in claims {
            // A challenger may be gone itself. Only an owner that is there removes a challenge that is no longer wanted.
            let Some(owner) = claim.owner().filter(|_| !self.is_free(claim)) else {
                continue;
            };
            *counts.entry(owner.clone()).or_default() += 1;
            if let Some(challenger) = claim.challenger() {
                counts.entry(challenger.clone()).or_default();
            }
        }
        let least = claims.len() / counts.len();
        let most = claims.len().div_ceil(counts.len());
        let mut mine = counts[&self.worker];
        let mut writes = Vec::new();
        for (index, claim) in claims.iter().enumerate() {
            if self.is_mine(&claim.lease) {
                let Some(challenger) = claim.challenger() else {
                    continue;
                };
                let theirs = counts.get(challenger).copied().unwrap_or_default();
                let gives = mine > most || (mine > least && theirs < least);
                if gives && !busy {
                    mine -= 1;
                    *counts.entry(challenger.clone()).or_default() += 1;
                    writes.push((index, owned_by(challenger, &claim.lease)));
                } else {
                    let answer = Challenge {
                        challenger: None,
                        answers: claim.challenge.answers + 1,
                    };
                    writes.push((index, claim.with(answer)));
                }
            } else if self.is_free(claim) && mine < most && !busy {
                mine += 1;
                writes.push((index, owned_by(&self.worker, &claim.lease)));
            }
        }
        if !busy {
            self.challenge(now, claims, &counts, mine < least, &mut writes);
        }
        writes
    }

    /// Returns whether a partition has no owner, or one that is gone.
    fn is_free(&self, claim: &Claim) -> bool {
        claim.owner().is_none_or(|owner| self.gone.contains(owner))
    }

    /// Returns how many partitions no worker handles, as far as was known at the last decision.
    pub(crate) fn free(&self, claims: &[Claim]) -> usize {
        claims.iter().filter(|claim| self.is_free(claim)).count()
    }

    /// Returns what to write when this worker ends: it gives back what it owns, and withdraws its challenges.
    pub(crate) fn leave(&self, claims: &[Claim]) -> Vec<(usize, Claim)> {
        let left = |claim: &Claim| {
            let mut left = claim.clone();
            if self.is_mine(&claim.lease) {
                left.lease = Lease {
                    owner: None,
                    epoch: claim.lease.epoch + 1,
                };
            }
            left.challenge
                .challenger
                .take_if(|challenger| *challenger == self.worker);
            left
        };
        let all = claims.iter().map(left).enumerate();
        all.filter(|(index, left)| *left != claims[*index])
            .collect()
    }

    /// Challenges each other owner from time to time; at once when this worker has less than its share.
    fn challenge(
        &mut self,
        now: Instant,
        claims: &[Claim],
        counts: &HashMap<String, usize>,
        wants_more: bool,
        writes: &mut Vec<(usize, Claim)>,
    ) {
        self.challenged
            .retain(|owner, _| counts.contains_key(owner));
        let richest = counts.values().copied().max().unwrap_or_default();
        for (owner, count) in counts.iter().filter(|(owner, _)| **owner != self.worker) {
            let of_owner = |claim: &Claim| claim.owner() == Some(owner);
            let is_challenged = claims
                .iter()
                .any(|claim| of_owner(claim) && claim.challenger().is_some());
            let due = match self.challenged.get(owner) {
                Some(challenged) => now - *challenged >= self.silence,
                None => true,
            };
            if is_challenged || !(due || wants_more && *count == richest) {
                continue;
            }
            let first = claims.iter().position(of_owner);
            if let Some(index) = first.filter(|index| writes.iter().all(|(one, _)| one != index)) {
                let challenge = Challenge {
                    challenger: Some(self.worker.clone()),
                    answers: claims[index].challenge.answers,
                };
                writes.push((index, claims[index].with(challenge)));
                self.challenged.insert(owner.clone(), now);
            }
        }
    }
}

/// Returns the claim of a partition with a new owner, without a challenge.
fn owned_by(worker: &str, before: &Lease) -> Claim {
    Claim {
        lease: Lease {
            owner: Some(worker.to_owned()),
            epoch: before.epoch + 1,
        },
        challenge: Challenge::default(),
    }
}

#[cfg(test)]
mod histories;

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(3);

    /// Workers that look at shared claims in turn.
    struct World {
        claims: Vec<Claim>,
        workers: Vec<Leases>,
        now: Instant,
    }

    impl World {
        fn new(partitions: u32, workers: &[&str]) -> Self {
            let worker = |name: &&str| Leases::new((*name).to_owned(), partitions, SILENCE);
            World {
                claims: vec![Claim::default(); partitions as usize],
                workers: workers.iter().map(worker).collect(),
                now: Instant::now(),
            }
        }

        /// Everybody looks, every second. Returns how many leases were written.
        fn seconds(&mut self, seconds: u64, workers: &[usize]) -> usize {
            let mut written = 0;
            for _ in 0..seconds {
                for worker in workers {
                    let writes = self.workers[*worker].decide(self.now, &self.claims, false);
                    written += writes.len();
                    for (index, claim) in writes {
                        self.claims[index] = claim;
                    }
                }
                self.now += Duration::from_secs(1);
            }
            written
        }

        fn owned(&self) -> Vec<usize> {
            let owned = |worker: &Leases| {
                let mine = self
                    .claims
                    .iter()
                    .filter(|claim| worker.is_mine(&claim.lease));
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
