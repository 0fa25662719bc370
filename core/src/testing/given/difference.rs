//! The difference between the events that were expected and those that were decided, line by line.

use crate::event::Decidable;
use crate::stream_name::StreamName;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Events as they would be stored.
pub(super) struct Listing(Vec<Entry>);

#[derive(PartialEq)]
struct Entry {
    name: Cow<'static, str>,
    payload: Value,
    /// Where it goes, of a decision model.
    stream: Option<StreamName>,
}

impl Listing {
    fn lines(&self) -> Vec<String> {
        let events = self.0.iter();
        let texts = events.map(|event| match &event.stream {
            Some(stream) => format!("{} to \"{stream}\" {:#}", event.name, event.payload),
            None => format!("{} {:#}", event.name, event.payload),
        });
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    pub(super) fn of<'e, E: Decidable>(events: impl Iterator<Item = &'e E>) -> Self {
        Listing(events.map(Entry::of).collect())
    }
}

impl Entry {
    fn of<E: Decidable>(event: &E) -> Self {
        let new = (event.__written(false)).unwrap_or_else(|error| panic!("{error}"));
        let payload = serde_json::from_slice(&new.payload)
            .unwrap_or_else(|error| panic!("event \"{}\" is no JSON: {error}", new.name));
        let stream = event.__stream().transpose();
        Entry {
            name: new.name,
            payload,
            stream: stream.unwrap_or_else(|error| panic!("{error}")),
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no events");
        }
        write!(f, "{}:", count(self.0.len()))?;
        self.lines()
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Two listings that differ.
pub(super) struct Difference<'a> {
    expected: &'a Listing,
    decided: &'a Listing,
    /// The index of the first event that differs.
    first: usize,
}

impl<'a> Difference<'a> {
    /// Returns the difference; `None` when they are the same.
    pub(super) fn between(expected: &'a Listing, decided: &'a Listing) -> Option<Self> {
        let same = expected
            .0
            .iter()
            .zip(&decided.0)
            .take_while(|(a, b)| a == b);
        let first = same.count();
        (first < expected.0.len().max(decided.0.len())).then_some(Difference {
            expected,
            decided,
            first,
        })
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, decided) = (&self.expected.0, &self.decided.0);
        write!(f, "event {} ", self.first + 1)?;
        match (expected.get(self.first), decided.get(self.first)) {
            (Some(a), Some(b)) if a.name == b.name => write!(f, "({}) differs", a.name)?,
            (Some(a), Some(b)) => write!(f, "is {}, not {}", b.name, a.name)?,
            (Some(a), None) => write!(f, "({}) is missing", a.name)?,
            (None, b) => write!(f, "({}) is one too many", b.map_or("", |b| &b.name))?,
        }
        write!(
            f,
            ": expected (-) {}, decided (+) {}",
            count(expected.len()),
            count(decided.len())
        )?;
        merge(&self.expected.lines(), &self.decided.lines())
            .into_iter()
            .try_for_each(|(mark, line)| write!(f, "\n{mark} {line}"))
    }
}

fn count(events: usize) -> String {
    match events {
        0 => "no events".to_owned(),
        1 => "1 event".to_owned(),
        _ => format!("{events} events"),
    }
}

/// The lines of both sides in one order; lines on one side alone have its mark.
///
/// The longest common subsequence is quadratic; events in tests are short.
pub(in crate::testing) fn merge<'a>(
    expected: &'a [String],
    decided: &'a [String],
) -> Vec<(char, &'a str)> {
    let (rows, columns) = (expected.len(), decided.len());
    // The length of the longest common subsequence of what follows each pair of lines.
    let mut common = vec![vec![0_usize; columns + 1]; rows + 1];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            common[i][j] = if expected[i] == decided[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(rows + columns);
    while i < rows || j < columns {
        if i < rows && j < columns && expected[i] == decided[j] {
            lines.push((' ', &*expected[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == columns || (i < rows && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(('-', &*expected[i]));
            i += 1;
        } else {
            lines.push(('+', &*decided[j]));
            j += 1;
        }
    }
    lines
}
