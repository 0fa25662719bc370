//! What stores of format 1 kept of streams, and do not say any more.

use super::*;

impl Scene {
    /// Says of a stream that it has these versions.
    fn keep(&self, name: &str, first: u64, last: u64, tombstoned: u8) {
        self.write(|databases, transaction| {
            let streams = databases.format_1.unwrap().streams;
            let bytes = streams.get(transaction, name).unwrap().unwrap();
            let mut bytes = bytes.to_vec();
            bytes[8..16].copy_from_slice(&first.to_le_bytes());
            bytes[16..24].copy_from_slice(&last.to_le_bytes());
            bytes[24] = tombstoned;
            streams.put(transaction, name, &bytes).unwrap();
        });
    }
}

#[test]
fn a_stream_that_was_truncated_in_full_is_what_its_mark_says() {
    let scene = Scene::of_format_1();
    // As if its last two events had never been.
    scene.remove(6, false);
    scene.remove(7, false);
    scene.keep("truncated", 3, 2, 0);
    assert_eq!(scene.problems(), [""; 0]);
    for (first, last, tombstoned, said) in [
        (
            2,
            1,
            0,
            "and the log says that it was truncated before version 3",
        ),
        (
            3 + 256,
            2 + 256,
            0,
            "and the log says that it was truncated before version 3",
        ),
        (
            3,
            2,
            1,
            "and the log says that it was truncated before version 3",
        ),
        (4, 2, 0, "which cannot be"),
        (3, 1, 0, "which cannot be"),
    ] {
        scene.keep("truncated", first, last, tombstoned);
        let problems = scene.problems();
        let kept = format!(
            "stream \"truncated\": the state that is kept of it says that it has versions {first} to {last}, {said}"
        );
        assert!(problems.contains(&kept), "{problems:#?}");
    }
}

#[test]
fn an_end_or_a_beginning_that_no_mark_tells_of_is_found() {
    let scene = Scene::of_format_1();
    for (name, first, last, tombstoned, said) in [
        (
            "user-ann",
            3,
            2,
            0,
            "has no mark that it was truncated or tombstoned",
        ),
        (
            "user-ann",
            1,
            2,
            1,
            "has no mark that it was truncated or tombstoned",
        ),
        (
            "tombstoned",
            1,
            2,
            1,
            "says that it was tombstoned at version 1",
        ),
        (
            "tombstoned",
            1,
            1,
            0,
            "says that it was tombstoned at version 1",
        ),
        (
            "tombstoned",
            2,
            1,
            0,
            "says that it was tombstoned at version 1",
        ),
    ] {
        let before = scene.problems();
        assert_eq!(before, [""; 0]);
        let kept = scene.write(|databases, transaction| {
            let streams = databases.format_1.unwrap().streams;
            streams.get(transaction, name).unwrap().unwrap().to_vec()
        });
        scene.keep(name, first, last, tombstoned);
        let problems = scene.problems();
        assert!(
            problems
                .iter()
                .any(|problem| problem.ends_with(&format!("and the log {said}"))),
            "{name}: {problems:#?}"
        );
        scene.write(|databases, transaction| {
            let streams = databases.format_1.unwrap().streams;
            streams.put(transaction, name, &kept).unwrap();
        });
    }
}
