//! What the writer is asked to do, and how each request is answered.

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

/// Something that the writer can do.
pub(crate) trait Work: Sized {
    /// The answer when it was done.
    type Done;
    /// The answer when it was not.
    type Error: From<StoreError>;

    /// How many bytes of memory it has, about.
    fn bytes(&self) -> usize;

    /// How many events or entries it writes, and the bytes of their contents, about.
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

/// The work comes back with its outcome, and gives its room back there: what one thread allocated and another frees makes both
/// wait for the allocator.
pub(super) struct Answer<W: Work> {
    pub(super) outcome: Outcome<W>,
    _work: W,
    _share: Share,
}

/// Work, its outcome once it was applied, and where that goes.
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

    /// Applies the work; an error when the transaction failed with all that is in it.
    fn apply(&mut self, group: &mut GroupCommit<'_>) -> Result<(), Failure> {
        self.outcome = Some(match self.work.apply(group) {
            Ok(done) => Ok(done),
            // One that conflicts fails alone: it wrote nothing.
            Err(Refused::Alone(error)) => Err(error),
            Err(Refused::Group(failure)) => return Err(failure),
        });
        Ok(())
    }

    fn fail(&mut self, error: &StoreError) {
        self.outcome = Some(Err(again(error).into()));
    }

    /// Without an outcome, which there is by now, it would be taken for one that was never answered.
    fn answer(self) {
        if let Some(outcome) = self.outcome {
            // Nobody waits for it any more when its future was dropped.
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
    /// Whether nobody waits for the outcome any more: nothing was begun, so nothing needs to be.
    pub(super) fn is_abandoned(&self) -> bool {
        with_job!(self, job => job.reply.is_canceled())
    }

    /// How many events or entries it writes, and the bytes of their contents, about.
    pub(super) fn written(&self) -> (usize, usize) {
        with_job!(self, job => job.work.written())
    }

    /// Applies the request, whose outcome it notes; an error when the transaction failed with all that is in it.
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
