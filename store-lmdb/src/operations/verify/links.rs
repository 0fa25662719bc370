//! Whether each stream is what its records say: each event is found from the last one, by the links between them, and
//! no version is there twice.

use super::findings::Findings;
use crate::databases::Databases;
use crate::index::StreamKey;
use crate::record::{Header, Kind};
use crate::streams::{Head, Stream};
use crate::tail::{ByStream, Known, Tail};
use heed::RoTxn;
use midgard::{Position, StoreError, Version};
use std::collections::{HashSet, VecDeque};

/// How many streams are remembered, at most.
pub(super) const REMEMBERED: usize = 131_072;

/// How many of the last ones are forgotten in one snapshot.
const FORGOTTEN: usize = 1024;

/// What is remembered of streams from one record to the next.
pub(super) struct Links {
    remembered: usize,
    /// The last event of each that was looked at. Where the next one is found to follow it, nothing needs to be looked up.
    events: ByStream<(Version, Position)>,
    /// Their streams, those first that were met first.
    order: VecDeque<StreamKey>,
    /// Whether some were forgotten.
    is_forgetful: bool,
    /// Where each ends, in a snapshot; `None` where that cannot be told.
    ends: ByStream<Option<End>>,
    snapshot: usize,
    /// Those of which was said that it cannot be told where they end.
    lost: HashSet<StreamKey>,
}

/// Where a stream ends.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Its last record.
    record: Position,
    head: Head,
}

/// A record that is looked at, and its stream.
struct Here<'r, 's, 't> {
    stream: Stream<'s, 't>,
    key: StreamKey,
    header: &'r Header<'r>,
    end: End,
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
        }
    }

    /// To be called with each new snapshot.
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
        let stream = Stream {
            databases,
            transaction: snapshot,
            name,
        };
        let key = databases.keys.of(header.stream);
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

    /// Where a stream ends.
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
                    let reason = format!("its stream is found to end here, but {}", reason(error));
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
            Err(error) => return problem(reason(error)),
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

    /// Forgets streams, where there are too many. When the same version comes once more, nobody will know: so the last
    /// event of each is looked for from the end of the stream.
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

    /// Forgets some of the streams that are left at the end, if any were forgotten; tells whether that is all.
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
        let stream = Stream {
            databases,
            transaction: snapshot,
            name,
        };
        let Some(End { head, .. }) = self.end(&stream, key, tail, findings) else {
            return;
        };
        // A way that is broken is a problem of the event that it breaks at.
        if let Ok(found) = stream.find(head.state.last, head.event, version)
            && found != position
        {
            let reason = not_here(version, found);
            findings.problem(position, Some(name), reason);
        }
    }

    /// Whether it was not said yet that a stream is lost.
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

impl Here<'_, '_, '_> {
    /// What is wrong with where it is in its stream.
    fn place(&self) -> Option<String> {
        let Here { header, end, .. } = self;
        let (version, state) = (header.version, end.head.state);
        let is_event = header.kind == Kind::Event;
        if is_event && state.tombstoned {
            return Some("it is there, and its stream was tombstoned".to_owned());
        }
        if is_event && version < state.first {
            let first = state.first;
            return Some(format!(
                "it is version {version}, and its stream was truncated before version {first}"
            ));
        }
        if version > state.last {
            let (last, at) = (state.last, end.record);
            return Some(format!(
                "it is version {version}, and its stream ends with version {last} at position {at}"
            ));
        }
        if is_event && version == state.last && end.head.event != header.position {
            let at = end.head.event;
            return Some(not_here(version, at));
        }
        if header.first > state.first {
            return Some(format!(
                "it says that its stream begins with version {}, and the last record of that says version {}",
                header.first, state.first
            ));
        }
        None
    }

    /// Where the event before it is, as far as that is known; zero when there is none.
    fn back(&self) -> Result<Position, StoreError> {
        let Stream {
            databases,
            transaction,
            name,
        } = self.stream;
        match &databases.format_1 {
            Some(format_1) if self.header.is_of_format_1() => {
                let Some(stream) = format_1.stream(transaction, name)? else {
                    return Ok(Position::ZERO);
                };
                let before = self.header.version.previous();
                let position = format_1.position_in(transaction, stream, before)?;
                Ok(position.unwrap_or(Position::ZERO))
            }
            _ => Ok(self.header.back()),
        }
    }

    /// What is wrong with a link to the event of another version.
    fn leads_to(&self, target: Version, position: Position) -> Option<String> {
        if position == Position::ZERO || position >= self.header.position {
            return Some(format!(
                "it does not say where version {target} of its stream is"
            ));
        }
        let found = self.stream.record(position).and_then(|record| {
            let header = self.stream.event_header(position, &record, target);
            header.map(drop)
        });
        let error = found.err()?;
        Some(format!(
            "its link to version {target} of its stream leads to position {position}, but {}",
            reason(error)
        ))
    }
}

/// Why it cannot be told where a stream ends.
enum Lost {
    /// The index cannot be read.
    Index(StoreError),
    /// Its last record cannot.
    At(Position, StoreError),
}

fn find_end(stream: &Stream<'_, '_>, key: StreamKey, known: Known) -> Result<End, Lost> {
    match stream.last_record(key, known).map_err(Lost::Index)? {
        Some(record) => {
            let head = stream.head_at(record);
            let head = head.map_err(|error| Lost::At(record, error))?;
            Ok(End { record, head })
        }
        None => {
            let head = stream.head_of_format_1().map_err(Lost::Index)?;
            Ok(match head {
                Some(head) => End {
                    record: stream.databases.about.format_1_until,
                    head,
                },
                None => End {
                    record: Position::ZERO,
                    head: Head::NONE,
                },
            })
        }
    }
}

fn not_here(version: Version, found: Position) -> String {
    format!("version {version} of its stream is found at position {found}, and not here")
}

/// What is wrong with a record, without where it is.
fn reason(error: StoreError) -> String {
    match error {
        StoreError::Corrupt { reason, .. } => reason,
        error => error.to_string(),
    }
}
