//! What filters of parts show, and when there are none.

use super::*;

impl Scene {
    fn find_filtered(&self, key: StreamKey) -> Result<Option<Position>, StoreError> {
        let mut filters = self.filters.borrow_mut();
        filters.begin();
        self.environment.read(|databases, snapshot| {
            let Databases { index, about, .. } = databases;
            let found = index.find_filtered(snapshot, *about, key, &mut filters)?;
            Ok(found.map(|found| found.position))
        })
    }

    /// Changes a byte in every block of the parts of a run.
    fn damage(&self, run: Run) {
        self.write(|databases, transaction| {
            for part in run.from..run.to {
                let (index, key) = (databases.index.entries, part_key(run.number, part));
                let mut bytes = index.get(transaction, &key).unwrap().unwrap().to_vec();
                bytes.iter_mut().step_by(32).for_each(|byte| *byte ^= 1);
                index.put(transaction, &key, &bytes).unwrap();
            }
        });
    }
}

#[test]
fn a_run_that_was_searched_in_vain_often_enough_is_not_read_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(3_000, u64::MAX);
    let oldest = scene.expected.clone();
    scene.flush(3_000, u64::MAX);
    let newest = scene.runs()[0];
    assert!(newest.parts() > 1);
    for other in 0..200 {
        assert_eq!(scene.find_filtered(scene.other(other)).unwrap(), None);
    }
    scene.damage(newest);
    let others = (1_000..2_000).map(|other| (scene.other(other), None));
    let oldest = oldest.iter().map(|(key, position)| (*key, Some(*position)));
    let (mut searched, mut all) = (0, 0);
    for (key, position) in others.chain(oldest) {
        all += 1;
        assert!(scene.find(key).is_err());
        match scene.find_filtered(key) {
            Ok(found) => assert_eq!(found, position),
            Err(error) => {
                searched += 1;
                assert!(error.to_string().contains("index of streams"), "{error}");
            }
        }
    }
    assert!(searched * 25 < all, "{searched} of {all}");
    for (key, position) in &scene.expected {
        let is_in_newest = position.get() > 3_000;
        assert!(!is_in_newest || scene.find_filtered(*key).is_err());
    }
}

#[test]
fn a_damaged_part_gets_no_filter_and_stays_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(40, u64::MAX);
    let run = scene.runs()[0];
    let key = part_key(run.number, 0);
    // Its last block.
    scene.write(|databases, transaction| {
        let index = databases.index.entries;
        let mut bytes = index.get(transaction, &key).unwrap().unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        index.put(transaction, &key, &bytes).unwrap();
    });
    let results = |scene: &Scene| {
        let results = (0..1000).map(|other| scene.find_filtered(scene.other(other)).is_err());
        results.filter(|is_error| *is_error).count()
    };
    let errors = results(&scene);
    assert!(errors > 100, "{errors}");
    assert_eq!(results(&scene), errors);
    for (key, position) in &scene.expected {
        let found = scene.find_filtered(*key);
        assert!(found.is_err() || found.unwrap() == Some(*position));
    }
}

#[test]
fn filters_of_runs_that_are_no_more_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    let known = |scene: &Scene| {
        scene.check();
        let filters = scene.filters.borrow();
        let runs = filters.runs.iter().map(|known| known.run);
        runs.collect::<Vec<_>>()
    };
    for _ in 0..RUNS {
        scene.flush(1_000, u64::MAX);
    }
    assert_eq!(known(&scene), scene.runs());
    while !scene.step(1) {}
    assert_eq!(scene.runs().len(), 1);
    assert_eq!(known(&scene), scene.runs());
}
