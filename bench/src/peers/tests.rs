//! Each store keeps appended events, and refuses what the table says.

use super::dataset::Dataset;
use super::{Event, Expected, Name, Peer, Refuses, Stream};
use clap::ValueEnum;
use midgard::block_on;
use std::iter::once;

/// Runs a test with each store.
fn with_each(test: impl Fn(Name, &dyn Peer, &Dataset)) {
    for &name in once(&Name::Midgard).chain(Name::value_variants()) {
        let directory = tempfile::tempdir().unwrap();
        let store = name.create(directory.path()).unwrap();
        test(name, &*store, &Dataset::new(3));
    }
}

fn append(store: &dyn Peer, events: &[Event]) -> super::Outcome<()> {
    block_on(store.append(events.to_vec(), Expected::Exact))
}

/// Returns the notes in the payloads; a store that decodes its events returns nothing else.
fn notes(read: impl FnOnce(&mut super::Visit<'_>)) -> Vec<String> {
    let mut notes = Vec::new();
    read(&mut |payload: &[u8]| {
        let payload = str::from_utf8(payload).unwrap();
        let note = payload.strip_prefix(r#"{"note":""#);
        let note = note.and_then(|note| note.strip_suffix(r#""}"#));
        notes.push(note.unwrap_or(payload).to_owned());
    });
    notes
}

fn notes_of(events: &[Event]) -> Vec<String> {
    notes(|visit| events.iter().for_each(|event| visit(&event.payload)))
}

fn loaded(store: &dyn Peer, stream: &Stream<'_>) -> Vec<String> {
    notes(|visit| store.load(stream, visit).unwrap())
}

#[test]
fn what_is_appended_is_scanned_and_loaded_in_order() {
    with_each(|name, store, dataset| {
        let first = [dataset.event(0, 1), dataset.event(1, 1)];
        for event in &first {
            append(store, std::slice::from_ref(event)).unwrap();
        }
        let batch: Vec<_> = (2..30).map(|version| dataset.event(0, version)).collect();
        append(store, &batch).unwrap();

        let all = [&first[..], &batch].concat();
        let scanned = notes(|visit| store.scan(visit).unwrap());
        assert_eq!(scanned, notes_of(&all), "{name:?}");
        let of_first = [&first[..1], &batch].concat();
        assert_eq!(
            loaded(store, &dataset.stream(0)),
            notes_of(&of_first),
            "{name:?}"
        );
        assert_eq!(
            loaded(store, &dataset.stream(1)),
            notes_of(&first[1..]),
            "{name:?}"
        );
        assert_eq!(loaded(store, &dataset.stream(2)), notes_of(&[]), "{name:?}");
    });
}

#[test]
fn one_append_has_events_of_several_streams_where_that_is_said() {
    with_each(|name, store, dataset| {
        let events = [
            dataset.event(0, 1),
            dataset.event(1, 1),
            dataset.event(2, 1),
        ];
        let appended = append(store, &events).is_ok();
        assert_eq!(appended, name.facts().several_streams, "{name:?}");
        let expected = if appended { &events[..] } else { &[] };
        let scanned = notes(|visit| store.scan(visit).unwrap());
        assert_eq!(scanned, notes_of(expected), "{name:?}");
    });
}

#[test]
fn an_append_that_expects_another_version_is_refused_where_that_is_said() {
    with_each(|name, store, dataset| {
        let refuses = name.facts().refuses;
        for version in [1, 2] {
            append(store, &[dataset.event(0, version)]).unwrap();
        }
        let taken = append(store, &[dataset.event(0, 2)]).is_err();
        assert_eq!(taken, refuses != Refuses::Nothing, "{name:?}");
        if refuses != Refuses::Nothing {
            assert_eq!(loaded(store, &dataset.stream(0)).len(), 2, "{name:?}");
        }
    });
}

#[test]
fn several_producers_append_to_one_stream_when_nothing_is_expected() {
    with_each(|name, store, dataset| {
        for version in [1, 3, 2] {
            let event = vec![dataset.event(0, version)];
            block_on(store.append(event, Expected::Any)).unwrap();
        }
        assert_eq!(loaded(store, &dataset.stream(0)).len(), 3, "{name:?}");
    });
}
