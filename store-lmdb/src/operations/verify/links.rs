//! Checks that each stream is what its records say: each event is found from the last one by the links between them,
//! and no version exists twice.

use super::findings::Findings;
use super::here::{End, Here, Lost, find_end, not_here, reason};
use crate::databases::Databases;
use crate::index::StreamKey;
use crate::record::{Header, Kind};
use crate::streams::Stream;
use crate::tail::{ByStream, Tail};
use heed::RoTxn;
use midgard::{Position, Version};
use std::collections::{HashSet, VecDeque};

/// The most streams that are remembered.
pub(super) const REMEMBERED: usize = 131_072;

/// How many of the last ones are forgotten in one snapshot.
const FORGOTTEN: usize = 1024;

/// There were more streams than can be remembered.
pub(super) struct TooMany;

/// What is remembered of streams from one record to the next.
pub(super) struct Links {
    remembered: usize,
    /// The last checked event of each stream. If the next one follows it, nothing needs to be looked up.
    events: ByStream<(Version, Position)>,
    /// Their streams, in the order in which they were met.
    order: VecDeque<StreamKey>,
    /// Whether some were forgotten.
    is_forgetful: bool,
    /// The end of each stream in a snapshot; `None` where it is unknown.
    ends: ByStream<Option<End>>,
    snapshot: usize,
    /// The streams already reported as having an unknown end.
    lost: HashSet<StreamKey>,
    /// The last mark of each stream in records of format 1; none is forgotten, but some may not have been noted.
    marks_of_format_1: ByStream<(Kind, Version)>,
}

impl Links {
    pub(super) fn new(remembered: usize) -> Self {
        Links {
            remembered,
            events: ByStream::default(),
            order: VecDeque::new(),
            is_forgetful: false,
            ends: ByStream::default(),
            snapshot: 0,
            lost: HashSet::new(),
            marks_of_format_1: ByStream::default(),
        }
    }

    /// Returns the last mark of a stream in records of format 1; an error if there were too many to note each
    /// stream's.
    pub(super) fn mark_of_format_1(
        &self,
        key: StreamKey,
    ) -> Result<Option<(Kind, Version)>, TooMany> {
        match self.marks_of_format_1.get(&key) {
            Some(mark) => Ok(Some(*mark)),
            None if self.marks_of_format_1.len() < REMEMBERED => Ok(None),
            None => Err(TooMany),
        }
    }

    fn note_mark_of_format_1(&mut self, key: StreamKey, header: &Header<'_>) {
        let is_noted = self.marks_of_format_1.contains_key(&key);
        if is_noted || self.marks_of_format_1.len() < REMEMBERED {
            let mark = (header.kind, header.version);
            self.marks_of_format_1.insert(key, mark);
        }
    }

    /// Begins a batch: must be called with each new snapshot.
    pub(super) fn begin(&mut self, snapshot: &RoTxn<'_>) {
        if self.snapshot != snapshot.id() || self.ends.len() >= self.remembered {
            self.snapshot = snapshot.id();
            self.ends.clear();
        }
    }

    pub(super) fn check(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        tail: &Tail,
        header: &Header<'_>,
        name: &str,
        findings: &mut Findings,
    ) {
        let stream = Stream::new(databases, snapshot, name);
        let key = databases.keys.of(header.stream);
        if header.is_of_format_1() && header.kind != Kind::Event {
            self.note_mark_of_format_1(key, header);
        }
        let Some(end) = self.end(&stream, key, tail, findings) else {
            return;
        };
        let position = header.position;
        if end.record < position {
            if self.is_news(key) {
                let reason = match end.record {
                    Position::ZERO => "its stream is not in the index".to_owned(),
                    end => format!("its stream is found to end before it, at position {end}"),
                };
                findings.problem(position, Some(name), reason);
            }
            return;
        }
        let here = Here {
            stream,
            key,
            header,
            end,
        };
        let mut problem = |reason: String| findings.problem(position, Some(name), reason);
        if let Some(reason) = here.place() {
            return problem(reason);
        }
        match header.kind {
            Kind::Event => self.event(&here, &mut problem),
            Kind::Truncated | Kind::Tombstoned => self.mark(&here, &mut problem),
        }
    }

