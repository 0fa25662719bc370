//! What a program can ask of its consumers while they run.

use crate::consumer::DeadLetter;
use crate::consumer::control::{Control, Mode};
use crate::consumer::notebook::Notebook;
use crate::consumer::notes::NoteError;
use crate::consumer::status::{ConsumerKind, ConsumerState, Progress, Status};
use crate::error::StoreError;
use crate::inbox::ParkedMessage;
use crate::place::{LogId, Position};
use crate::process::Process;
use crate::store::Store;
use crate::time::Timestamp;
use futures_timer::Delay;
use futures_util::future::{Either, pending, select};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How often the notes are read for how far workers elsewhere are.
const POLL: Duration = Duration::from_millis(5);
/// How often the status is looked at, though nobody says that it has changed.
const LOOK: Duration = Duration::from_millis(50);
/// Where to look for the events that are parked.
const LISTED: &str = "look at those that `dead_letters` lists";
/// How often something is asked for when others change what it depends on.
const TRIES: u32 = 5;
/// How much of what is parked is looked at in one step, and asked for.
const PAGE: usize = 1000;
/// The same of messages, which are read with it.
const MESSAGES: usize = 100;

/// Tells how the consumers of a [`Midgard`](crate::Midgard) are doing, waits for them, and stops them. Cheap
/// to clone.
///
/// Dead letters, rebuilds and waits also work for consumers that run in another process, and before
/// [`run`](crate::Midgard::run): what is asked for is left in the consumer's notes, for the worker that runs it.
#[derive(Clone)]
pub struct MidgardHandle {
    log: Arc<dyn Log>,
    control: Arc<Control>,
    consumers: Arc<[Consumer]>,
}

/// A store of which only the end of the log is asked.
pub(super) trait Log: Send + Sync {
    fn end(&self) -> Pin<Box<dyn Future<Output = Result<Position, StoreError>> + Send + '_>>;
}

impl<S: Store> Log for S {
    fn end(&self) -> Pin<Box<dyn Future<Output = Result<Position, StoreError>> + Send + '_>> {
        Box::pin(self.last_position(LogId::MAIN))
    }
}

/// A consumer, as it is known from outside.
#[derive(Clone)]
pub(super) struct Consumer {
    pub(super) progress: Arc<Progress>,
    pub(super) notebook: Arc<dyn Notebook>,
}

