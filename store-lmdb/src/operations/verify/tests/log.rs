//! What is missing from the log, or too much in it.

use super::*;

#[test]
fn what_is_missing_is_told_from_what_was_removed() {
    let scene = Scene::new();
    scene.put_stream("a", 6);
    scene.put(&mark(Kind::Truncated, "a", 6).back(6).first(5));
    scene.remove(1, true);
    scene.remove(2, false);
    scene.remove(3, true);
    scene.remove(4, false);
    assert_eq!(
        scene.problems(),
        [
            "position 2: it is missing, and was not removed",
            "position 4: it is missing, and was not removed",
        ]
    );
}

#[test]
fn a_missing_event_is_told_of_by_the_one_that_follows_it() {
    let scene = Scene::new();
    scene.put_stream("a", 3);
    scene.remove(2, false);
    assert_eq!(
        scene.problems(),
        [
            "position 2: it is missing, and was not removed",
            "position 3 (stream \"a\"): its link to version 2 of its stream leads to position 2, but it is missing",
        ]
    );
}

#[test]
fn notes_of_what_was_removed_that_cannot_be_are_found() {
    let scene = Scene::new();
    scene.put_stream("a", 4);
    scene.write(|databases, transaction| {
        for (first, last) in [(2, 2), (3, 9)] {
            databases.removed.0.put(transaction, &first, &last).unwrap();
        }
    });
    assert_eq!(
        scene.problems(),
        [
            "position 2: it is there, and noted as removed",
            "position 3: it is noted that positions 3 to 9 were removed, which cannot be: 2 was the last before, and the log ends at 4",
        ]
    );
}

#[test]
fn pieces_that_are_missing_or_too_many_are_found() {
    let scene = Scene::new();
    scene.put(&event("a", 1).payload(2500));
    scene.put(&event("b", 1).payload(2500));
    scene.put(&event("c", 1).payload(2500));
    scene.put(&event("d", 1));
    let key = |position: u8, piece: &[u8]| [&[0, 0, 0, 0, 0, 0, 0, position][..], piece].concat();
    scene.write(|databases, transaction| {
        let log = databases.log.0;
        for lost in [key(1, &[2]), key(2, &[3]), key(3, &[])] {
            assert!(log.delete(transaction, &lost).unwrap());
        }
        log.put(transaction, &key(4, &[1]), b"more").unwrap();
    });
    let verification = scene.verify(REMEMBERED);
    assert_eq!(
        listed(&verification),
        [
            "position 1: piece 2 of it is missing",
            "position 2: its fields do not fit its length",
            "position 3: there is a piece of it without its beginning",
            "position 4: there is a piece behind it that it does not have",
        ]
    );
    assert_eq!(verification.records, 4);
}

#[test]
fn a_record_without_bytes_is_damage_wherever_it_is() {
    for position in [2, 3] {
        let scene = Scene::new();
        scene.put_stream("a", 1);
        scene.put_stream("b", 2);
        scene.write(|databases, transaction| {
            let key = Position(position).get().to_be_bytes();
            databases.log.0.put(transaction, &key, b"").unwrap();
        });
        let damaged = format!("position {position}: it has only 0 bytes");
        assert_eq!(scene.problems()[0], damaged);
        let found = scene.environment.read(|databases, snapshot| {
            let forward = databases.forward(snapshot, Position::FIRST..=Position(3))?;
            let headers = forward.map(|record| {
                let (position, bytes) = record?;
                crate::log::header(position, &bytes).map(drop)
            });
            headers.collect::<Result<Vec<_>, _>>()
        });
        assert!(
            found
                .unwrap_err()
                .to_string()
                .contains(&position.to_string())
        );
        assert_eq!(scene.last(), 3);
    }
}

#[test]
fn only_so_many_problems_are_listed_and_all_are_counted() {
    let scene = Scene::new();
    scene.write(|databases, transaction| {
        for position in 1..=1500 {
            event("a", 0).write(Position(position), databases, transaction);
        }
    });
    let found = scene.verify(REMEMBERED);
    assert_eq!((found.problems.len(), found.problem_count), (1000, 1500));
    assert!(!found.is_sound());
}

/// Three streams of ten events each, most of them in a block.
fn block() -> (Scene, Vec<u8>, Vec<u8>) {
    let scene = Scene::new();
    let streams = ["a", "b", "c"];
    scene.write(|databases, transaction| {
        let mut records = Pending::default();
        records.begin(Position::ZERO);
        for version in 1..=10 {
            for (stream, position) in streams.into_iter().zip(3 * version - 2..) {
                let back = if version > 1 { position - 3 } else { 0 };
                let event = event(stream, version).back(back).payload(100);
                records.push(&event.encode(Position(position)));
            }
        }
        databases.log.append(transaction, &records).unwrap();
    });
    let first = scene.write(|databases, transaction| {
        let (key, value) = databases.log.0.first(transaction).unwrap().unwrap();
        (key.to_vec(), value.to_vec())
    });
    assert_eq!(first.0, [0, 0, 0, 0, 0, 0, 0, 1, 0], "it is a block");
    assert_eq!(scene.problems(), [""; 0]);
    (scene, first.0, first.1)
}