    /// Returns the end of a stream.
    fn end(
        &mut self,
        stream: &Stream<'_, '_>,
        key: StreamKey,
        tail: &Tail,
        findings: &mut Findings,
    ) -> Option<End> {
        if let Some(end) = self.ends.get(&key) {
            return *end;
        }
        let end = find_end(stream, key, tail.look_up(key));
        let end = end.map_err(|lost| match lost {
            Lost::Index(error) => findings.failure(&error),
            Lost::At(position, error) => {
                if self.is_news(key) {
                    let reason = format!("its stream is found to end here, but {}", reason(&error));
                    findings.problem(position, Some(stream.name), reason);
                }
            }
        });
        let end = end.ok();
        self.ends.insert(key, end);
        end
    }

    fn event(&mut self, here: &Here<'_, '_, '_>, problem: &mut impl FnMut(String)) {
        let Here { header, end, .. } = here;
        let (version, position) = (header.version, header.position);
        let back = match here.back() {
            Ok(back) => back,
            Err(error) => return problem(reason(&error)),
        };
        if version == Version::FIRST && back != Position::ZERO {
            problem(
                "it is the first version of its stream, and has a link to one before".to_owned(),
            );
        }
        let before = self.events.get(&here.key).copied();
        if let Some((last, at)) = before.filter(|(last, _)| *last >= version) {
            return problem(if last == version {
                format!("version {version} of its stream is at position {at} too")
            } else {
                format!(
                    "it is version {version} of its stream, and behind version {last} at position {at}"
                )
            });
        }
        let is_first = version == end.head.state.first;
        if !is_first
            && before != Some((version.previous(), back))
            && let Some(reason) = here.leads_to(version.previous(), back)
        {
            problem(reason);
        }
        for (target, skip) in header.skips() {
            if target >= end.head.state.first
                && let Some(reason) = here.leads_to(target, skip)
            {
                problem(reason);
            }
        }
        if self.events.insert(here.key, (version, position)).is_none() {
            self.order.push_back(here.key);
        }
    }

    /// Forgets streams when there are too many. A repeated version would then go unnoticed, so the last event of each
    /// forgotten stream is searched for from the end of the stream.
    pub(super) fn forget(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        tail: &Tail,
        findings: &mut Findings,
    ) {
        while self.events.len() > self.remembered {
            self.is_forgetful = true;
            self.forget_one(databases, snapshot, tail, findings);
        }
    }

    /// Forgets some of the streams that are left at the end, if any were forgotten; returns whether that is all.
    pub(super) fn forget_rest(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        tail: &Tail,
        findings: &mut Findings,
    ) -> bool {
        for _ in 0..FORGOTTEN {
            if !self.is_forgetful || self.order.is_empty() {
                return true;
            }
            self.forget_one(databases, snapshot, tail, findings);
        }
        false
    }

    fn forget_one(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        tail: &Tail,
        findings: &mut Findings,
    ) {
        let Some(key) = self.order.pop_front() else {
            return;
        };
        let Some((version, position)) = self.events.remove(&key) else {
            return;
        };
        // It may have been removed since.
        let Ok(Some(record)) = databases.log.record(snapshot, position) else {
            return;
        };
        let Ok(header) = Header::parse(position, &record) else {
            return;
        };
        let Ok(name) = str::from_utf8(header.stream) else {
            return;
        };
        let stream = Stream::new(databases, snapshot, name);
        let Some(End { head, .. }) = self.end(&stream, key, tail, findings) else {
            return;
        };
        // A broken link is reported as a problem of its own event.
        if let Ok(found) = stream.find(head.state.last, head.event, version)
            && found != position
        {
            let reason = not_here(version, found);
            findings.problem(position, Some(name), reason);
        }
    }

    /// Returns whether a stream was not yet reported as lost.
    fn is_news(&mut self, key: StreamKey) -> bool {
        self.lost.len() >= self.remembered || self.lost.insert(key)
    }

    fn mark(&self, here: &Here<'_, '_, '_>, problem: &mut impl FnMut(String)) {
        let Here { header, end, .. } = here;
        let is_tombstone = header.kind == Kind::Tombstoned;
        if is_tombstone && end.record != header.position && !header.is_of_format_1() {
            problem("its stream was tombstoned here, and has later records".to_owned());
        }
        let is_there = header.version >= end.head.state.first;
        if is_tombstone || header.is_of_format_1() || !is_there || end.head.state.tombstoned {
            return;
        }
        let last = (header.version, header.back());
        if self.events.get(&here.key) != Some(&last)
            && let Some(reason) = here.leads_to(header.version, header.back())
        {
            problem(reason);
        }
    }
}
