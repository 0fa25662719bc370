//! For how long it is remembered that a message was handled, whatever clocks say.

use super::kit::{Scene, noted, notes, publish, told};
use midgard::inbox::InboxOptions;
use midgard::store::EntryWrite;
use midgard::{MemoryStore, Store, block_on};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// As if the clock had jumped ahead by so much: what is written down is older by that.
fn age(scene: &Scene<MemoryStore>, by: Duration) {
    let by = u64::try_from(by.as_micros()).unwrap();
    let mut write = EntryWrite::new();
    let all = "inbox/service/";
    let earlier = |note: &str| {
        let at: u64 = note
            .trim_start_matches("{\"format\":1,\"at\":")
            .trim_end_matches('}')
            .parse()
            .unwrap();
        format!("{{\"format\":1,\"at\":{}}}", at - by).into_bytes()
    };
    for (key, note) in notes(&scene.store, &format!("{all}seen-at/")) {
        let (at, message) = key.split_once('/').unwrap();
        let at = u64::from_str_radix(at, 16).unwrap() - by;
        write.set(format!("{all}seen-at/{key}").into_bytes(), None);
        let key = format!("{all}seen-at/{at:016x}/{message}");
        write.set(key.into_bytes(), Some(earlier(&note)));
    }
    for (key, note) in notes(&scene.store, &format!("{all}seen/")) {
        let key = format!("{all}seen/{key}");
        write.set(key.into_bytes(), Some(earlier(&note)));
    }
    for (_, note) in notes(&scene.store, &format!("{all}watched")) {
        write.set(format!("{all}watched").into_bytes(), Some(earlier(&note)));
    }
    block_on(scene.store.write_entries(write)).unwrap();
}

/// Starts the service, and waits until it has looked for what is too old.
fn run(scene: &Scene<MemoryStore>, messages: &[midgard::bus::Message], number: u64) {
    let running =
        scene.start(InboxOptions::new().on_failure(midgard::consumer::FailurePolicy::retry(0)));
    publish(&scene.bus, &[told("bob", number)]);
    publish(&scene.bus, messages);
    running.stop().unwrap();
}

#[test]
fn a_clock_that_was_days_ahead_lets_nothing_be_forgotten_at_once() {
    let scene = Scene::<MemoryStore>::new();
    let messages: Vec<_> = (0..10).map(|number| told("ann", number)).collect();
    run(&scene, &messages, 100);
    for days in [8, 300] {
        age(&scene, DAY * days);
        run(&scene, &messages, 100 + u64::from(days));
        assert_eq!(noted(&scene.store, "ann"), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_old_is_forgotten_in_steps_as_pauses_pass() {
    let scene = Scene::<MemoryStore>::new();
    run(&scene, &[told("ann", 1)], 100);
    // Each time a day passes: more than that passes in no pause but a long one.
    for day in 0..9 {
        age(&scene, DAY);
        run(&scene, &[], 101 + day);
    }
    let seen = notes(&scene.store, "inbox/service/seen/");
    assert!(
        !seen.iter().any(|(key, _)| key.ends_with("message-1")),
        "{seen:?}"
    );
    // Those of the last days are known still.
    for day in 3..9 {
        let id = format!("message-{}", 101 + day);
        assert!(seen.iter().any(|(key, _)| key.ends_with(&id)), "{id}");
    }
    assert_eq!(
        notes(&scene.store, "inbox/service/seen-at/").len(),
        seen.len()
    );
}

#[test]
fn a_store_of_an_earlier_release_is_watched_from_now_on() {
    let scene = Scene::<MemoryStore>::new();
    run(&scene, &[told("ann", 1)], 100);
    let mut write = EntryWrite::new();
    write.set(b"inbox/service/watched".to_vec(), None);
    block_on(scene.store.write_entries(write)).unwrap();
    age(&scene, DAY * 6);
    run(&scene, &[told("ann", 1)], 101);
    assert_eq!(noted(&scene.store, "ann"), [1]);
    assert_eq!(notes(&scene.store, "inbox/service/watched").len(), 1);
}
