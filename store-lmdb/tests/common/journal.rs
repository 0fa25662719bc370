//! What a process was told by the store, in a file outside the store. Lines are written after the store has
//! answered, in one piece; a kill may cut the last one short.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A journal that is written.
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        Journal(Mutex::new(file.unwrap()))
    }

    /// Writes lines, each with its end.
    pub(crate) fn write(&self, lines: &str) {
        self.0.lock().unwrap().write_all(lines.as_bytes()).unwrap();
    }
}

/// A journal that is read, as it grows.
pub(crate) struct JournalReader {
    path: PathBuf,
    read: u64,
}

impl JournalReader {
    pub(crate) const fn of(path: PathBuf) -> Self {
        JournalReader { path, read: 0 }
    }

    /// The lines since the last call that are whole.
    pub(crate) fn read(&mut self) -> Vec<String> {
        // The process may be killed before it makes one.
        let Ok(mut file) = File::open(&self.path) else {
            return Vec::new();
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        self.read += text.len() as u64;
        text.lines().map(str::to_owned).collect()
    }
}
