//! Rounds in which contestants take turns, so that anything that slows the machine slows all of them.

use crate::Outcome;
use std::time::{Duration, Instant};

/// One number a round.
pub(crate) type Samples = Vec<f64>;

/// A contestant, whose turn returns a number.
pub(crate) type Contestant<'a> = &'a mut dyn FnMut() -> Outcome<f64>;

/// Lets each contestant take one turn per round. A different one begins each round.
pub(crate) fn rounds<const N: usize>(
    rounds: usize,
    contestants: [Contestant<'_>; N],
) -> Outcome<[Samples; N]> {
    let mut contestants = Vec::from(contestants);
    let mut samples = [const { Samples::new() }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let which = (round + turn) % N;
            samples[which].push(contestants[which]()?);
        }
    }
    Ok(samples)
}

/// Returns the median of the samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// Returns the sample that this fraction of the others does not exceed.
pub(crate) fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Returns the largest of the samples.
pub(crate) fn longest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(0.0, f64::max)
}

/// Returns a rate per second.
pub(crate) fn per_second(things: usize, took: Duration) -> f64 {
    things as f64 / took.as_secs_f64()
}

/// Repeats `work`, which returns how many things it did, for about this long; returns things per second.
pub(crate) fn for_about<E>(
    time: Duration,
    mut work: impl FnMut() -> Result<usize, E>,
) -> Result<f64, E> {
    let (began, mut things) = (Instant::now(), 0);
    while began.elapsed() < time {
        things += work()?;
    }
    Ok(per_second(things, began.elapsed()))
}
