//! What process managers record and write down, word by word: it is read for as long as the store is kept.

use crate::kit::{Do, NEVER, clerk, scripts, start, tell, until, until_lines, write};
use crate::shop::log;
use midgard::bus::InProcessBus;
use midgard::event::RecordedEvent;
use midgard::store::ReadEntries;
use midgard::{MemoryStore, StartFrom, Store, block_on};
use std::ops::ControlFlow;

/// The payloads of a process's own events, by their names. What is of the moment has a word instead.
fn recorded(store: &MemoryStore, process: &str) -> Vec<(String, String)> {
    let stream = format!("script-{process}");
    let own = |event: &RecordedEvent| event.stream.as_str() == stream;
    let events = block_on(log(store)).into_iter().filter(own);
    let text = |event: RecordedEvent| {
        assert_eq!(
            (event.schema_version, event.codec),
            (1, midgard::event::Codec::JSON)
        );
        let payload = String::from_utf8(event.payload).unwrap();
        (event.name, timeless(&payload))
    };
    events.map(text).collect()
}

/// Writes `TIME` for microseconds since 1970, and `ID` for ids.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, after) = rest.split_at(start);
        let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        out.push_str(before);
        out.push_str(match word.len() {
            36 => "ID",
            16 => "TIME",
            _ => word,
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn notes(store: &MemoryStore) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        let text = |bytes| timeless(str::from_utf8(bytes).unwrap());
        notes.push((text(key), text(value)));
        ControlFlow::Continue(())
    };
    let read = ReadEntries::prefix(b"process/script/");
    block_on(store.read_entries(&read, each)).unwrap();
    notes
}

fn assert_same(found: &[(String, String)], wanted: &[(&str, &str)]) {
    let found: Vec<_> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_a_process_has_reacted_to_is_these_texts() {
    let (store, clerk_store, bus) = (MemoryStore::new(), MemoryStore::new(), InProcessBus::new());
    tell(
        &store,
        "a",
        [
            Do::Send("k".into(), vec![1, 1000]),
            Do::Remind(NEVER, vec![]),
        ],
    );
    tell(&store, "a", [Do::Cancel]);
    let running = start(scripts(&store, bus.clone()));
    until("the reactions", || {
        (recorded(&store, "a").len() == 4).then_some(())
    });
    let clerk = start(clerk(&clerk_store, bus));
    until_lines(
        &store,
        "a",
        &["1 noted, 1 in all", "1000 refused: too large"],
    );
    tell(&store, "a", [Do::Remind(0, vec![Do::Complete])]);
    until("all", || (recorded(&store, "a").len() == 8).then_some(()));
    running.stop();
    clerk.stop();
    let reacted = "midgard.process_reacted";
    let wanted = [
        (
            reacted,
            r#"{"to":"event","name":"script.told","version":1,"data":{"process":"a","script":[{"Send":["k",[1,1000]]},{"Remind":[1000000000,[]]}]},"deadlines":{"script.due":TIME},"cause":{"time":TIME,"event":{"id":"ID","position":1,"stream":"told","version":1}}}"#,
        ),
        (
            "midgard.command_sent",
            r#"{"name":"clerk.note","version":1,"service":"clerk","key":"k","reply_to":"script","data":{"key":"k","number":1}}"#,
        ),
        (
            "midgard.command_sent",
            r#"{"name":"clerk.note","version":1,"service":"clerk","key":"k","reply_to":"script","data":{"key":"k","number":1000}}"#,
        ),
        (
            reacted,
            r#"{"to":"event","name":"script.told","version":1,"data":{"process":"a","script":["Cancel"]},"cancelled":["script.due"],"cause":{"time":TIME,"event":{"id":"ID","position":2,"stream":"told","version":2}}}"#,
        ),
        (
            reacted,
            r#"{"to":"reply","name":"clerk.noted","version":1,"data":{"sum":1},"command":"ID","cause":{"time":TIME,"correlation_id":"ID","causation_id":"ID"}}"#,
        ),
        (
            reacted,
            r#"{"to":"refusal","name":"midgard.refused","version":1,"data":{"reason":"too large"},"command":"ID","cause":{"time":TIME,"correlation_id":"ID","causation_id":"ID"}}"#,
        ),
        (
            reacted,
            r#"{"to":"event","name":"script.told","version":1,"data":{"process":"a","script":[{"Remind":[0,["Complete"]]}]},"deadlines":{"script.due":TIME},"cause":{"time":TIME,"event":{"id":"ID","position":11,"stream":"told","version":3}}}"#,
        ),
        (
            reacted,
            r#"{"to":"deadline","name":"script.due","version":1,"data":{"script":["Complete"]},"is_complete":true,"cause":{"time":TIME,"correlation_id":"ID","causation_id":"ID"}}"#,
        ),
    ];
    assert_same(&recorded(&store, "a"), &wanted);
}

#[test]
fn the_notes_of_a_process_manager_are_these_texts() {
    let store = MemoryStore::new();
    tell(
        &store,
        "a/b",
        [
            Do::Send("k".into(), vec![1]),
            Do::Remind(NEVER, vec![Do::Cancel]),
        ],
    );
    tell(&store, "over", [write("x"), Do::Complete]);
    let broken = Do::Remind(NEVER, vec![]);
    tell(&store, "", [broken]);
    // The outbox would wait for the clerk.
    let scripts = midgard::Processes::<crate::kit::Script>::new(StartFrom::Start);
    let scripts = scripts
        .options(crate::kit::soon().knows(&midgard::event::Registry::new()))
        .replies_from(InProcessBus::new());
    block_on(
        midgard::Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(scripts)
            .catch_up(),
    )
    .unwrap();
    let wanted = [
        (
            "process/script/0000000000/checkpoint/0/00000",
            r#"{"format":1,"position":3,"event":"ID"}"#,
        ),
        (
            "process/script/0000000000/lease/00000",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
        (
            "process/script/0000000000/letter/0/00000000000000000003",
            r#"{"format":1,"log":0,"position":3,"sequence":"","partition":0,"name":"script.told","error":"the id of a process is empty; give it at least one character","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "process/script/about",
            r#"{"format":1,"partitions":1,"start":0,"coverage":{"events":{"script.told":1}}}"#,
        ),
        (
            "process/script/deadline/TIME/script.due/a/b",
            r#"{"format":1,"version":1,"data":"{\"script\":[\"Cancel\"]}","correlation_id":"ID","causation_id":"ID"}"#,
        ),
        (
            "process/script/known",
            r#"{"format":1,"names":["script.told"]}"#,
        ),
        (
            "process/script/open/a/b",
            r#"{"format":1,"since":TIME,"updated":TIME,"waiting":["clerk.note"]}"#,
        ),
    ];
    assert_same(&notes(&store), &wanted);
}
