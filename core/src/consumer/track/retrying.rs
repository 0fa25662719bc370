//! Dead letters that are handled again: on request, or because a release parked them that did not know them.

use super::super::batch::EventBatch;
use super::super::control::Mode;
use super::super::coverage;
use super::super::guard::text_of;
use super::super::handler::Handler;
use super::super::handling::HandlingStage;
use super::super::notes::{self, Letter, NoteError, Request};
use super::commit::write;
use super::{Track, TrackError};
use crate::place::Place;
use crate::store::{Query, ReadLog, Store};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long dead letters are retried before new events have a turn.
const TURN: Duration = Duration::from_millis(100);

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Carries out requests about dead letters of partitions that this worker owns.
    pub(super) async fn answer_requests(&mut self) -> Result<(), TrackError> {
        if self.owned.is_empty() {
            return Ok(());
        }
        let (notes, keys) = (self.context.handler.notes(), self.context.keys);
        let number = self.plan.generation;
        let mut transaction = self.begin_read().await?;
        let prefix = keys.requests_in(number, self.plan.log);
        let requests: Vec<(String, Request)> =
            notes::list(notes, &mut transaction, &prefix).await?;
        drop(transaction);
        if requests.is_empty() {
            return Ok(());
        }
        let mut turn = Turn::begin(self.context.control.mode());
        for (request_key, request) in requests {
            if turn.is_over() {
                break;
            }
            let place = request.place();
            let key = keys.letter(number, place);
            let mut transaction = self.begin_read().await?;
            let letter: Option<Letter> = notes::get(notes, &mut transaction, &key).await?;
            drop(transaction);
            if let Some(letter) = letter {
                if !self.owns(letter.partition) {
                    continue;
                }
                if request.is_eviction {
                    tracing::warn!(
                        position = place.position.0,
                        sequence = letter.sequence,
                        "dead letter evicted"
                    );
                    self.remove_letter(&key).await?;
                } else if !self.retry(&mut turn, place, &letter.sequence).await? {
                    // It was told to stop, or other work has its turn: the request stays.
                    continue;
                }
            }
            let mut transaction = self.begin().await?;
            self.check_leases(&mut transaction).await?;
            notes::remove(notes, &mut transaction, &request_key).await?;
            notes::commit(notes, transaction).await?;
        }
        if turn.is_over() {
            // The rest continues after the next events.
            self.context.control.wake();
        }
        self.load_parked().await?;
        self.show();
        Ok(())
    }

    /// Hands over events that were parked or skipped only because the partition's owner did not know them.
    pub(super) async fn take_up(&mut self) -> Result<(), TrackError> {
        if self.is_taken_up {
            return Ok(());
        }
        let covered = self.context.handler.covers();
        let mut transaction = self.begin_read().await?;
        let letters = self.letters(&mut transaction).await?;
        drop(transaction);
        let (mut seen, mut is_any) = (HashSet::new(), false);
        for (key, letter) in &letters {
            if !letter.is_passed {
                // A letter that only follows another has no cause of its own, but skipped events may be before it.
                let is_cause = letter.failures > 0 || letter.unknown.is_some();
                if !is_cause || !seen.insert(letter.sequence.as_str()) {
                    continue;
                }
            }
            let is_known = |version| coverage::can_read(&covered, &letter.name, version);
            if !letter.unknown.is_some_and(is_known) || !self.owns(letter.partition) {
                continue;
            }
            is_any = true;
            let of_sequence = |one: &Letter| !one.is_passed && one.sequence == letter.sequence;
            let own: Vec<_> = if letter.is_passed {
                vec![(key, letter)]
            } else {
                let all = letters.iter().filter(|(_, one)| of_sequence(one));
                all.map(|(key, letter)| (key, letter)).collect()
            };
            for (key, letter) in own {
                match self.take_up_letter(key, letter).await? {
                    None => return Ok(()),
                    Some(true) => {}
                    Some(false) => break,
                }
            }
        }
        if is_any {
            self.load_parked().await?;
            self.show();
        }
        self.is_taken_up = true;
        Ok(())
    }

    /// Handles a parked event as often as its policy says; returns whether its letter is gone. `None` when told to stop.
    async fn take_up_letter(
        &mut self,
        key: &str,
        letter: &Letter,
    ) -> Result<Option<bool>, TrackError> {
        let mut failures = 0;
        while !self.retry_letter(key, letter).await? {
            failures += 1;
            let options = self.context.handler.options();
            let Some(wait) = options.policy_of(&letter.name).wait_after(failures) else {
                if letter.is_passed {
                    // Its policy is to skip events that fail.
                    self.remove_letter(key).await?;
                }
                return Ok(Some(letter.is_passed));
            };
            let since = Instant::now();
            loop {
                let control = self.context.control;
                let (wake_count, left) =
                    (control.wake_count(), wait.saturating_sub(since.elapsed()));
                if control.mode() == Mode::Stop || self.is_retired() {
                    return Ok(None);
                }
                if left.is_zero() {
                    break;
                }
                control
                    .pause(wake_count, left.min(self.leases.interval()))
                    .await;
                self.update_leases(control.wake_count(), true).await?;
            }
        }
        Ok(Some(true))
    }

    /// Handles the parked events of a sequence, in order, until one fails. `false` when it was told to stop, or its turn is
    /// over, before the requested one.
    async fn retry(
        &mut self,
        turn: &mut Turn,
        asked: Place,
        sequence: &str,
    ) -> Result<bool, TrackError> {
        let letters = match &mut turn.letters {
            Some(letters) => letters,
            letters => {
                let began = Instant::now();
                let mut transaction = self.begin_read().await?;
                let all = self.letters(&mut transaction).await?;
                // At least twice as long as they take to read: otherwise little would be done.
                let length = TURN.max(began.elapsed() * 2);
                turn.end = turn.end.map(|_| Instant::now() + length);
                letters.insert(by_sequence(all))
            }
        };
        // Several requests for one sequence are carried out once.
        let letters = letters.remove(sequence).unwrap_or_default();
        for (key, letter) in letters {
            if self.context.control.mode() == Mode::Stop || turn.is_over() {
                if asked >= letter.place() {
                    return Ok(false);
                }
                // The requested letter is gone.
                self.ask_again(&letter).await?;
                break;
            }
            if !self.retry_letter(&key, &letter).await? {
                break;
            }
        }
        Ok(true)
    }

    /// Leaves a request for the rest of a sequence.
    async fn ask_again(&self, letter: &Letter) -> Result<(), TrackError> {
        let (number, notes) = (self.plan.generation, self.context.handler.notes());
        let (log, position) = (letter.log, letter.position);
        let key = self.context.keys.request(number, letter.place());
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let request = Request {
            log,
            position,
            is_eviction: false,
        };
        notes::put(notes, &mut transaction, &key, request).await?;
        Ok(notes::commit(notes, transaction).await?)
    }

    /// Handles one parked event; returns whether its letter is gone.
    async fn retry_letter(&mut self, key: &str, letter: &Letter) -> Result<bool, TrackError> {
        let is_gone = self.try_letter(key, letter).await;
        self.slot.end();
        is_gone
    }

    async fn try_letter(&mut self, key: &str, letter: &Letter) -> Result<bool, TrackError> {
        let notes = self.context.handler.notes();
        // Another request may have dealt with it.
        let mut transaction = self.begin_read().await?;
        let known: Option<Letter> = notes::get(notes, &mut transaction, key).await?;
        drop(transaction);
        if known.is_none() {
            return Ok(true);
        }
        let place = letter.place();
        let mut batch = EventBatch::default();
        let read = ReadLog::forward()
            .log(place.log)
            .after(place.position.previous())
            .limit(1);
        let read = read.matching(Query::all_with_tombstones());
        batch.fill(self.context.store, &read).await?;
        if batch.len() == 0 || batch.get(0).place() != place {
            tracing::warn!(
                position = place.position.0,
                "a parked event is no longer in the log"
            );
            return self.remove_letter(key).await.map(|()| true);
        }
        let event = batch.get(0);
        let turn = self.turn().await;
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let mut effects = Vec::new();
        let failures = letter.failures;
        let stage = HandlingStage::Handler;
        self.slot
            .begin(stage, event.name, Some(event.place()), Instant::now());
        let outcome = loop {
            let outcome = self
                .handle(&event, &mut transaction, &mut effects, failures)
                .await;
            if self.context.handler.lacking(&transaction) == 0 {
                break outcome;
            }
            self.context.handler.load(&mut transaction).await?;
            effects.clear();
        };
        self.slot.turn_to(HandlingStage::Commit);
        // Another worker may have taken over meanwhile, and dealt with it.
        if !self.owns(letter.partition) {
            return Err(TrackError::Lost(letter.partition));
        }
        let mut unknown = None;
        let error = match outcome {
            Ok(()) => {
                if !H::ATOMIC {
                    drop(transaction);
                    transaction = self.begin().await?;
                    self.check_leases(&mut transaction).await?;
                }
                notes::remove(notes, &mut transaction, key).await?;
                match write(self.context.handler, transaction).await {
                    Ok(()) => {
                        drop(turn);
                        self.follow_up(effects, &batch).await;
                        self.handled += 1;
                        return Ok(true);
                    }
                    // The request stays, and is carried out again.
                    Err(TrackError::Refused(error)) if self.context.handler.is_conflict(&error) => {
                        return Err(TrackError::Note(NoteError::Conflict(error.into_boxed())));
                    }
                    Err(TrackError::Refused(error)) => text_of(&error),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => {
                self.refuse_overtaken(&transaction, &error)?;
                drop(transaction);
                unknown = coverage::is_unknown(&error).then_some(event.schema_version);
                text_of(&error)
            }
        };
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let letter = Letter {
            error,
            failures: failures + 1,
            tried: self.context.control.now().as_micros(),
            unknown,
            ..letter.clone()
        };
        notes::put(notes, &mut transaction, key, letter).await?;
        notes::commit(notes, transaction).await?;
        Ok(false)
    }
}

/// The work on dead letters before new events have a turn.
struct Turn {
    /// The end of the turn; `None` in a drain, which carries out all requests.
    end: Option<Instant>,
    /// The letters by their sequences, once one is retried: they are read once, however many requests there are.
    letters: Option<HashMap<String, Vec<(String, Letter)>>>,
}

impl Turn {
    fn begin(mode: Mode) -> Self {
        Turn {
            end: (mode != Mode::Drain).then(|| Instant::now() + TURN),
            letters: None,
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}

fn by_sequence(letters: Vec<(String, Letter)>) -> HashMap<String, Vec<(String, Letter)>> {
    let mut sequences: HashMap<String, Vec<(String, Letter)>> = HashMap::new();
    for (key, letter) in letters {
        let sequence = sequences.entry(letter.sequence.clone()).or_default();
        sequence.push((key, letter));
    }
    sequences
}
