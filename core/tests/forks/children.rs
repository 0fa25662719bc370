use fork::Fork;
use midgard::EventId;
use midgard::store::ProcessMark;
use std::collections::HashSet;
use std::io::{PipeReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const TESTS: &[(&str, fn())] = &[
    ("a mark is where it was made", a_mark_is_where_it_was_made),
    (
        "a mark that a child makes is another",
        a_mark_that_a_child_makes_is_another,
    ),
    ("no two processes make one id", no_two_processes_make_one_id),
    (
        "forked while other threads make ids",
        forked_while_other_threads_make_ids,
    ),
];

/// Forks a child that runs `report` and gives what it says.
fn in_child(report: impl FnOnce() -> Vec<u8>) -> Child {
    let (reader, mut writer) = std::io::pipe().unwrap();
    match fork::fork().unwrap() {
        Fork::Child => {
            drop(reader);
            let written = writer.write_all(&report());
            std::process::exit(i32::from(written.is_err()));
        }
        Fork::Parent(process) => Child { process, reader },
    }
}

/// A child that says something.
struct Child {
    process: i32,
    reader: PipeReader,
}

impl Child {
    fn report(mut self) -> Vec<u8> {
        let mut report = Vec::new();
        self.reader.read_to_end(&mut report).unwrap();
        assert_eq!(fork::waitpid(self.process).unwrap(), 0);
        report
    }
}

fn a_mark_is_where_it_was_made() {
    let mark = ProcessMark::here();
    for _ in 0..3 {
        let child = in_child(|| {
            let grandchild = in_child(|| vec![mark.is_here().into()]).report();
            vec![mark.is_here().into(), grandchild[0], mark.is_here().into()]
        });
        assert_eq!(child.report(), [0, 0, 0]);
        assert!(mark.is_here() && mark.clone().is_here());
    }
}

fn a_mark_that_a_child_makes_is_another() {
    let child = in_child(|| {
        let mark = ProcessMark::here();
        let copy = mark.clone();
        let grandchild = in_child(|| vec![mark.is_here().into(), copy.is_here().into()]);
        let here = [mark.is_here().into(), copy.is_here().into()];
        [grandchild.report(), here.to_vec()].concat()
    });
    assert_eq!(child.report(), [0, 0, 1, 1]);
}

fn ids() -> Vec<u8> {
    (0..200).flat_map(|_| *EventId::new().as_bytes()).collect()
}

fn no_two_processes_make_one_id() {
    let mut all = HashSet::new();
    let mut add = |ids: &[u8]| {
        assert!(!ids.is_empty());
        for id in ids.chunks(16) {
            assert!(all.insert(id.to_vec()), "an id was made twice");
        }
    };
    for _ in 0..100 {
        add(&ids());
        let children: Vec<_> = (0..2)
            .map(|_| in_child(|| [ids(), in_child(ids).report(), ids()].concat()))
            .collect();
        add(&ids());
        for child in children {
            let made = child.report();
            assert_eq!(made.len(), 3 * 200 * 16);
            add(&made);
        }
    }
}

/// A lock that another thread holds when a process forks is held for ever in the child: making an id takes none.
fn forked_while_other_threads_make_ids() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = EventId::new();
                }
            });
        }
        for _ in 0..100 {
            let (one, other) = (in_child(id_of_child), in_child(id_of_child));
            assert_ne!(one.report(), other.report());
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn id_of_child() -> Vec<u8> {
    EventId::new().as_bytes().to_vec()
}
