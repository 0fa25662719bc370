//! A damaged index: every query is answered as the log says, and the index is made again.

use super::*;
use crate::common::{problems, verify};

fn with_runs(directory: &Path, random: &mut Random) {
    let store = open(directory);
    fill(&store, random, 3 * MANY / 2);
    let statistics = store.statistics(|_| ControlFlow::Continue(())).unwrap();
    assert!(statistics.tags.runs > 0);
    assert!(statistics.tags.entries > 0 && statistics.tags.bytes > 0);
}

/// Damages every block.
fn damage_blocks(directory: &Path) {
    change_index(directory, |transaction, _, tags| {
        let all = tags.iter(transaction).unwrap().map(|block| block.unwrap());
        let all: Vec<_> = all
            .map(|(key, block)| (key.to_vec(), block.to_vec()))
            .collect();
        for (key, mut block) in all {
            let middle = block.len() / 2;
            block[middle] ^= 1;
            tags.put(transaction, &key, &block).unwrap();
        }
    });
}

/// Removes a block that has nothing but positions of one name, or of one tag that many events have.
fn remove_a_block(directory: &Path) {
    change_index(directory, |transaction, _, tags| {
        let all = tags.iter(transaction).unwrap();
        let keys: Vec<_> = all.map(|block| block.unwrap().0.to_vec()).collect();
        // The run and the key.
        let begin_alike = |pair: &&[Vec<u8>; 2]| pair[0][..16] == pair[1][..16];
        let [key, _] = keys.array_windows().find(begin_alike).unwrap();
        tags.delete(transaction, key).unwrap();
    });
}

fn damage_manifest(directory: &Path) {
    change_index(directory, |transaction, about, _| {
        let mut manifest = about.get(transaction, "tags").unwrap().unwrap().to_vec();
        manifest[9] ^= 1;
        about.put(transaction, "tags", &manifest).unwrap();
    });
}

#[test]
fn a_damaged_index_leads_to_no_wrong_answer_and_is_made_again() {
    for damage in [damage_blocks, remove_a_block, damage_manifest] {
        let directory = tempfile::tempdir().unwrap();
        let mut random = Random::new(31);
        with_runs(directory.path(), &mut random);
        damage(directory.path());
        let store = open(directory.path());
        let found = problems(&verify(&store));
        assert!(
            found
                .iter()
                .any(|problem| problem.contains("index of tags")),
            "{found:?}"
        );
        // What meets the damage: a read, or a condition, or merging.
        check(&store, &mut random, 8);
        let log = read_log(&store).unwrap();
        let names = ["name-0", "name-1", "name-2"].map(|name| QueryItem::new().name(name));
        let kinds = [0, 1, 2, 3].map(|kind| QueryItem::new().tag(format!("kind:{kind}")));
        for item in names.into_iter().chain(kinds) {
            let read = ReadLog::forward().matching(item);
            assert_eq!(positions(&store, &read), expected(&log, &read));
        }
        for _ in 0..2 {
            fill(&store, &mut random, 2_000);
            check(&store, &mut random, 2);
        }
        fill(&store, &mut random, MANY);
        wait_for_index(&store);
        check(&store, &mut random, 8);
        let verification = verify(&store);
        assert!(verification.is_sound(), "{verification:?}");
    }
}

#[test]
fn a_condition_that_meets_a_damaged_index_is_checked_on_the_log() {
    use midgard::Place;
    use midgard::store::{AppendCondition, AppendError};
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(32);
    with_runs(directory.path(), &mut random);
    damage_blocks(directory.path());
    let store = open(directory.path());
    let append = |name: &str| {
        let condition = AppendCondition {
            query: QueryItem::new().name(name).into(),
            after: Place::START,
        };
        Append::to(stream("new"), ExpectedVersion::Any, [event("{}")]).unless(condition)
    };
    let refused = block_on(store.append(append("rare")));
    assert!(
        matches!(refused, Err(AppendError::ConditionFailed { .. })),
        "{refused:?}"
    );
    block_on(store.append(append("never"))).unwrap();
}
