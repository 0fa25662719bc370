//! Reading a part of a stream of a million events.

use crate::contest::{for_about, rounds};
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use midgard::event::NewEvent;
use midgard::store::{Append, ReadStream};
use midgard::{Store, StreamName, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::ops::ControlFlow;
use std::time::Duration;

const LONG: u64 = 1_000_000;
const SHORT: u64 = 200;
/// How many events are appended at once.
const AT_ONCE: u64 = 1000;
/// How many events are read.
const READ: u64 = 100;
/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(300);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let directory = bench.directory()?;
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())?;
    let (long, short) = (StreamName::new("long")?, StreamName::new("short")?);
    for (stream, length) in [(&long, LONG), (&short, SHORT)] {
        for last in (0..length).step_by(AT_ONCE as usize) {
            let count = AT_ONCE.min(length - last) as usize;
            let event = || NewEvent::json("amount.deposited", 1, vec![b'1'; 200]);
            let events = std::iter::repeat_with(event).take(count);
            block_on(store.append(Append::to(stream.clone(), Version(last), events)))?;
        }
    }
    // Each time from another version, with as many events before and after it.
    let mut step = 0;
    let mut from = |length: u64| {
        step += 7_919;
        READ + step % (length - 2 * READ + 1)
    };
    let mut reads = |read: fn(StreamName) -> ReadStream, stream: &StreamName, length| {
        for_about(TURN, || {
            let read = read(stream.clone()).from(Version(from(length))).limit(READ);
            let mut events = 0;
            block_on(store.read_stream(&read, &mut |_| {
                events += 1;
                ControlFlow::Continue(())
            }))?;
            match events {
                READ => Ok(1),
                events => Err(format!("{events} events were read").into()),
            }
        })
    };
    let mut lines = Vec::new();
    for (row, read) in [
        (
            "part of a long stream, forward",
            ReadStream::forward as fn(_) -> _,
        ),
        ("part of a long stream, backward", ReadStream::backward),
    ] {
        let reads = std::cell::RefCell::new(&mut reads);
        let [ours, other] = rounds(
            bench.rounds,
            [&mut || (reads.borrow_mut())(read, &long, LONG), &mut || {
                (reads.borrow_mut())(read, &short, SHORT)
            }],
        )?;
        let line = Line::new(row, "reads/s", &ours, &other, Asked::AtLeast(0.5));
        lines.push(line.note(format!(
            "{READ} events from anywhere in {LONG}, to the same from a stream of {SHORT}"
        )));
    }
    Ok(lines)
}
