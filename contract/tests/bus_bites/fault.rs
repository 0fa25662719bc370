//! In which ways a bus is broken. One that is new gets the next number.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The fault that each running case is to find, by the name of the case. A fault is no part of a type: the whole contract would
/// be compiled once for each.
static GIVEN: Mutex<Faults> = Mutex::new(Faults::new());
static TAKEN_BACK: Condvar = Condvar::new();

type Faults = BTreeMap<String, u8>;

fn given() -> MutexGuard<'static, Faults> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the fault of a case.
pub(crate) fn of(case: &str) -> u8 {
    let given = given();
    given.get(case).copied().unwrap_or(NONE)
}

/// A fault that a case is given until this is dropped.
pub(crate) struct Given(String);

/// Gives a case a fault. Waits while the case has another one.
pub(crate) fn give(case: &str, fault: u8) -> Given {
    let is_busy = |faults: &mut Faults| faults.contains_key(case);
    let wait = TAKEN_BACK.wait_while(given(), is_busy);
    let mut faults = wait.unwrap_or_else(PoisonError::into_inner);
    faults.insert(case.to_owned(), fault);
    Given(case.to_owned())
}

impl Drop for Given {
    fn drop(&mut self) {
        given().remove(&self.0);
        TAKEN_BACK.notify_all();
    }
}

pub(crate) const NONE: u8 = 0;
pub(crate) const LOSES_A_FEW: u8 = 1;
pub(crate) const TURNS_BATCHES_AROUND: u8 = 2;
pub(crate) const HEARS_EVERYTHING: u8 = 3;
pub(crate) const STOPS_AT_THE_UNHEARD: u8 = 4;
pub(crate) const DROPS_KNOWN_BATCHES: u8 = 5;
pub(crate) const WAITS_UNTIL_HANDLED: u8 = 6;
pub(crate) const CONFIRMS_AT_ONCE: u8 = 7;
pub(crate) const FORGETS_THE_CAUSE: u8 = 8;
pub(crate) const FORGETS_THE_PURPOSE: u8 = 9;
pub(crate) const TRIMS_KEYS: u8 = 10;
pub(crate) const CUTS_HEADERS: u8 = 11;
pub(crate) const REWRITES_PAYLOADS: u8 = 12;
pub(crate) const CUTS_PAYLOADS: u8 = 13;
pub(crate) const DROPS_WHAT_IS_TOO_LARGE: u8 = 14;
pub(crate) const ASKS_FOR_MORE: u8 = 15;
pub(crate) const ADDS_NO_TOPICS: u8 = 16;
pub(crate) const REMOVES_NO_TOPICS: u8 = 17;
pub(crate) const MAKES_QUEUES_ANEW: u8 = 18;
pub(crate) const DELIVERS_TWICE: u8 = 19;
pub(crate) const KEEPS_TEMPORARY_QUEUES: u8 = 20;
pub(crate) const REMOVES_QUEUES: u8 = 21;
pub(crate) const KEEPS_NOTHING_WITHOUT_A_RECEIVER: u8 = 22;
pub(crate) const HAS_NO_BOUND: u8 = 23;
pub(crate) const HAS_A_NARROW_BOUND: u8 = 24;
pub(crate) const HAS_ALL_AT_WORK: u8 = 25;
pub(crate) const HAS_ONE_FOR_EVER: u8 = 26;
pub(crate) const NEVER_SAYS_REDELIVERED: u8 = 27;
pub(crate) const ALWAYS_SAYS_REDELIVERED: u8 = 28;
pub(crate) const ACKNOWLEDGES_AT_ONCE: u8 = 29;
pub(crate) const LOSES_WHAT_IS_DROPPED: u8 = 30;
pub(crate) const PUTS_BACK_AT_THE_END: u8 = 31;
pub(crate) const FORGETS_VERDICTS: u8 = 32;
pub(crate) const LOSES_WHEN_NOBODY_WAITS: u8 = 33;
pub(crate) const GIVES_UP_AFTER_TEN: u8 = 34;
pub(crate) const FORGETS_REASONS: u8 = 35;
pub(crate) const KEEPS_NOTHING_ASIDE: u8 = 36;
pub(crate) const SETS_ASIDE_AND_DELIVERS: u8 = 37;
pub(crate) const LOSES_STRANGERS: u8 = 38;
pub(crate) const FAILS_AT_STRANGERS: u8 = 39;
pub(crate) const FORGETS_WHAT_STRANGERS_SAID: u8 = 40;
pub(crate) const READS_ONLY_HEADERS: u8 = 41;
pub(crate) const READS_ONLY_JSON: u8 = 42;
pub(crate) const KEEPS_NOTHING_ON_DISK: u8 = 43;
pub(crate) const NEVER_RECONNECTS: u8 = 44;
pub(crate) const NEVER_PUBLISHES_AGAIN: u8 = 45;
pub(crate) const PANICS_AT_LATE_VERDICTS: u8 = 46;
pub(crate) const FORGETS_LETTERS: u8 = 47;
pub(crate) const MIXES_UP_LETTERS: u8 = 48;
pub(crate) const SKIPS_ONE_AFTER_A_KILL: u8 = 49;
pub(crate) const KEEPS_NOTHING_LARGE_ASIDE: u8 = 50;
