//! Events of one field, and chance that can be repeated.

use crate::random::Random;
use midgard::event::{EncodeError, NewEvent};
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{Event, MemoryStore, Store, StreamName, block_on};
use std::fmt::Debug;
use std::ops::ControlFlow;

/// An event with one field of a type.
macro_rules! event {
    ($event:ident($type:ty), $name:literal) => {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, midgard::Event)]
        #[event(name = $name)]
        pub(crate) struct $event {
            pub(crate) value: $type,
        }
    };
}
pub(crate) use event;

/// Stores events, and loads them again.
pub(crate) fn stored<E: Event>(events: &[E]) -> Vec<E> {
    let encode = |event| NewEvent::encode(event).unwrap_or_else(|error| panic!("{error}"));
    loaded(events.iter().map(encode).collect())
}

/// Loads what was written.
pub(crate) fn loaded<E: Event>(events: Vec<NewEvent>) -> Vec<E> {
    let store = MemoryStore::new();
    let stream = StreamName::new("all").unwrap();
    let append = Append::to(stream, ExpectedVersion::NoStream, events);
    block_on(store.append(append)).unwrap();
    let mut loaded = Vec::new();
    let mut each = |event: midgard::event::RecordedEventRef<'_>| {
        loaded.push(event.decode().unwrap());
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), &mut each)).unwrap();
    loaded
}

pub(crate) fn refused<E: Event + Debug>(event: &E) -> EncodeError {
    match NewEvent::encode(event) {
        Ok(new) => panic!(
            "{event:?} is accepted as {}",
            String::from_utf8_lossy(&new.payload)
        ),
        Err(error) => error,
    }
}

impl Random {
    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// Any finite float: some of all sizes, and some of everyday sizes.
    pub(crate) fn float(&mut self) -> f64 {
        loop {
            let float = match self.below(4) {
                0 => f64::from_bits(self.next()),
                1 => self.next() as f64 / u64::MAX as f64,
                2 => self.below(1_000_000) as f64 / 100.0,
                _ => -(self.next() as f64),
            };
            if float.is_finite() {
                return float;
            }
        }
    }

    pub(crate) fn small_float(&mut self) -> f32 {
        loop {
            let float = f32::from_bits(self.next() as u32);
            if float.is_finite() {
                return float;
            }
        }
    }

    /// Any letters of Unicode, those that JSON escapes among them.
    pub(crate) fn text(&mut self) -> String {
        let letters = self.below(12);
        (0..letters)
            .map(|_| match self.below(3) {
                0 => char::from(self.below(128) as u8),
                1 => *[
                    '"',
                    '\\',
                    '/',
                    '\u{7f}',
                    '\u{2028}',
                    '\u{feff}',
                    '\u{ffff}',
                    '\u{10ffff}',
                ]
                .get(self.below(8) as usize)
                .unwrap(),
                _ => self.letter(),
            })
            .collect()
    }

    pub(crate) fn letter(&mut self) -> char {
        loop {
            if let Some(letter) = char::from_u32(self.below(0x11_0000) as u32) {
                return letter;
            }
        }
    }
}
