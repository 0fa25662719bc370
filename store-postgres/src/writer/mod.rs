//! The writer: one task of a store commits for all of its handles, many appends at once.
//!
//! An append that is in the queue is decided by the task, whether its caller still waits or not.

mod columns;
mod ending;
mod facts;
mod group;
mod work;

use crate::connections::Connections;
use crate::error::Failure;
use crate::statements::Statements;
use crate::tail::Tail;
use group::Groups;
use midgard::store::StoreError;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use work::{Answer, Job};
pub(crate) use work::{End, Work};

/// How many bytes may wait for the writer. Whoever comes with more waits for room.
const QUEUE_BYTES: u32 = 64 << 20;
/// How much a commit takes from the queue.
const GROUP_BYTES: usize = 4 << 20;
const GROUP_JOBS: usize = 1024;

/// The queue of the writer. Its task ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    location: String,
}

impl Writer {
    pub(crate) fn start(
        runtime: &Handle,
        connections: Connections,
        statements: Arc<Statements>,
        tail: Arc<Tail>,
    ) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let location = connections.location();
        let groups = Groups::new(connections, statements, tail);
        runtime.spawn(run(jobs, groups));
        Writer {
            queue,
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            location,
        }
    }

    /// Has the task do a piece of work, and waits for the outcome.
    pub(crate) async fn submit<W: Work>(&self, work: W) -> Result<W::Done, W::Error> {
        let size = u32::try_from(work.bytes())
            .unwrap_or(QUEUE_BYTES)
            .min(QUEUE_BYTES);
        let closed = || StoreError::Closed {
            location: self.location.clone(),
        };
        let room = self.room.clone().acquire_many_owned(size).await;
        let room = room.map_err(|_| closed())?;
        let (answer, outcome) = oneshot::channel();
        let job = work.into_job(Answer::new(answer, room));
        self.queue.send(job).map_err(|_| closed())?;
        // The task never drops a job without an answer, unless its runtime ends.
        outcome.await.unwrap_or_else(|_| {
            let reason = "the runtime in which the store was opened has ended".to_owned();
            Err(W::Error::from(Failure::Unknown(reason).into()))
        })
    }
}

/// Does the work in the queue, in its order, until nobody can add to it.
async fn run(mut jobs: mpsc::UnboundedReceiver<Job>, mut groups: Groups) {
    let mut ahead = None;
    loop {
        let first = match ahead.take() {
            Some(job) => job,
            None => match jobs.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let first = match first {
            Job::End(end, answer) => {
                groups.end(end, answer).await;
                continue;
            }
            Job::Write(write) => write,
        };
        // Those that were answered just now are about to come back.
        tokio::task::yield_now().await;
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while bytes < GROUP_BYTES && group.len() < GROUP_JOBS {
            match jobs.try_recv() {
                Ok(Job::Write(write)) => {
                    bytes += write.bytes();
                    group.push(write);
                }
                // What it removes may be what conditions ask for: it has a commit of its own.
                Ok(end) => {
                    ahead = Some(end);
                    break;
                }
                Err(_) => break,
            }
        }
        groups.write(group).await;
    }
}
