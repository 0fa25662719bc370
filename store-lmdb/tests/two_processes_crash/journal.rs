//! The lines of the journals of processes.

use midgard::{EventId, Version};

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
    pub(crate) fn write(&self, to: &mut String) {
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

    pub(crate) fn read(line: &str) -> Self {
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
