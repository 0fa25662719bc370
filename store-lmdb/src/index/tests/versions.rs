//! What the versions beside entries show, and when they are unknown.

use super::*;

impl Scene {
    fn find_record(&self, key: StreamKey) -> Option<LastRecord> {
        let mut filters = Filters::default();
        let found = self.environment.read(|databases, snapshot| {
            let Databases { index, about, .. } = databases;
            index.find_filtered(snapshot, *about, key, &mut filters)
        });
        found.unwrap()
    }

    /// Returns how many of the streams have known versions. None has a wrong one.
    fn known(&self) -> usize {
        let known = self.expected.iter().filter(|(key, position)| {
            let (found, expected) = (self.find_record(**key).unwrap(), record(**position));
            assert_eq!(found.position, expected.position);
            assert!(found.version.is_none() || found.version == expected.version);
            found.version.is_some()
        });
        known.count()
    }

    /// Does as a release without versions would.
    fn as_before(&mut self, work: impl FnOnce(&mut Self)) {
        self.has_versions = false;
        work(self);
        self.has_versions = true;
    }

    /// Returns the numbers of the runs whose versions are there.
    fn runs_with_versions(&self) -> Vec<u64> {
        let runs = self.environment.read(|databases, snapshot| {
            let all = databases.index.versions.unwrap().iter(snapshot).unwrap();
            let number = |key: &[u8]| u64::from_be_bytes(key[..8].try_into().unwrap());
            let mut runs: Vec<_> = all.map(|part| number(part.unwrap().0)).collect();
            runs.dedup();
            Ok(runs)
        });
        runs.unwrap()
    }

    fn faults(&self) -> Vec<String> {
        let faults = self.environment.read(|databases, snapshot| {
            let manifest = databases.about.manifest(snapshot)?;
            let (mut faults, mut after) = (Vec::new(), None);
            while let Some(part) = databases.index.check_next(snapshot, &manifest, after)? {
                faults.extend(part.faults);
                after = Some(part.address);
            }
            Ok(faults)
        });
        faults.unwrap()
    }
}

#[test]
fn damaged_versions_are_unknown_and_never_other_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(50, 1_000_000);
    let known = scene.known();
    assert!(known > 35, "{known}");
    assert_eq!(scene.faults(), [""; 0]);
    let key = part_key(scene.runs()[0].number, 0);
    let put = |bytes: &[u8]| {
        scene.write(|databases, transaction| {
            let versions = databases.index.versions.unwrap();
            versions.put(transaction, &key, bytes).unwrap();
        });
    };
    let sound = scene.environment.read(|databases, snapshot| {
        let versions = databases.index.versions.unwrap();
        Ok(versions.get(snapshot, &key).unwrap().unwrap().to_vec())
    });
    let sound = sound.unwrap();
    for byte in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[byte] ^= 0x04;
        put(&damaged);
        assert!(scene.known() < known, "byte {byte} was changed");
        let faults = scene.faults();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("of part 0 of run 1 in the index of streams are damaged"));
    }
    for length in [0, 3, 4, 20, 44, sound.len() - 1] {
        put(&sound[..length]);
        assert!(scene.known() < known, "only {length} bytes are left");
        assert_eq!(scene.faults().is_empty(), length == 0, "{length}");
    }
    let mut longer = sound;
    longer.push(0);
    put(&longer);
    assert!(!scene.faults().is_empty());
}

#[test]
fn versions_of_other_entries_are_unknown_even_in_the_same_place() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(50, 1_000_000);
    let number = scene.runs()[0].number;
    let later = |(key, position): (&StreamKey, &Position)| (*key, Position(position.get() + 700));
    scene.expected = scene.expected.iter().map(later).collect();
    let mut entries: Vec<_> = scene.expected.iter().collect();
    entries.sort_unstable();
    let entries = entries.into_iter().map(|(key, position)| IndexEntry {
        key: *key,
        record: record(*position),
    });
    let bytes = block::encode(number, 0, &entries.collect::<Vec<_>>());
    scene.write(|databases, transaction| {
        let entries = databases.index.entries;
        entries
            .put(transaction, &part_key(number, 0), &bytes)
            .unwrap();
    });
    assert_eq!(scene.known(), 0);
}

#[test]
fn what_a_release_without_versions_merges_is_found_and_leaves_no_versions_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for _ in 0..RUNS {
        scene.flush(6_000, 1_000_000);
    }
    let all = scene.known();
    // Half made by this release, and the rest by the other one.
    scene.step(2);
    scene.as_before(|scene| {
        scene.step(3);
        scene.flush(3_000, 1_000_000);
        while !scene.step(1) {}
    });
    assert_eq!(scene.faults(), [""; 0]);
    let left = scene.known();
    assert!(0 < left && left < all, "{left} of {all}");
    assert!(scene.runs_with_versions().len() > scene.runs().len());
    scene.flush(3_000, 1_000_000);
    let runs: Vec<_> = scene.runs().iter().map(|run| run.number).collect();
    let with_versions = scene.runs_with_versions();
    assert!(with_versions.iter().all(|run| runs.contains(run)));
    assert!(with_versions.contains(&runs[0]));
    assert!(scene.known() > left);
}

#[test]
fn an_index_of_a_release_without_versions_gets_them_as_streams_are_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.as_before(|scene| scene.flush(5_000, 300));
    assert_eq!(scene.known(), 0);
    for _ in 0..RUNS {
        scene.flush(5_000, 300);
        while !scene.step(1) {}
    }
    let known = scene.known();
    assert!(known * 4 > scene.expected.len() * 3, "{known}");
}
