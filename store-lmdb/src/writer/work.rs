//! The requests to the writer, and how each is answered.

use super::capacity::Share;
use super::failure::{Failure, again};
use super::group_commit::GroupCommit;
use super::refused::Refused;
use futures_channel::oneshot;
use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, Appended, EntryError, EntryWrite, ExpectedVersion, StoreError,
};
use midgard::{StreamName, Version};

/// A kind of work for the writer.
pub(crate) trait Work: Sized {
    /// The answer when it was done.
    type Done;
    /// The answer when it was not done.
    type Error: From<StoreError>;

    /// Returns about how many bytes of memory it has.
    fn bytes(&self) -> usize;

    /// Returns about how many events or entries it writes, and the bytes of their contents.
    fn written(&self) -> (usize, usize);

    fn apply(&self, group: &mut GroupCommit<'_>) -> Result<Self::Done, Refused<Self::Error>>;

    fn request(job: Job<Self>) -> Request;
}

/// Removes the beginning of a stream.
pub(crate) struct Truncate {
    pub(crate) stream: StreamName,
    pub(crate) before: Version,
    pub(crate) expected: ExpectedVersion,
}

/// Ends a stream.
pub(crate) struct Tombstone {
    pub(crate) stream: StreamName,
    pub(crate) expected: ExpectedVersion,
}

impl Work for Append {
    type Done = Appended;
    type Error = AppendError;

    fn bytes(&self) -> usize {
        let events = self.events().count() * size_of::<NewEvent>();
        Append::bytes(self) + events + self.entries().map_or(0, EntryWrite::bytes)
    }

    fn written(&self) -> (usize, usize) {
        let each = self.events().map(|event| event.payload.len());
        each.fold((0, 0), |(count, bytes), more| (count + 1, bytes + more))
    }

    fn apply(&self, group: &mut GroupCommit<'_>) -> Result<Appended, Refused<AppendError>> {
        group.append(self)
    }

    fn request(job: Job<Self>) -> Request {
        Request::Append(job)
    }
}

impl Work for Truncate {
    type Done = ();
    type Error = AppendError;

    fn bytes(&self) -> usize {
        self.stream.as_str().len()
    }

    fn written(&self) -> (usize, usize) {
        (0, 0)
    }

    fn apply(&self, group: &mut GroupCommit<'_>) -> Result<(), Refused<AppendError>> {
        group.truncate(&self.stream, self.before, self.expected)
    }

    fn request(job: Job<Self>) -> Request {
        Request::Truncate(job)
    }
}

impl Work for Tombstone {
    type Done = ();
    type Error = AppendError;

    fn bytes(&self) -> usize {
        self.stream.as_str().len()
    }

    fn written(&self) -> (usize, usize) {
        (0, 0)
    }

    fn apply(&self, group: &mut GroupCommit<'_>) -> Result<(), Refused<AppendError>> {
        group.tombstone(&self.stream, self.expected)
    }

    fn request(job: Job<Self>) -> Request {
        Request::Tombstone(job)
    }
}

impl Work for EntryWrite {
    type Done = ();
    type Error = EntryError;

    fn bytes(&self) -> usize {
        EntryWrite::bytes(self)
    }

    fn written(&self) -> (usize, usize) {
        let each = self.changes().iter();
        each.fold((0, 0), |(count, bytes), (_, value)| {
            (count + 1, bytes + value.map_or(0, <[u8]>::len))
        })
    }

    fn apply(&self, group: &mut GroupCommit<'_>) -> Result<(), Refused<EntryError>> {
        group.write_entries(self)
    }

    fn request(job: Job<Self>) -> Request {
        Request::Entries(job)
    }
}

/// The outcome of work.
pub(super) type Outcome<W> = Result<<W as Work>::Done, <W as Work>::Error>;

/// The work comes back with its outcome, and its share of the queue's room is released there: if one thread allocated
/// memory and another freed it, both would wait for the allocator.
pub(super) struct Answer<W: Work> {
    pub(super) outcome: Outcome<W>,
    _work: W,
    _share: Share,
}

/// Work, its outcome once it was applied, and the channel for the answer.
pub(crate) struct Job<W: Work> {
    work: W,
    outcome: Option<Outcome<W>>,
    reply: oneshot::Sender<Answer<W>>,
    share: Share,
}

impl<W: Work> Job<W> {
    pub(super) const fn new(work: W, reply: oneshot::Sender<Answer<W>>, share: Share) -> Self {
        Job {
            work,
            outcome: None,
            reply,
            share,
        }
    }

    /// Applies the work; returns an error when the transaction failed with everything in it.
    fn apply(&mut self, group: &mut GroupCommit<'_>) -> Result<(), Failure> {
        self.outcome = Some(match self.work.apply(group) {
            Ok(done) => Ok(done),
            // A conflict fails alone: nothing was written.
            Err(Refused::Alone(error)) => Err(error),
            Err(Refused::Group(failure)) => return Err(failure),
        });
        Ok(())
    }

    fn fail(&mut self, error: &StoreError) {
        self.outcome = Some(Err(again(error).into()));
    }

    /// The outcome is set by now; without one, the request would count as never answered.
    fn answer(self) {
        if let Some(outcome) = self.outcome {
            // After its future was dropped, nobody waits for it.
            let _ = self.reply.send(Answer {
                outcome,
                _work: self.work,
                _share: self.share,
            });
        }
    }
}

/// A request in the queue of the writer.
pub(crate) enum Request {
    Append(Job<Append>),
    Truncate(Job<Truncate>),
    Tombstone(Job<Tombstone>),
    Entries(Job<EntryWrite>),
}

/// Does the same with the job of any request.
macro_rules! with_job {
    ($request:expr, $job:ident => $do:expr) => {
        match $request {
            Request::Append($job) => $do,
            Request::Truncate($job) => $do,
            Request::Tombstone($job) => $do,
            Request::Entries($job) => $do,
        }
    };
}

impl Request {
    /// Returns whether nobody waits for the outcome any more: work that was not begun need not be.
    pub(super) fn is_abandoned(&self) -> bool {
        with_job!(self, job => job.reply.is_canceled())
    }

    /// Returns about how many events or entries it writes, and the bytes of their contents.
    pub(super) fn written(&self) -> (usize, usize) {
        with_job!(self, job => job.work.written())
    }

    /// Applies the request and notes its outcome; returns an error when the transaction failed with everything in it.
    pub(super) fn apply(&mut self, group: &mut GroupCommit<'_>) -> Result<(), Failure> {
        with_job!(self, job => job.apply(group))
    }

    /// Notes that the request failed.
    pub(super) fn fail(&mut self, error: &StoreError) {
        with_job!(self, job => job.fail(error));
    }

    /// Answers with the outcome that was noted last.
    pub(super) fn answer(self) {
        with_job!(self, job => job.answer());
    }
}