/// Why something that was asked of a handle was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The program has no consumer of this name.
    #[error("this program runs nothing called \"{name}\"; look at the names that `status()` lists")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It took too long.
    #[error("waited {timeout:?} for \"{name}\" to {wanted}; it is so far: {status}")]
    TimedOut {
        /// The name.
        name: String,
        /// What was waited for.
        wanted: String,
        /// For how long.
        timeout: Duration,
        /// How it is doing.
        status: Box<Status>,
    },
    /// It has failed, was stopped or dropped, or was never run.
    #[error("\"{name}\" {what}: {status}; {next}")]
    Ended {
        /// The name.
        name: String,
        /// How it is doing.
        status: Box<Status>,
        /// What has become of it.
        what: &'static str,
        /// What to do about it.
        next: &'static str,
    },
    /// Nothing is parked where something was named.
    #[error("\"{name}\" has nothing parked {which}")]
    NotParked {
        /// The name of the consumer.
        name: String,
        /// Which was named, and where to look for what there is.
        which: String,
    },
    /// Only projections have views that can be built anew.
    #[error(
        "\"{name}\" is no projection, and has no views to build anew; to handle everything once more, begin one of another name"
    )]
    NotAProjection {
        /// The name.
        name: String,
    },
    /// An inbox follows a queue, and not the log of this service: no position of the log tells how far it is.
    #[error(
        "\"{name}\" is an inbox, which does not follow the log of this service and reaches no position of it; wait for what its messages lead to, or for its status with `wait_until`"
    )]
    NotOfTheLog {
        /// The name.
        name: String,
    },
    /// What is written down about a consumer could not be read or changed.
    #[error("the notes of \"{name}\" could not be used: {source}")]
    Notes {
        /// The name.
        name: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MidgardHandle {
    pub(super) fn new(log: Arc<dyn Log>, control: Arc<Control>, consumers: Vec<Consumer>) -> Self {
        MidgardHandle {
            log,
            control,
            consumers: consumers.into(),
        }
    }

    /// How every consumer is doing.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        let all = self.consumers.iter();
        all.map(|one| one.progress.status()).collect()
    }

    /// How one consumer is doing.
    ///
    /// # Errors
    /// [`HandleError::Unknown`] when there is none of this name.
    pub fn status_of(&self, name: &str) -> Result<Status, HandleError> {
        Ok(self.find(name)?.progress.status())
    }

    /// Lets every consumer handle what the log has now; then [`Midgard::run`](crate::Midgard::run) returns. An inbox
    /// receives for as long as others of this program read the log, and ends when what it then has in hand is done; what is
    /// left in its queue stays there. Of the deadlines of processes, those are fired that have passed by now.
    pub fn drain(&self) {
        self.control.set(Mode::Drain);
    }

    /// Lets every consumer end with the event that it is at, and an inbox with the messages that its handlers are at; then [`Midgard::run`](crate::Midgard::run)
    /// returns. Nothing is lost: they go on from there when they are run again. What has not ended
    /// [in time](crate::Midgard::stop_within) is dropped.
    pub fn stop(&self) {
        self.control.set(Mode::Stop);
    }

    /// Starts a consumer again that has failed.
    ///
    /// # Errors
    /// [`HandleError::Unknown`] when there is none of this name, and [`HandleError::Ended`] when nothing runs it any more.
    pub fn restart(&self, name: &str) -> Result<(), HandleError> {
        let progress = &self.find(name)?.progress;
        if !progress.ask_restart() {
            return Err(ended(progress));
        }
        self.control.wake();
        Ok(())
    }

    /// Waits until every consumer of this program is at work: an inbox has its queue, and all others have looked for what
    /// they own, and handle it or stand by.
    ///
    /// # Errors
    /// [`HandleError::Ended`] when one of them has failed, or does not run any more.
    pub async fn ready(&self) -> Result<(), HandleError> {
        for Consumer { progress, .. } in &*self.consumers {
            let is_lost = || progress.state() == ConsumerState::Failed || progress.is_over();
            progress.until(|| progress.is_ready() || is_lost()).await;
            if progress.state() == ConsumerState::Failed || !progress.is_ready() {
                return Err(ended(progress));
            }
        }
        Ok(())
    }

    /// Waits until nothing of this program runs any more, however it has come to that: [`status`](Self::status) says how each
    /// consumer has ended. One that has failed and may be [restarted](Self::restart) has not ended.
    pub async fn ended(&self) {
        for Consumer { progress, .. } in &*self.consumers {
            progress.until(|| progress.is_over()).await;
        }
    }

    /// Builds the views of a projection anew, from the first event on, beside those that readers see, which
    /// stay up to date meanwhile. Readers switch once the new ones have come as far. What was to happen
    /// [after commits](crate::Context::after_commit) does not happen again.
    ///
    /// A new version of a projection, or of the definition of its views, is rebuilt without being asked.
    ///
    /// # Errors
    /// [`HandleError::NotAProjection`], or when it cannot be asked for.
    pub async fn rebuild(&self, name: &str) -> Result<(), HandleError> {
        let consumer = self.find(name)?;
        let is_projection = self
            .tried(name, async || consumer.notebook.rebuild().await)
            .await?;
        if !is_projection {
            let name = name.to_owned();
            return Err(HandleError::NotAProjection { name });
        }
        self.control.wake();
        Ok(())
    }

    /// The events that a consumer has parked, in the order of the log: all of them. Where there may be many, ask for
    /// [pages](Self::dead_letters_page).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn dead_letters(&self, name: &str) -> Result<Vec<DeadLetter>, HandleError> {
        self.dead_letters_page(name, Position::ZERO, usize::MAX)
            .await
    }

    /// At most so many of the events that a consumer has parked, in the order of the log, after a position: that of the last
    /// letter of the page before; [`Position::ZERO`] begins. A page that is not full is the last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn dead_letters_page(
        &self,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, HandleError> {
        let letters = self.find(name)?.notebook.dead_letters(after, limit).await;
        letters.map_err(|error| notes(name, error))
    }

    /// Asks for the parked events of a sequence to be handled, in order, until one fails. Once none is left,
    /// the sequence goes on with its later events.
    ///
    /// It is done by the worker that the sequence belongs to, soon when it runs in this program, else within
    /// its [lease](crate::ConsumerOptions::lease).
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when it cannot be asked for.
    pub async fn retry(&self, name: &str, sequence: &str) -> Result<(), HandleError> {
        let asked = self
            .retry_all(name, |letter| letter.sequence == sequence)
            .await?;
        if asked == 0 {
            return Err(HandleError::NotParked {
                name: name.to_owned(),
                which: format!("of sequence \"{sequence}\"; {LISTED}"),
            });
        }
        Ok(())
    }

    /// Asks for all sequences to be [retried](Self::retry) that have a parked event as wanted: all that failed for one cause,
    /// say. Says how many sequences that are.
    ///
    /// ```
    /// # async fn example(handle: midgard::MidgardHandle) -> Result<(), midgard::HandleError> {
    /// let sequences = handle.retry_all("mailer", |letter| letter.error.contains("connection refused")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When they cannot be read, or asked for. Some may be asked for then; it does no harm to ask again.
    pub async fn retry_all(
        &self,
        name: &str,
        is_wanted: impl Fn(&DeadLetter) -> bool + Send,
    ) -> Result<usize, HandleError> {
        let (mut after, mut sequences) = (Position::ZERO, HashMap::new());
        loop {
            let page = self.dead_letters_page(name, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map_or(after, |letter| letter.position);
            for letter in page {
                let is_wanted = is_wanted(&letter);
                // It is asked about the last of a sequence, which is there until all before it were handled.
                if let Some((last, wanted)) = sequences.get_mut(&letter.sequence) {
                    (*last, *wanted) = (letter.position, *wanted || is_wanted);
                } else {
                    sequences.insert(letter.sequence, (letter.position, is_wanted));
                }
            }
            if is_last {
                break;
            }
        }
        let wanted = sequences.into_values().filter(|(_, is_wanted)| *is_wanted);
        let mut positions: Vec<_> = wanted.map(|(last, _)| last).collect();
        positions.sort_unstable();
        let mut asked = 0;
        for positions in positions.chunks(PAGE) {
            asked += self.ask(name, positions, false).await?;
        }
        Ok(asked)
    }

    /// Gives up a parked event for good: it is never handled. What is parked behind it stays so until its
    /// sequence is [retried](Self::retry).
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when it cannot be asked for.
    pub async fn evict(&self, name: &str, position: Position) -> Result<(), HandleError> {
        if self.ask(name, &[position], true).await? == 0 {
            return Err(HandleError::NotParked {
                name: name.to_owned(),
                which: format!("at position {position}; {LISTED}"),
            });
        }
        Ok(())
    }

    /// The messages that an inbox has parked, in the order in which they came: all of them, with what they say. Where there
    /// may be many, ask for [pages](Self::parked_messages_page).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn parked_messages(&self, name: &str) -> Result<Vec<ParkedMessage>, HandleError> {
        self.parked_messages_page(name, "", usize::MAX).await
    }

    /// At most so many of the messages that an inbox has parked, in the order in which they came, after a
    /// [number](ParkedMessage::number): that of the last message of the page before; `""` begins. A page that is not full
    /// is the last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn parked_messages_page(
        &self,
        name: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, HandleError> {
        let parked = self
            .find(name)?
            .notebook
            .parked_messages(after, limit)
            .await;
        parked.map_err(|error| notes(name, error))
    }

    /// Asks for a parked message to be handled, by its [number](ParkedMessage::number). Where later messages of its source
    /// with its key are parked behind it, all of those are handled, in order, until one fails.
    ///
    /// It is done by the worker that receives, within a second.
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when it cannot be asked for.
    pub async fn retry_message(&self, name: &str, number: &str) -> Result<(), HandleError> {
        self.ask_message(name, number, false).await
    }

    /// Asks for all parked messages to be [retried](Self::retry_message) that are as wanted: all that failed for one cause,
    /// say. Says how many those are, without the ones that are parked behind them.
    ///
    /// # Errors
    /// When they cannot be read, or asked for. Some may be asked for then; it does no harm to ask again.
    pub async fn retry_all_messages(
        &self,
        name: &str,
        is_wanted: impl Fn(&ParkedMessage) -> bool + Send,
    ) -> Result<usize, HandleError> {
        let (mut after, mut asked) = (String::new(), 0);
        loop {
            let page = self.parked_messages_page(name, &after, MESSAGES).await?;
            let wanted = page.iter().filter(|parked| is_wanted(parked));
            let numbers: Vec<_> = wanted.map(|parked| parked.number.clone()).collect();
            asked += self.ask_messages(name, &numbers, false).await?;
            match page.last() {
                Some(last) if page.len() == MESSAGES => after.clone_from(&last.number),
                _ => return Ok(asked),
            }
        }
    }

    /// Gives up a parked message for good: it is never handled. Who has sent it as a command, and waits for an answer, is told
    /// that it is refused. What is parked behind it stays so until it is retried.
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when it cannot be asked for.
    pub async fn evict_message(&self, name: &str, number: &str) -> Result<(), HandleError> {
        self.ask_message(name, number, true).await
    }

    /// The processes of a process manager that go on, by their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn processes(&self, name: &str) -> Result<Vec<Process>, HandleError> {
        let processes = self.find(name)?.notebook.processes().await;
        processes.map_err(|error| notes(name, error))
    }

    /// The processes that nothing moves any more: [`Process::is_stuck`].
    ///
    /// # Errors
    /// As [`processes`](Self::processes).
    pub async fn stuck_processes(
        &self,
        name: &str,
        silence: Duration,
    ) -> Result<Vec<Process>, HandleError> {
        let mut processes = self.processes(name).await?;
        let now = Timestamp::now();
        processes.retain(|process| process.is_stuck(now, silence));
        Ok(processes)
    }

    async fn ask_message(
        &self,
        name: &str,
        number: &str,
        is_eviction: bool,
    ) -> Result<(), HandleError> {
        let numbers = [number.to_owned()];
        if self.ask_messages(name, &numbers, is_eviction).await? == 0 {
            return Err(HandleError::NotParked {
                name: name.to_owned(),
                which: format!(
                    "of number \"{number}\"; look at the numbers that `parked_messages` lists"
                ),
            });
        }
        Ok(())
    }

    async fn ask_messages(
        &self,
        name: &str,
        numbers: &[String],
        is_eviction: bool,
    ) -> Result<usize, HandleError> {
        let notebook = &self.find(name)?.notebook;
        let ask = async || notebook.ask_messages(numbers, is_eviction).await;
        let asked = self.tried(name, ask).await?;
        self.control.wake();
        Ok(asked)
    }

    async fn ask(
        &self,
        name: &str,
        positions: &[Position],
        is_eviction: bool,
    ) -> Result<usize, HandleError> {
        let notebook = &self.find(name)?.notebook;
        let ask = async || notebook.ask(positions, is_eviction).await;
        let asked = self.tried(name, ask).await?;
        self.control.wake();
        Ok(asked)
    }

    /// Asks again when another has changed meanwhile what it depends on.
    async fn tried<T>(
        &self,
        name: &str,
        ask: impl AsyncFn() -> Result<T, NoteError>,
    ) -> Result<T, HandleError> {
        let mut tries = 1;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) if tries == TRIES => return Err(notes(name, error)),
                Err(_) => tries += 1,
            }
        }
    }

    /// Waits until a consumer has handled everything up to a position: what was appended there shows in
    /// what it keeps. Workers in other processes count too. Without a position, as that of a command that
    /// changed nothing, there is nothing to wait for. In this program, one that has failed or ended is not waited
    /// for.
    ///
    /// # Errors
    /// [`HandleError`] says why it was not waited for any longer.
    pub async fn wait_for(
        &self,
        name: &str,
        position: impl Into<Option<Position>> + Send,
        timeout: Duration,
    ) -> Result<(), HandleError> {
        let consumer = self.find(name)?;
        if consumer.progress.status().kind == ConsumerKind::Inbox {
            let name = name.to_owned();
            return Err(HandleError::NotOfTheLog { name });
        }
        let Some(position) = position.into() else {
            return Ok(());
        };
        let mut alarm = Delay::new(timeout);
        loop {
            let changed = consumer.progress.listen();
            let status = consumer.progress.status();
            let is_all_here =
                status.all_partitions > 0 && status.partitions == status.all_partitions;
            if is_all_here && status.position >= position {
                return Ok(());
            }
            if !is_all_here {
                let written = consumer.notebook.checkpoint().await;
                let written = written.map_err(|error| notes(name, error))?;
                // What is ahead of the log was made of another one.
                if let Some(written) = written.filter(|written| *written >= position)
                    && written <= self.log.end().await?
                {
                    return Ok(());
                }
            }
            if status.state.is_end() {
                return Err(ended(&consumer.progress));
            }
            let poll = async {
                if is_all_here {
                    pending::<()>().await;
                }
                Delay::new(POLL).await;
            };
            let poll = std::pin::pin!(poll);
            if let Either::Right(_) = select(select(changed, poll), &mut alarm).await {
                let wanted = format!("reach position {position}");
                return Err(timed_out(name, wanted, timeout, &consumer.progress));
            }
        }
    }

    /// Waits until the status of a consumer in this program is as wanted.
    ///
    /// # Errors
    /// [`HandleError::Unknown`], [`HandleError::TimedOut`], and [`HandleError::Ended`] when its status does not change any more.
    pub async fn wait_until(
        &self,
        name: &str,
        timeout: Duration,
        is_wanted: impl Fn(&Status) -> bool + Send,
    ) -> Result<Status, HandleError> {
        let progress = &self.find(name)?.progress;
        let mut alarm = Delay::new(timeout);
        loop {
            let changed = progress.listen();
            let status = progress.status();
            if is_wanted(&status) {
                return Ok(status);
            }
            if progress.is_over() && !is_wanted(&progress.status()) {
                return Err(ended(progress));
            }
            // What a handler is at changes with each event, and wakes nobody.
            let again = select(changed, Delay::new(LOOK));
            if let Either::Right(_) = select(again, &mut alarm).await {
                let wanted = "be in the wanted state".to_owned();
                return Err(timed_out(name, wanted, timeout, progress));
            }
        }
    }

    fn find(&self, name: &str) -> Result<&Consumer, HandleError> {
        let mut all = self.consumers.iter();
        all.find(|one| one.progress.name() == name)
            .ok_or_else(|| HandleError::Unknown {
                name: name.to_owned(),
            })
    }
}

