//! What a process was told by the store, in a file outside the store. A line is written after the store has
//! answered, in one piece; a kill may cut the last one short.

use midgard::{EventId, Version};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// An event was appended.
    Appended {
        stream: String,
        version: Version,
        id: EventId,
    },
    /// The events of a stream before a version are about to be removed.
    Truncating { stream: String, before: Version },
    /// They were removed.
    Truncated { stream: String, before: Version },
    /// A stream was ended.
    Tombstoned { stream: String },
}

impl Line {
    fn write(&self, to: &mut String) {
        let (kind, stream, version, id) = match self {
            Line::Appended {
                stream,
                version,
                id,
            } => ("appended", stream, version, id.to_string()),
            Line::Truncating { stream, before } => ("truncating", stream, before, String::new()),
            Line::Truncated { stream, before } => ("truncated", stream, before, String::new()),
            Line::Tombstoned { stream } => ("tombstoned", stream, &Version::MAX, String::new()),
        };
        *to += &format!("{kind},{stream},{version},{id}\n");
    }

    fn read(line: &str) -> Self {
        let fields: Vec<_> = line.split(',').collect();
        let [kind, stream, version, id] = fields[..] else {
            panic!("the line {line:?} of a journal is not whole");
        };
        let (stream, version) = (stream.to_owned(), Version(version.parse().unwrap()));
        match kind {
            "appended" => Line::Appended {
                stream,
                version,
                id: id.parse().unwrap(),
            },
            "truncating" => Line::Truncating {
                stream,
                before: version,
            },
            "truncated" => Line::Truncated {
                stream,
                before: version,
            },
            _ => Line::Tombstoned { stream },
        }
    }
}

/// A journal that is written.
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        Journal(Mutex::new(file.unwrap()))
    }

    pub(crate) fn write(&self, lines: &[Line]) {
        let mut text = String::new();
        lines.iter().for_each(|line| line.write(&mut text));
        self.0.lock().unwrap().write_all(text.as_bytes()).unwrap();
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
    pub(crate) fn read(&mut self) -> Vec<Line> {
        // The process may be killed before it makes one.
        let Ok(mut file) = File::open(&self.path) else {
            return Vec::new();
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        self.read += text.len() as u64;
        text.lines().map(Line::read).collect()
    }
}
