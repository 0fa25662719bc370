//! Requests to the writer, and their answers.

use crate::error::Failure;
use midgard::store::{
    Append, AppendError, Appended, EntryError, EntryWrite, ExpectedVersion, StoreError,
};
use midgard::{StreamName, Version};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A request.
pub(crate) trait Work: Send {
    type Done: Send;
    type Error: Send + From<StoreError>;

    /// Returns about how much memory it takes.
    fn bytes(&self) -> usize;

    fn into_job(self, answer: Answer<Self::Done, Self::Error>) -> Job;
}

/// Where the outcome of a request goes. It keeps the request's room in the queue.
#[derive(Debug)]
pub(crate) struct Answer<T, E> {
    to: oneshot::Sender<Result<T, E>>,
    _room: OwnedSemaphorePermit,
}

impl<T, E> Answer<T, E> {
    pub(super) const fn new(to: oneshot::Sender<Result<T, E>>, room: OwnedSemaphorePermit) -> Self {
        Answer { to, _room: room }
    }

    pub(super) fn give(self, outcome: Result<T, E>) {
        // Nobody may be waiting any more.
        let _ = self.to.send(outcome);
    }
}

/// A request in the queue.
#[derive(Debug)]
pub(crate) enum Job {
    Write(Write),
    End(End, Answer<(), AppendError>),
}

/// A request that shares its commit with others.
#[derive(Debug)]
pub(crate) enum Write {
    Append(Append, Answer<Appended, AppendError>),
    Entries(EntryWrite, Answer<(), EntryError>),
}

impl Write {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Append(append, _) => {
                append.bytes() + append.entries().map_or(0, EntryWrite::bytes)
            }
            Write::Entries(write, _) => write.bytes(),
        }
    }

    pub(super) fn fail(self, failure: Failure) {
        match self {
            Write::Append(_, answer) => answer.give(Err(AppendError::Store(failure.into()))),
            Write::Entries(_, answer) => answer.give(Err(EntryError::Store(failure.into()))),
        }
    }
}

/// What is to become of a stream.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) stream: StreamName,
    pub(crate) expected: ExpectedVersion,
    /// The first version that is kept; `None` tombstones the stream.
    pub(crate) before: Option<Version>,
}

impl Work for Append {
    type Done = Appended;
    type Error = AppendError;

    fn bytes(&self) -> usize {
        Append::bytes(self) + self.entries().map_or(0, EntryWrite::bytes)
    }

    fn into_job(self, answer: Answer<Appended, AppendError>) -> Job {
        Job::Write(Write::Append(self, answer))
    }
}

impl Work for EntryWrite {
    type Done = ();
    type Error = EntryError;

    fn bytes(&self) -> usize {
        EntryWrite::bytes(self)
    }

    fn into_job(self, answer: Answer<(), EntryError>) -> Job {
        Job::Write(Write::Entries(self, answer))
    }
}

impl Work for End {
    type Done = ();
    type Error = AppendError;

    fn bytes(&self) -> usize {
        self.stream.as_str().len()
    }

    fn into_job(self, answer: Answer<(), AppendError>) -> Job {
        Job::End(self, answer)
    }
}