fn notes(name: &str, error: NoteError) -> HandleError {
    HandleError::Notes {
        name: name.to_owned(),
        source: Box::new(error),
    }
}

/// That a consumer has come to its end, and what to do about it.
fn ended(progress: &Progress) -> HandleError {
    let status = progress.status();
    let (what, next) = match status.state {
        ConsumerState::Failed if progress.is_over() => (
            "has failed, and its program does not run it any more",
            "mend it and run the program again",
        ),
        ConsumerState::Failed => (
            "has failed and does not go on",
            "mend it and call `restart`",
        ),
        ConsumerState::Stopped => ("was stopped", "run it again"),
        ConsumerState::Dropped => (
            "does not run any more, as the future of `run` was dropped or its task aborted",
            "run it again, and stop it with a handle",
        ),
        _ => (
            "was never run",
            "await `Midgard::run`, and see what it returns",
        ),
    };
    HandleError::Ended {
        name: status.name.clone(),
        status: Box::new(status),
        what,
        next,
    }
}

fn timed_out(name: &str, wanted: String, timeout: Duration, progress: &Progress) -> HandleError {
    HandleError::TimedOut {
        name: name.to_owned(),
        wanted,
        timeout,
        status: Box::new(progress.status()),
    }
}

impl fmt::Debug for MidgardHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MidgardHandle")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
