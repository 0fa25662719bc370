//! Commands and answers that no queue wants: they are parked as dead letters, and come back by themselves.

use super::Relay;
use crate::bus::{Publisher, Topic};
use crate::command::{CommandAnswered, CommandSent};
use crate::consumer::control::{Control, Mode};
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::NoteError;
use crate::consumer::progress::Progress;
use crate::consumer::{DeadLetter, FailurePolicy};
use crate::event::Event as _;
use crate::place::Place;
use crate::store::Store;
use crate::time::Timestamp;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When to check again whether a queue wants a command: its service may be about to start, or gone for long.
const COMMAND: FailurePolicy = FailurePolicy::retry(u32::MAX).at_most_every(LONGEST);
/// The same for an answer: for a minute only, as the sender of a command names the topic of its answer, and may have made
/// it up.
const ANSWER: FailurePolicy = FailurePolicy::retry(6).first_after(Duration::from_secs(1));
/// How many answers are tried in one round.
const ANSWERS: usize = 20;
/// How many sequences come back in one round.
const SEQUENCES: usize = 1000;
/// The longest time between two rounds, and the shortest between two tries of an answer.
const LONGEST: Duration = Duration::from_secs(5);
/// A round takes at most this part of the time.
const PART: u32 = 20;

/// A message that no queue wants.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) struct Lost {
    pub(super) topic: Topic,
    pub(super) id: String,
    pub(super) is_event: bool,
}

/// The beginning of the error of a message that no queue wants. It is read back from dead letters.
const NOBODY: &str = "nobody has a queue for ";

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lost { topic, id, .. } = self;
        write!(f, "{NOBODY}{topic}, so that message {id} would be lost; ")?;
        f.write_str(match topic {
            _ if self.is_event => {
                "start a service that asks for it, or let the outbox discard what is unheard"
            }
            topic if topic.is_reply() => {
                "it is parked, and tried again for a minute; start the service that waits for it, and retry it with `MidgardHandle::retry`, or give it up with `MidgardHandle::evict`"
            }
            _ => {
                "it is parked with what follows it, and leaves when a service asks for it; start that service, or give it up with `MidgardHandle::evict`"
            }
        })
    }
}

/// Returns the topic that a parked message waits for.
fn awaited_topic(error: &str) -> Option<&str> {
    let (topic, _) = error.strip_prefix(NOBODY)?.split_once(", ")?;
    Some(topic)
}

/// Lets parked messages be tried again from time to time, for as long as the program runs.
pub(crate) async fn come_back<S: Store, P: Publisher>(
    notebook: Arc<NotebookOf<Relay<S, P>>>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) {
    let mut due = Instant::now();
    while control.mode() == Mode::Run {
        let (wake_count, changed) = (control.wake_count(), progress.listen());
        let status = progress.status();
        if status.parked == 0 || status.partitions == 0 {
            control.wait(wake_count, LONGEST, changed).await;
            continue;
        }
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            control.pause(wake_count, left).await;
            continue;
        }
        let began = Instant::now();
        let wait = ask(&notebook, &control).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "parked commands and answers could not be checked");
            LONGEST
        });
        due = Instant::now() + wait.max(began.elapsed() * PART);
    }
}

/// Requests a retry of everything that is due; returns when to check again.
async fn ask<S: Store, P: Publisher>(
    notebook: &NotebookOf<Relay<S, P>>,
    control: &Control,
) -> Result<Duration, NoteError> {
    let letters = notebook.dead_letters(Place::START, usize::MAX).await?;
    let heard = |topic: &str| notebook.handler.is_heard(topic);
    let returning = returning(&letters, control.now(), heard);
    if !returning.first.is_empty() {
        notebook.ask(&returning.first, false).await?;
        control.wake();
    }
    Ok(returning.next)
}

/// The dead letters to be tried.
struct Returning {
    /// The first letters of sequences.
    first: Vec<Place>,
    /// When to check again.
    next: Duration,
}

/// Returns all sequences whose topic has a queue; and of each other topic the first sequence, when it is due, to find out
/// whether it has one now.
fn returning(letters: &[DeadLetter], now: Timestamp, is_heard: impl Fn(&str) -> bool) -> Returning {
    let (mut seen, mut probed, mut answers) = (HashSet::new(), HashSet::new(), 0);
    let (mut first, mut next) = (Vec::new(), LONGEST);
    for letter in letters {
        if first.len() == SEQUENCES {
            break;
        }
        // The first of a sequence shows what the sequence waits for. Each log has its own sequences.
        if !seen.insert((letter.place.log, letter.sequence.as_str())) {
            continue;
        }
        let is_answer = letter.name == CommandAnswered::NAME;
        let topic = awaited_topic(&letter.error);
        if topic.is_none() {
            // The message before it has left, and the program was then killed; or it was given up.
            let is_left = letter.failures == 0 && (is_answer || letter.name == CommandSent::NAME);
            if !is_left {
                continue;
            }
        }
        if let Some(topic) = topic.filter(|topic| !is_heard(topic)) {
            let policy = if is_answer { ANSWER } else { COMMAND };
            let Some(wait) = policy
                .wait_after(letter.failures)
                .filter(|_| probed.insert(topic))
            else {
                continue;
            };
            let since = now.as_micros().saturating_sub(letter.tried_at.as_micros());
            let left = wait.saturating_sub(Duration::from_micros(since));
            // It is not requested again until the outcome of this try is there.
            next = next.min(if left.is_zero() { wait } else { left });
            if !left.is_zero() || (is_answer && answers == ANSWERS) {
                continue;
            }
            answers += usize::from(is_answer);
        }
        first.push(letter.place);
    }
    Returning { first, next }
}
