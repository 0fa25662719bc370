//! The order of core's rooms: each names only what is below it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the lowest to the highest. Those of one line do not name each other, but for the words of the first.
const ORDER: &[&[&str]] = &[
    &[
        "cause",
        "clock",
        "error",
        "fnv",
        "give_way",
        "limits",
        "place",
        "process_mark",
        "serde_as_text",
        "stream_name",
        "time",
        "uuid_v7",
        "varint",
    ],
    &["event"],
    &["aggregate"],
    &["bus"],
    &["store"],
    &["decision_model", "notes"],
    &["repository"],
    &["command"],
    &["consumer"],
    &["projection"],
    &["view", "unit_of_work", "outbox", "subscription"],
    &["inbox"],
    &["process"],
    &["telemetry"],
    &["runner"],
    &["testing"],
    &["private", "guide"],
];

/// A room, and the room that a file of it names.
type Named = (String, String, PathBuf);

#[test]
fn each_room_names_only_rooms_below_it() {
    let mut against = Vec::new();
    for (room, named, file) in all_named() {
        let (upper, lower) = (rank(&room, &file), rank(&named, &file));
        let is_vocabulary = upper == 0 && lower == 0;
        if lower >= upper && !is_vocabulary {
            against.push(format!("{}: `{room}` names `{named}`", file.display()));
        }
    }
    assert!(
        against.is_empty(),
        "these run back up the order of rooms; move what they share below both:\n{}",
        against.join("\n")
    );
}

#[test]
fn names_are_found_however_they_are_written() {
    let text = "
        use crate::store::{Append, Store};
        use crate::{place::Position, bus::{Bus, Topic}, time};
        /// See [`process`](crate::process).
        fn f(_: crate::consumer::Status, _: super::super::inbox::Line, _: super::sibling::Own) {}
        macro_rules! m { () => { $crate::runner::Midgard } }
        pub(in crate::event) fn g() {}
        #[derive(crate::Event)] struct E;
    ";
    let named: Vec<_> = named(text, 2).into_iter().collect();
    assert_eq!(
        named,
        [
            "Event", "bus", "consumer", "event", "inbox", "place", "store", "time"
        ]
    );
}

/// Every room that a file of another one names.
fn all_named() -> Vec<Named> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut all = Vec::new();
    for file in files {
        let within = file.strip_prefix(&root).unwrap().to_owned();
        let mut path: Vec<_> = within
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        path.pop_if(|last| last == "mod");
        // The root shows all rooms, and this file names them.
        if path == ["lib"] || path == ["order"] {
            continue;
        }
        let room = path[0].clone();
        for named in named(&fs::read_to_string(&file).unwrap(), path.len()) {
            // A derive of this crate, which is found at the root as everywhere.
            let is_derive = named == "Event";
            let named = named.trim_start_matches("__").to_owned();
            if named != room && !is_derive {
                all.push((room.clone(), named, within.clone()));
            }
        }
    }
    all
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn rank(room: &str, file: &Path) -> usize {
    let rank = ORDER.iter().position(|rooms| rooms.contains(&room));
    rank.unwrap_or_else(|| {
        let file = file.display();
        panic!("{file}: `{room}` has no place in the order of rooms: name the module that defines it, or give it a place")
    })
}

/// What stands at the root of the crate and is named in a text, whose module is so deep. Comments and the text that macros write for
/// others do not count.
fn named(text: &str, depth: usize) -> BTreeSet<String> {
    // In unit tests, `super` is the file.
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = text.lines();
    let code: Vec<_> = lines
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let mut named = BTreeSet::new();
    let up = "super::".repeat(depth);
    for (prefix, before) in [("crate::", &['$', '_'][..]), (up.as_str(), &[':'][..])] {
        for (at, _) in code.match_indices(prefix) {
            let is_other = |last: char| last.is_alphanumeric() || before.contains(&last);
            if !code[..at].ends_with(is_other) {
                heads(&code[at + prefix.len()..], &mut named);
            }
        }
    }
    named.remove("super");
    named
}

/// The first names of a path, or of each path between braces.
fn heads(path: &str, named: &mut BTreeSet<String>) {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let Some(list) = path.strip_prefix('{') else {
        let end = path.find(|letter| !is_word(letter)).unwrap_or(path.len());
        named.insert(path[..end].to_owned());
        return;
    };
    let (mut depth, mut is_head) = (0, true);
    for (at, letter) in list.char_indices() {
        match letter {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => is_head = true,
            letter if is_head && is_word(letter) => {
                heads(&list[at..], named);
                is_head = false;
            }
            _ => {}
        }
    }
}
