//! Finding the positions that a plan leads to, in either direction, without reading more of any list than is needed.

use super::{Plan, Span};
use midgard::Position;
use midgard::store::{Direction, StoreError};
use std::ops::Range;

/// The positions of a key.
pub(crate) trait Posting {
    /// Returns the first position from `target` on, in the direction of the search. Targets never go back.
    fn seek(&mut self, target: Position) -> Result<Option<Position>, StoreError>;
}

/// Positions in memory.
#[derive(Debug, Clone)]
pub(crate) struct InMemory<'v> {
    spans: &'v [Span],
    direction: Direction,
}

impl<'v> InMemory<'v> {
    pub(crate) const fn new(spans: &'v [Span], direction: Direction) -> Self {
        InMemory { spans, direction }
    }
}

impl Posting for InMemory<'_> {
    fn seek(&mut self, target: Position) -> Result<Option<Position>, StoreError> {
        Ok(match self.direction {
            Direction::Forward => {
                let is_passed = |span: &Span| span.last < target;
                if self.spans.first().is_some_and(is_passed) {
                    self.spans = &self.spans[self.spans.partition_point(is_passed)..];
                }
                self.spans.first().map(|span| span.first.max(target))
            }
            Direction::Backward => {
                let is_left = |span: &Span| span.first <= target;
                if !self.spans.last().is_none_or(is_left) {
                    self.spans = &self.spans[..self.spans.partition_point(is_left)];
                }
                self.spans.last().map(|span| span.last.min(target))
            }
        })
    }
}

/// A posting and its last answer.
struct Cursor<P> {
    posting: P,
    found: Option<Option<Position>>,
}

impl<P: Posting> Cursor<P> {
    const fn new(posting: P) -> Self {
        Cursor {
            posting,
            found: None,
        }
    }

    fn seek(
        &mut self,
        direction: Direction,
        target: Position,
    ) -> Result<Option<Position>, StoreError> {
        if let Some(found) = self.found
            && found.is_none_or(|found| !is_before(direction, found, target))
        {
            return Ok(found);
        }
        let found = self.posting.seek(target)?;
        self.found = Some(found);
        Ok(found)
    }
}

/// An item of the plan, and how far it was searched.
struct Item<P> {
    /// The lists of its tags.
    all: Vec<Cursor<P>>,
    /// The lists of its names.
    any: Vec<Cursor<P>>,
    /// Its last answer.
    found: Option<Searched>,
}

/// The answer of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Searched {
    /// This position may have a match.
    At(Position),
    /// There is nothing before this position; the search has to go on there.
    Paused(Position),
    /// There is no more.
    End,
}

/// The search for the positions of a plan in one section.
pub(crate) struct Search<P> {
    items: Vec<Item<P>>,
    /// Positions that may match anything.
    always: Option<Cursor<P>>,
    direction: Direction,
}

/// How many rounds an item is searched for before the search pauses.
const ROUNDS: usize = 8192;

impl<P: Posting> Search<P> {
    /// Searches lists that are opened by the place of their key in the plan.
    pub(crate) fn new(plan: &Plan, direction: Direction, open: impl Fn(usize) -> P) -> Self {
        let open = |asked: &Range<usize>| {
            let places = plan.asked()[asked.clone()].iter();
            places.map(|place| Cursor::new(open(*place))).collect()
        };
        let items = plan.items().iter().map(|item| Item {
            all: open(&item.all),
            any: open(&item.any),
            found: None,
        });
        Search {
            items: items.collect(),
            always: None,
            direction,
        }
    }

    /// Finds these positions too, whatever the plan says.
    pub(crate) fn with(mut self, always: P) -> Self {
        self.always = Some(Cursor::new(always));
        self
    }

    /// Returns the first position from `target` on that an item leads to. Targets never go back.
    pub(crate) fn next(&mut self, target: Position) -> Result<Searched, StoreError> {
        let direction = self.direction;
        let mut first = Searched::End;
        if let Some(always) = &mut self.always {
            let found = always.seek(direction, target)?;
            first = found.map_or(Searched::End, Searched::At);
        }
        for item in &mut self.items {
            let found = item.next(direction, target)?;
            if found.is_before(direction, first) {
                first = found;
            }
        }
        Ok(first)
    }
}

impl Searched {
    const fn position(self) -> Option<Position> {
        match self {
            Searched::At(position) | Searched::Paused(position) => Some(position),
            Searched::End => None,
        }
    }

    fn is_before(self, direction: Direction, other: Searched) -> bool {
        match (self.position(), other.position()) {
            (Some(one), Some(other)) => is_before(direction, one, other),
            (one, _) => one.is_some(),
        }
    }
}

impl<P: Posting> Item<P> {
    fn next(&mut self, direction: Direction, target: Position) -> Result<Searched, StoreError> {
        let target = match self.found {
            Some(Searched::End) => return Ok(Searched::End),
            Some(Searched::At(found)) if !is_before(direction, found, target) => {
                return Ok(Searched::At(found));
            }
            Some(Searched::Paused(at)) if is_before(direction, target, at) => at,
            _ => target,
        };
        let found = self.search(direction, target)?;
        self.found = Some(found);
        Ok(found)
    }

    /// Each list moves the target on, until all agree: so none is read much further than the shortest goes.
    fn search(
        &mut self,
        direction: Direction,
        mut target: Position,
    ) -> Result<Searched, StoreError> {
        let is_one = self.all.len() + usize::from(!self.any.is_empty()) == 1;
        for _ in 0..ROUNDS {
            let begun = target;
            for tag in &mut self.all {
                match tag.seek(direction, target)? {
                    Some(position) => target = position,
                    None => return Ok(Searched::End),
                }
            }
            let mut first = Searched::End;
            for name in &mut self.any {
                let found = name.seek(direction, target)?;
                let found = found.map_or(Searched::End, Searched::At);
                if found.is_before(direction, first) {
                    first = found;
                }
            }
            match first.position() {
                Some(position) => target = position,
                None if self.any.is_empty() => {}
                None => return Ok(Searched::End),
            }
            if is_one || target == begun {
                return Ok(Searched::At(target));
            }
        }
        Ok(Searched::Paused(target))
    }
}

/// Returns whether one position comes before another in the direction.
fn is_before(direction: Direction, one: Position, other: Position) -> bool {
    match direction {
        Direction::Forward => one < other,
        Direction::Backward => one > other,
    }
}
