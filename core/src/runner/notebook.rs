//! What can be read and requested of a consumer of any kind from outside, through its notes.

use crate::consumer::DeadLetter;
use crate::consumer::handler::Handler;
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::NoteError;
use crate::inbox::{Dispatch, InboxWorker, ParkedMessage, ask_messages, parked_messages};
use crate::place::{LogId, Place, Position};
use crate::process::{Process, ProcessBook, ProcessManager};
use std::future::ready;
use std::pin::Pin;

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, NoteError>> + Send + 'a>>;

/// The notes of any consumer. By default, there are none of a kind.
pub(crate) trait Notebook: Send + Sync {
    /// Reads the position up to which all of a log was noted as handled; `None` when it has not begun.
    fn checkpoint(&self, log: LogId) -> Answer<'_, Option<Position>> {
        let _ = log;
        Box::pin(ready(Ok(None)))
    }

    /// Lists what is parked after a place, log by log and in the order of each, and at most `limit`.
    fn dead_letters(&self, after: Place, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        let _ = (after, limit);
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Leaves requests about the events parked at these places: to give them up, or to retry their sequences. Returns at how
    /// many places something is parked.
    fn ask<'a>(&'a self, places: &'a [Place], is_eviction: bool) -> Answer<'a, usize> {
        let _ = (places, is_eviction);
        Box::pin(ready(Ok(0)))
    }

    /// Leaves a request for a rebuild; returns whether it is a projection.
    fn rebuild(&self) -> Answer<'_, bool> {
        Box::pin(ready(Ok(false)))
    }

    /// Lists the processes that have not ended, in the order of their ids.
    fn processes(&self) -> Answer<'_, Vec<Process>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Lists the messages that are parked after a number, in the order of time, and at most `limit`.
    fn parked_messages<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<ParkedMessage>> {
        let _ = (after, limit);
        Box::pin(ready(Ok(Vec::new())))
    }

    /// Leaves requests about parked messages; returns how many messages have these numbers.
    fn ask_messages<'a>(&'a self, numbers: &'a [String], is_eviction: bool) -> Answer<'a, usize> {
        let _ = (numbers, is_eviction);
        Box::pin(ready(Ok(0)))
    }
}

impl<H: Handler> Notebook for NotebookOf<H> {
    fn checkpoint(&self, log: LogId) -> Answer<'_, Option<Position>> {
        Box::pin(self.checkpoint(log))
    }

    fn dead_letters(&self, after: Place, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        Box::pin(self.dead_letters(after, limit))
    }

    fn ask<'a>(&'a self, places: &'a [Place], is_eviction: bool) -> Answer<'a, usize> {
        Box::pin(self.ask(places, is_eviction))
    }

    fn rebuild(&self) -> Answer<'_, bool> {
        Box::pin(self.rebuild())
    }
}

impl<P: ProcessManager> Notebook for ProcessBook<P> {
    fn checkpoint(&self, log: LogId) -> Answer<'_, Option<Position>> {
        Box::pin(self.0.checkpoint(log))
    }

    fn dead_letters(&self, after: Place, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        Box::pin(self.0.dead_letters(after, limit))
    }

    fn ask<'a>(&'a self, places: &'a [Place], is_eviction: bool) -> Answer<'a, usize> {
        Box::pin(self.0.ask(places, is_eviction))
    }

    fn processes(&self) -> Answer<'_, Vec<Process>> {
        Box::pin(self.list())
    }
}

impl<D: Dispatch> Notebook for InboxWorker<D> {
    fn parked_messages<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<ParkedMessage>> {
        Box::pin(parked_messages(&self.work, &self.keys, after, limit))
    }

    fn ask_messages<'a>(&'a self, numbers: &'a [String], is_eviction: bool) -> Answer<'a, usize> {
        Box::pin(ask_messages(&self.work, &self.keys, numbers, is_eviction))
    }
}
