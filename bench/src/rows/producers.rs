//! Several producers in one thread, each of which makes one append after the other.

use crate::Outcome;
use crate::contest::{Samples, per_second};
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use midgard::block_on;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// The result of a turn of producers.
pub(super) struct Produced {
    pub(super) appends_per_second: f64,
    /// How long each append took, in milliseconds.
    pub(super) waits: Samples,
}

/// Lets this many producers append for about this long. `next` returns the next append of one of them.
pub(super) fn produce<A>(
    producers: usize,
    turn: Duration,
    next: impl FnMut(usize) -> Outcome<A>,
    append: impl AsyncFn(A) -> Outcome<()>,
) -> Outcome<Produced> {
    let (next, waits) = (RefCell::new(next), RefCell::new(Samples::new()));
    let began = Instant::now();
    let producer = async |number| {
        while began.elapsed() < turn {
            let appended = next.borrow_mut()(number)?;
            let asked = Instant::now();
            append(appended).await?;
            waits.borrow_mut().push(asked.elapsed().as_secs_f64() * 1e3);
        }
        Outcome::Ok(())
    };
    let producers: FuturesUnordered<_> = (0..producers).map(producer).collect();
    block_on(producers.try_collect::<()>())?;
    let (took, waits) = (began.elapsed(), waits.into_inner());
    Ok(Produced {
        appends_per_second: per_second(waits.len(), took),
        waits,
    })
}
