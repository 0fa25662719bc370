//! Random histories of workers that come, go, are killed and are slow: once all is quiet, every partition has an owner.

use super::{Claim, Leases};
use std::time::{Duration, Instant};

const SILENCE: Duration = Duration::from_secs(3);
const HISTORIES: u64 = 2_000;
/// How often everybody looks before all must be taken: for twenty times the silence.
const ROUNDS: usize = 60;

/// `SplitMix64`: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

struct History {
    random: Random,
    claims: Vec<Claim>,
    workers: Vec<Leases>,
    /// How many workers there ever were.
    started: usize,
    now: Instant,
    told: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let partitions = 1 + random.below(6);
        History {
            random,
            claims: vec![Claim::default(); partitions],
            workers: Vec::new(),
            started: 0,
            now: Instant::now(),
            told: Vec::new(),
        }
    }

    fn start(&mut self) {
        let name = format!("worker {}", self.started);
        self.started += 1;
        self.told.push(format!("start {name}"));
        let partitions = u32::try_from(self.claims.len()).unwrap();
        self.workers.push(Leases::new(name, partitions, SILENCE));
    }

    fn write(&mut self, writes: Vec<(usize, Claim)>) {
        for (index, claim) in writes {
            self.claims[index] = claim;
        }
    }

    fn look(&mut self, worker: usize, busy: bool) {
        let writes = self.workers[worker].decide(self.now, &self.claims, busy);
        self.write(writes);
    }

    /// Something happens to some worker.
    fn step(&mut self) {
        self.now += Duration::from_millis(self.random.below(2_000) as u64);
        if self.workers.is_empty() || (self.workers.len() < 4 && self.random.below(6) == 0) {
            return self.start();
        }
        let worker = self.random.below(self.workers.len());
        match self.random.below(12) {
            0 => {
                let gone = self.workers.swap_remove(worker);
                self.told.push(format!("kill {}", gone.worker));
            }
            1 => {
                let gone = self.workers.swap_remove(worker);
                self.told.push(format!("stop {}", gone.worker));
                self.write(gone.leave(&self.claims));
            }
            busy => {
                let name = &self.workers[worker].worker;
                self.told.push(format!("{name} looks, {}", busy == 2));
                self.look(worker, busy == 2);
            }
        }
    }

    /// Nothing happens any more: those that are there look as often as they do.
    fn rest(&mut self) {
        if self.workers.is_empty() {
            self.start();
        }
        for _ in 0..ROUNDS {
            self.now += SILENCE / 3;
            for worker in 0..self.workers.len() {
                self.look(worker, false);
            }
        }
    }
}

#[test]
fn every_partition_is_taken_again_whatever_has_happened() {
    for seed in 0..HISTORIES {
        let mut history = History::new(seed);
        for _ in 0..40 {
            history.step();
        }
        history.rest();
        let History {
            claims,
            workers,
            told,
            ..
        } = &history;
        let of = |worker: &Leases| {
            let mine = claims.iter().filter(|claim| worker.is_mine(&claim.lease));
            mine.count()
        };
        let owned: Vec<usize> = workers.iter().map(of).collect();
        let all = owned.iter().sum::<usize>();
        assert_eq!(all, claims.len(), "seed {seed}: {claims:#?} {told:#?}");
        let (most, least) = (owned.iter().max(), owned.iter().min());
        let is_fair = most
            .zip(least)
            .is_some_and(|(most, least)| most - least <= 1);
        assert!(is_fair, "seed {seed}: {owned:?} {told:#?}");
        for worker in workers {
            assert_eq!(worker.free(claims), 0, "seed {seed}: {told:#?}");
        }
    }
}

#[test]
fn who_is_gone_and_had_asked_for_something_is_no_worker() {
    let mut history = History::new(1);
    history.claims = vec![Claim::default(); 2];
    for _ in 0..3 {
        history.start();
    }
    let [a, b, c] = [0, 1, 2];
    for _ in 0..60 {
        history.now += Duration::from_secs(1);
        history.look(a, false);
        history.look(c, false);
    }
    let is_of = |claim: &Claim, worker: usize| history.workers[worker].is_mine(&claim.lease);
    assert!(history.claims.iter().any(|claim| is_of(claim, a)));
    assert!(history.claims.iter().any(|claim| is_of(claim, c)));
    // B comes and asks both; then A and B end in good order.
    history.look(b, false);
    assert!(
        history
            .claims
            .iter()
            .any(|claim| claim.challenger().is_some())
    );
    for worker in [a, b] {
        let writes = history.workers[worker].leave(&history.claims);
        history.write(writes);
    }
    let asks = |claim: &Claim| claim.challenger() == Some(&history.workers[b].worker);
    assert!(!history.claims.iter().any(asks), "{:?}", history.claims);
    history.look(c, false);
    let is_of_c = |claim: &Claim| history.workers[c].is_mine(&claim.lease);
    assert!(history.claims.iter().all(is_of_c), "{:?}", history.claims);
}