#[test]
fn each_record_of_a_block_is_looked_at() {
    let (scene, key, bytes) = block();
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        scene.write(|databases, transaction| {
            databases.log.0.put(transaction, &key, &bytes).unwrap();
        });
        scene.problems()
    };
    // The last byte of the second record, which is of its payload.
    let records = 2 + 2 * usize::from(bytes[0]);
    let end = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    assert_eq!(
        change(&|bytes| bytes[records + end - 1] ^= 1),
        ["position 2 (stream \"b\"): the checksum of its payload does not match"]
    );
    // Where the first one ends, and the second begins.
    let problems = change(&|bytes| bytes[2] -= 1);
    assert_eq!(problems[0], "position 1: its fields do not fit its length");
    assert!(problems[1].starts_with("position 2: "), "{problems:#?}");
    // Removed, and not noted.
    assert_eq!(
        change(&|bytes| {
            bytes[4] = bytes[2];
            bytes[5] = bytes[3];
        })[0],
        "position 2: it is missing, and was not removed"
    );
    // How many there are.
    assert_eq!(
        change(&|bytes| bytes[0] = 0)[..2],
        [
            "position 1: the block of records that begins with it is damaged".to_owned(),
            format!(
                "position 2: all from here to position {} are missing, and were not removed",
                bytes[0]
            ),
        ]
    );
    assert_eq!(change(&|_| {}), [""; 0]);
}

#[test]
fn a_last_record_that_is_missing_from_its_block_is_found() {
    let (scene, key, mut bytes) = block();
    let count = usize::from(bytes[0]);
    let last = bytes[2 * count - 2..2 * count].to_vec();
    bytes[2 * count..2 + 2 * count].copy_from_slice(&last);
    bytes.truncate(2 + 2 * count + usize::from(u16::from_le_bytes([last[0], last[1]])));
    scene.write(|databases, transaction| {
        let log = databases.log.0;
        log.clear(transaction).unwrap();
        log.put(transaction, &key, &bytes).unwrap();
    });
    assert_eq!(
        scene.problems(),
        [format!(
            "position {count}: it is missing, and was not removed"
        )]
    );
}

#[test]
fn a_block_of_zeros_at_the_end_is_damage_and_nobody_knows_what_it_had() {
    let (scene, key, bytes) = block();
    scene.write(|databases, transaction| {
        let log = databases.log.0;
        log.clear(transaction).unwrap();
        log.put(transaction, &key, &vec![0; bytes.len()]).unwrap();
    });
    let damaged = ["position 1: the block of records that begins with it is damaged"];
    assert_eq!(scene.problems(), damaged);
    // What comes behind it has a position that none of its records can have had.
    assert!(scene.last() > u64::from(bytes[0]));
    let before = scene.last();
    scene.put(&event("z", 1));
    assert_eq!(scene.last(), before + 1);
    assert_eq!(
        scene.problems(),
        [
            damaged[0].to_owned(),
            format!(
                "position 2: all from here to position {before} are missing, and were not removed"
            ),
        ]
    );
}

#[test]
fn what_is_missing_costs_no_more_the_more_of_it_there_is() {
    for last in [1 << 40, u64::MAX - 1, u64::MAX] {
        let scene = Scene::new();
        scene.put_stream("a", 3);
        scene.write(|databases, transaction| {
            let key = last.to_be_bytes();
            databases.log.0.put(transaction, &key, b"damaged").unwrap();
            let removed = databases.removed.0;
            removed.put(transaction, &10, &(1 << 30)).unwrap();
        });
        let mut calls = 0;
        let found = verify_with(&scene.environment, REMEMBERED, |_| {
            calls += 1;
            ControlFlow::Continue(())
        });
        let problems = listed(&found.unwrap());
        assert!(calls < 20, "{calls}");
        assert!(
            problems[..2]
                == [
                    "position 4: all from here to position 9 are missing, and were not removed"
                        .to_owned(),
                    format!(
                        "position 1073741825: all from here to position {} are missing, and were not removed",
                        last - 1
                    )
                ],
            "{problems:#?}"
        );
    }
}

#[test]
fn many_ranges_of_what_is_missing_are_looked_at_in_batches_and_it_can_be_ended() {
    let scene = Scene::new();
    scene.put_stream("a", 1);
    scene.write(|databases, transaction| {
        for removed in 2..10_000 {
            let range = (removed * 2, removed * 2);
            databases
                .removed
                .0
                .put(transaction, &range.0, &range.1)
                .unwrap();
        }
        event("b", 1).write(Position(20_001), databases, transaction);
    });
    let mut calls = 0;
    let found = verify_with(&scene.environment, REMEMBERED, |_| {
        calls += 1;
        match calls {
            ..3 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    });
    let found = found.unwrap();
    assert!(!found.is_complete && found.problem_count < 5_000, "{found}");
    let whole = scene.verify(REMEMBERED);
    assert_eq!(whole.problem_count, 9_999);
}

#[test]
fn a_removed_record_of_a_block_is_not_missing() {
    let (scene, ..) = block();
    for position in [1, 4, 7] {
        scene.remove(position, true);
    }
    let last = scene.last();
    scene.put(&mark(Kind::Truncated, "a", 10).back(28).first(4));
    assert_eq!((scene.last(), scene.problems()), (last + 1, Vec::new()));
}

#[test]
fn what_is_behind_a_key_that_is_none_is_looked_at_all_the_same() {
    let scene = Scene::new();
    scene.put_stream("a", 5);
    scene.put_stream("b", 2);
    scene.remove(7, false);
    scene.write(|databases, transaction| {
        let key = [0, 0, 0, 0, 0, 0, 0, 2, 1, 1];
        databases.log.0.put(transaction, &key, b"").unwrap();
        let mut last = Pending::default();
        last.begin(Position(7));
        last.push(&event("c", 1).encode(Position(8)));
        databases.log.append(transaction, &last).unwrap();
    });
    assert_eq!(
        listed(&scene.verify(REMEMBERED))[1..],
        [
            "position 2: the log cannot be read here: the store could not read the log: a key in it has 10 bytes",
            "position 7: it is missing, and was not removed",
        ]
    );
}
