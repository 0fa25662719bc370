use fork::Fork;
use midgard::store::ProcessMark;
use std::io::{PipeReader, Read, Write};

pub(super) const TESTS: &[(&str, fn())] = &[
    ("a mark is where it was made", a_mark_is_where_it_was_made),
    (
        "a mark that a child makes is another",
        a_mark_that_a_child_makes_is_another,
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
