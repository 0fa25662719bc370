//! A disk that fails and loses power, between a child process and its C library.

use crate::common::process::Process;
use crate::common::{append, event};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where everything is that a run needs.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
    library: PathBuf,
}

/// A store on such a disk, with one event in it.
pub(crate) struct Disk<'b> {
    bench: &'b Bench,
    directory: tempfile::TempDir,
}

impl Bench {
    /// `None` where there is no compiler.
    pub(crate) fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failing_calls/disk.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status();
        let Ok(compiled) = compiled else {
            assert!(
                std::env::var_os("CI").is_none(),
                "there is no C compiler (cc)"
            );
            eprintln!("left out: there is no C compiler (cc)");
            return None;
        };
        assert!(compiled.success());
        let store = LmdbStore::open(directory.path().join("new")).unwrap();
        append(&store, "before", vec![event("0 ")]).unwrap();
        Some(Bench { directory, library })
    }

    pub(crate) fn disk(&self) -> Disk<'_> {
        let directory = tempfile::tempdir_in(&self.directory).unwrap();
        let new = self.directory.path().join("new/data.mdb");
        fs::copy(new, directory.path().join("data.mdb")).unwrap();
        Disk {
            bench: self,
            directory,
        }
    }
}

impl Disk<'_> {
    /// Where the store is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a test of this program on it, as a process of its own.
    pub(crate) fn start(&self, name: &str, faults: &[(&str, u64)]) -> Process {
        let faults = faults
            .iter()
            .map(|(name, number)| (*name, number.to_string()));
        let paths = [
            ("FAULT_FILE", self.path("data.mdb")),
            ("FAULT_DISK", self.path("disk")),
            ("FAULT_CALLS", self.path("calls")),
            ("FAULT_WHEN", self.path(FAULTS)),
            ("MIDGARD_TEST_LIBRARY", self.bench.library.clone()),
        ];
        let paths = paths.map(|(name, path)| (name, path.to_str().unwrap().to_owned()));
        let variables: Vec<_> = faults.chain(paths).collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        Process::start_in(
            "LD_PRELOAD=\"$MIDGARD_TEST_LIBRARY\"",
            name,
            self.directory.path(),
            &variables,
        )
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls"))
            .unwrap()
            .parse()
            .unwrap()
    }

    /// The store as it is when there is power again.
    pub(crate) fn after_the_power_cut(&self) -> PathBuf {
        let after = self.path("after");
        fs::create_dir(&after).unwrap();
        fs::rename(self.path("disk"), after.join("data.mdb")).unwrap();
        after
    }
}

/// The file beside the store that says which calls fail.
const FAULTS: &str = "faults";

/// To be called in the child: from now on these calls fail, by their letters in `disk.c`.
pub(crate) fn fail(directory: &Path, kinds: &str) {
    fs::write(directory.join(FAULTS), kinds).unwrap();
}

/// To be called in the child: no calls fail any more.
pub(crate) fn fail_no_more(directory: &Path) {
    let _ = fs::remove_file(directory.join(FAULTS));
}
