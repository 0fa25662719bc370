//! Stores that releases without the index have written to.

use super::*;
use crate::common::verify;
use std::collections::BTreeSet;

#[test]
fn a_store_without_the_index_is_indexed_while_it_is_used_and_right_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(21);
    let store = open(directory.path());
    fill(&store, &mut random, 5 * MANY / 2);
    drop(store);
    forget_index(directory.path());
    let store = open(directory.path());
    for round in 0..60 {
        if round % 10 == 0 {
            check(&store, &mut random, 5);
        }
        fill(&store, &mut random, 20);
    }
    wait_for_index(&store);
    check(&store, &mut random, 10);
    let verification = verify(&store);
    assert!(verification.is_sound(), "{verification:?}");
}

#[test]
fn a_store_that_is_not_written_to_is_indexed_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(22);
    let store = open(directory.path());
    fill(&store, &mut random, 2 * MANY);
    drop(store);
    forget_index(directory.path());
    {
        let options = LmdbStore::options().read_only();
        let store = options.open(directory.path()).unwrap();
        check(&store, &mut random, 10);
    }
    let store = open(directory.path());
    wait_for_index(&store);
    check(&store, &mut random, 10);
}

#[test]
fn what_a_release_without_the_index_appends_behind_it_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(23);
    let store = open(directory.path());
    fill(&store, &mut random, MANY);
    drop(store);
    let mut manifest = Vec::new();
    let blocks = |directory: &Path| {
        let mut blocks = Vec::new();
        change_index(directory, |transaction, _, tags| {
            let all = tags.iter(transaction).unwrap().map(|block| block.unwrap());
            blocks.extend(all.map(|(key, block)| (key.to_vec(), block.to_vec())));
        });
        blocks
    };
    change_index(directory.path(), |transaction, about, _| {
        manifest = about.get(transaction, "tags").unwrap().unwrap().to_vec();
    });
    let kept = blocks(directory.path());
    let store = open(directory.path());
    fill(&store, &mut random, 2 * MANY);
    drop(store);
    // As if another release had appended that: the index is as it was.
    change_index(directory.path(), |transaction, about, tags| {
        about.put(transaction, "tags", &manifest).unwrap();
        tags.clear(transaction).unwrap();
        for (key, block) in &kept {
            tags.put(transaction, key, block).unwrap();
        }
    });
    let store = open(directory.path());
    check(&store, &mut random, 10);
    fill(&store, &mut random, 100);
    wait_for_index(&store);
    check(&store, &mut random, 10);
    let verification = verify(&store);
    assert!(verification.is_sound(), "{verification:?}");
}

#[test]
fn fixtures_of_all_formats_are_queried_right() {
    let names = [
        "format-1",
        "format-2",
        "format-2-index",
        "format-2-tags",
        "read-models-1",
    ];
    for name in names {
        let directory = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name)
            .join("data.mdb");
        std::fs::copy(fixture, directory.path().join("data.mdb")).unwrap();
        for _ in 0..2 {
            let store = open(directory.path());
            let log = read_log(&store).unwrap();
            let names: BTreeSet<_> = log.iter().map(|event| event.name.clone()).collect();
            let names = names.into_iter().take(30);
            let tags = log.iter().flat_map(|event| {
                let tags = event.tags.view().iter();
                tags.map(str::to_owned).collect::<Vec<_>>()
            });
            let tags: BTreeSet<_> = tags.collect();
            let tags = tags.into_iter().take(60);
            let names = names.map(|name| QueryItem::new().name(name));
            let tags = tags.map(|tag| QueryItem::new().tag(tag));
            for item in names.chain(tags) {
                for read in [ReadLog::forward(), ReadLog::backward()] {
                    let read = read.matching(item.clone());
                    assert_eq!(positions(&store, &read), expected(&log, &read), "{name}");
                }
            }
            block_on(store.append(Append::to(
                stream("new"),
                ExpectedVersion::Any,
                [event("{}").with_tag("new", "1")],
            )))
            .unwrap();
            let new = ReadLog::backward().matching(QueryItem::new().tag("new:1"));
            assert_eq!(positions(&store, &new.limit(1)).len(), 1);
        }
    }
}
