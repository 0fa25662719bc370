//! Streams of events that own their store, and end with the program.

use super::kit::{Counted, Seen, count, start};
use futures_util::StreamExt;
use midgard::store::{EventStream, ReadLog, ReadStream};
use midgard::{
    MemoryStore, Midgard, Position, StartFrom, Store, StreamName, Subscription, block_on,
};
use std::sync::mpsc;
use std::thread;

/// Sends the numbers of a stream on, from a thread of its own, until it ends.
fn watch<S: Store>(
    events: EventStream<'static, S>,
) -> (mpsc::Receiver<u64>, thread::JoinHandle<()>) {
    let (numbers, watched) = mpsc::channel();
    let watching = thread::spawn(move || {
        block_on(events.for_each(|event| {
            let Counted { number } = event.unwrap().decode().unwrap();
            numbers.send(number).unwrap();
            std::future::ready(())
        }));
    });
    (watched, watching)
}

fn program(store: &MemoryStore) -> Midgard<MemoryStore> {
    let all = Subscription::events("all", StartFrom::Start);
    Midgard::new(store.clone()).subscribe(all, Seen::default().collect())
}

#[test]
fn a_stream_that_owns_its_store_follows_the_log_and_ends_when_the_program_is_told_to() {
    for is_drained in [false, true] {
        let store = MemoryStore::new();
        count(&store, "a", 0..3);
        let running = start(program(&store));
        let read = ReadLog::forward().after(Position::FIRST);
        let events = store.clone().into_events(read).follow();
        let (watched, watching) = watch(events.until(running.handle.stopped()));
        assert_eq!([watched.recv().unwrap(), watched.recv().unwrap()], [1, 2]);
        count(&store, "a", [3]);
        assert_eq!(watched.recv().unwrap(), 3);
        if is_drained {
            running.drain().unwrap();
        } else {
            running.stop().unwrap();
        }
        watching.join().unwrap();
        assert!(watched.recv().is_err(), "it has ended");
    }
}

#[test]
fn it_ends_with_a_program_that_is_dropped_too() {
    let store = MemoryStore::new();
    let midgard = program(&store);
    let handle = midgard.handle();
    let events = store.clone().into_events(ReadLog::forward()).follow();
    let (watched, watching) = watch(events.until(handle.stopped()));
    count(&store, "a", [1]);
    assert_eq!(watched.recv().unwrap(), 1);
    drop(midgard.run());
    watching.join().unwrap();
}

#[test]
fn what_waits_for_the_end_of_a_program_keeps_no_store() {
    let store = std::sync::Arc::new(MemoryStore::new());
    let all = Subscription::events("all", StartFrom::Start);
    let midgard = Midgard::new(store.clone()).subscribe(all, Seen::default().collect());
    let stopped = midgard.handle().stopped();
    drop(midgard);
    assert!(std::sync::Arc::into_inner(store).is_some());
    drop(stopped);
}

#[test]
fn one_that_does_not_follow_ends_with_what_there_is() {
    let store = MemoryStore::new();
    count(&store, "a", 0..600);
    count(&store, "b", [600]);
    let (watched, watching) = watch(store.clone().into_events(ReadLog::forward()));
    watching.join().unwrap();
    assert!(watched.iter().eq(0..=600));
    let stream = StreamName::new("a").unwrap();
    let read = ReadStream::forward(stream);
    let (watched, watching) = watch(store.into_stream_events(read));
    watching.join().unwrap();
    assert!(watched.iter().eq(0..600));
}
