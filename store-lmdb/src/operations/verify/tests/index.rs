//! What is derived from the log, and does not lead to it.

use super::*;

#[test]
fn entries_of_the_index_that_lead_elsewhere_are_found() {
    let scene = Scene::new();
    scene.put_stream("a", 2);
    scene.put_stream("b", 2);
    scene.put_stream("c", 1);
    scene.put(&event("d", 1));
    scene.put(&event("e", 1));
    scene.merge(6, &[("a", 1), ("b", 2), ("c", 7), ("d", 9)]);
    let mut problems = scene.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "position 2 (stream \"a\"): its stream is found to end before it, at position 1",
            "position 2 (stream \"a\"): the index of streams leads to it for another stream",
            "position 2 (stream \"b\"): its stream is found to end here, but a record of the stream was expected, found one of stream \"a\"",
            "position 7 (stream \"c\"): its stream is found to end here, but a record of the stream was expected, found one of stream \"e\"",
            "position 7 (stream \"e\"): the index of streams leads to it for another stream",
            "position 7: it is in the index of streams, which ends at position 6",
            "position 9 (stream \"d\"): its stream is found to end here, but it is missing",
            "position 9: it is in the index of streams, which ends at position 6",
            "position 9: the index of streams leads to it, and it is missing",
        ]
    );
}

#[test]
fn versions_in_the_index_that_are_not_those_of_the_records_are_found() {
    let scene = Scene::new();
    let [a, b] = ["a", "b"].map(|name| scene.put_stream(name, 2).pop().unwrap());
    let event = |at, version| LastRecord::of_event(Position(at), Version::FIRST, Version(version));
    scene.merge_records(4, &[("a", event(a, 2)), ("b", event(b, 3))]);
    assert_eq!(
        scene.problems(),
        ["position 4 (stream \"b\"): the index of streams has another version for it"]
    );
}

#[test]
fn damaged_versions_in_the_index_are_found() {
    let scene = Scene::merged();
    scene.write(|databases, transaction| {
        let versions = databases.index.versions.unwrap();
        let (key, bytes) = versions.first(transaction).unwrap().unwrap();
        let (key, mut bytes) = (key.to_vec(), bytes.to_vec());
        bytes[5] ^= 1;
        versions.put(transaction, &key, &bytes).unwrap();
    });
    assert_eq!(
        scene.problems(),
        [
            "the versions of block 0 of part 0 of run 1 in the index of streams are damaged; records are read instead, and appends are slower until the run is merged"
        ]
    );
}

#[test]
fn a_stream_that_the_index_does_not_have_is_found() {
    let scene = Scene::new();
    scene.put_stream("a", 2);
    scene.merge(2, &[]);
    assert_eq!(
        scene.problems(),
        ["position 1 (stream \"a\"): its stream is not in the index"]
    );
}

/// The key of a part of the index, and what is in it.
type Part = (Vec<u8>, Vec<u8>);

impl Scene {
    /// Changes the first part of the index.
    fn change_part(&self, change: impl FnOnce(&mut Part)) {
        self.write(|databases, transaction| {
            let index = databases.index.entries;
            let (key, bytes) = index.first(transaction).unwrap().unwrap();
            let mut part = (key.to_vec(), bytes.to_vec());
            index.delete(transaction, &part.0).unwrap();
            change(&mut part);
            index.put(transaction, &part.0, &part.1).unwrap();
        });
    }

    fn merged() -> Self {
        let scene = Scene::new();
        scene.put_stream("a", 1);
        scene.put_stream("b", 1);
        scene.merge(2, &[("a", 1), ("b", 2)]);
        assert_eq!(scene.problems(), [""; 0]);
        scene
    }
}

#[test]
fn a_damaged_block_of_the_index_is_told_of_once() {
    let scene = Scene::merged();
    scene.change_part(|(_, bytes)| bytes[20] ^= 1);
    assert_eq!(
        scene.problems(),
        [
            "the store could not read the index of streams: it is damaged (block 0 of part 0 of run 1); restore the store from a backup"
        ]
    );
}

#[test]
fn a_damaged_block_that_no_stream_is_looked_for_in_is_found() {
    let scene = Scene::merged();
    scene.merge(2, &[("a", 1), ("b", 2)]);
    // Of the older run.
    scene.change_part(|(_, bytes)| bytes[20] ^= 1);
    let found = "block 0 of part 0 of run 1";
    let problems = scene.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains(found), "{problems:?}");
}

#[test]
fn a_part_of_the_index_that_is_elsewhere_is_missed() {
    let scene = Scene::merged();
    scene.change_part(|(key, _)| key[7] += 1);
    assert_eq!(
        scene.problems(),
        [
            "the store could not read the index of streams: it is damaged (part 0 of run 1 is missing); restore the store from a backup",
        ]
    );
}

#[test]
fn a_part_that_is_in_no_run_is_found() {
    let scene = Scene::merged();
    scene.write(|databases, transaction| {
        let key = [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
        databases.index.entries.put(transaction, &key, b"").unwrap();
    });
    assert_eq!(
        scene.problems(),
        ["the index of streams has 1 parts that are in no run"]
    );
}

#[test]
fn a_damaged_manifest_is_told_of_once_and_records_are_looked_at_all_the_same() {
    let scene = Scene::merged();
    scene.write(|databases, transaction| {
        databases.about.set_manifest(transaction, &[1; 12]).unwrap();
    });
    let verification = scene.verify(REMEMBERED);
    assert_eq!((verification.records, verification.problem_count), (2, 1));
    assert_eq!(
        verification.problems[0].to_string(),
        "the store could not read the index of streams: it is damaged (its manifest); restore the store from a backup"
    );
}

#[test]
fn a_log_that_ends_before_what_the_index_has_is_found() {
    let scene = Scene::merged();
    scene.merge(40, &[]);
    let problems = scene.problems();
    assert_eq!(
        problems,
        ["position 2: the log ends here, and the index of streams has positions up to 40"]
    );
}

#[test]
fn what_stores_of_format_1_kept_of_streams_is_checked() {
    let scene = Scene::of_format_1();
    assert_eq!(scene.problems(), [""; 0]);
    let number_1 = |version: u64| 1 << 64 | u128::from(version);
    scene.write(|databases, transaction| {
        let versions = databases.format_1.unwrap().versions;
        versions.delete(transaction, &number_1(1)).unwrap();
        versions.put(transaction, &number_1(3), &6).unwrap();
    });
    assert_eq!(
        scene.problems(),
        [
            "position 2 (stream \"user-ann\"): it does not say where version 1 of its stream is",
            "position 11 (stream \"user-ann\"): version 3 of its stream is found at position 6, and not here",
            "position 6 (stream \"user-ann\"): its last event is to be here, but a record of the stream was expected, found one of stream \"truncated\"",
        ]
    );
}
