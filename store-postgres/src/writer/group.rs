//! Commits of groups: one transaction decides and writes many appends.

use super::columns::Written;
use super::facts::GroupFacts;
use super::work::{Answer, End, Write};
use crate::connections::Connections;
use crate::error::{self, Failure};
use crate::rows;
use crate::statements::Statements;
use crate::tail::Tail;
use deadpool_postgres::Object;
use futures_util::future;
use midgard::store::rules::{self, Ruling};
use midgard::store::{AppendError, Appended, EntryError, EventTimes, StoreError};
use midgard::{LogId, Position, Timestamp};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often a transaction is run again when the server asks for it, and how long it waits before, at first.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(2);

/// What commits.
pub(super) struct Groups {
    connections: Connections,
    pub(super) statements: Arc<Statements>,
    tail: Arc<Tail>,
    times: EventTimes,
}

/// What a write comes to.
enum Outcome {
    Append(Result<Appended, AppendError>),
    Entries(Result<(), EntryError>),
}

/// The end of the log while its row is locked.
#[derive(Clone, Copy)]
pub(super) struct LogEnd {
    pub(super) position: Position,
    pub(super) time: Timestamp,
}

impl Groups {
    pub(super) fn new(
        connections: Connections,
        statements: Arc<Statements>,
        tail: Arc<Tail>,
    ) -> Self {
        Groups {
            connections,
            statements,
            tail,
            times: EventTimes::default(),
        }
    }

    /// Decides and writes a group, and answers all of it.
    pub(super) async fn write(&mut self, group: Vec<Write>) {
        match self.try_group(&group).await {
            Ok(outcomes) => answer(group, outcomes),
            // One of them may be what the server refuses: each gets an answer of its own.
            Err(Failure::Refused { .. }) if group.len() > 1 => {
                for write in group {
                    let alone = vec![write];
                    match self.try_group(&alone).await {
                        Ok(outcomes) => answer(alone, outcomes),
                        Err(failure) => fail(alone, &failure),
                    }
                }
            }
            Err(failure) => fail(group, &failure),
        }
    }

    /// Ends or truncates a stream, and answers.
    pub(super) async fn end(&mut self, end: End, answer: Answer<(), AppendError>) {
        let mut tries = Tries::default();
        let outcome = loop {
            match self.end_once(&end).await {
                Err(failure) if tries.again(&failure).await => {}
                outcome => break outcome,
            }
        };
        answer.give(outcome.unwrap_or_else(|failure| Err(AppendError::Store(failure.into()))));
    }

    async fn try_group(&mut self, group: &[Write]) -> Result<Vec<Outcome>, Failure> {
        let mut tries = Tries::default();
        loop {
            match self.group_once(group).await {
                Err(failure) if tries.again(&failure).await => {}
                outcome => return outcome,
            }
        }
    }

    async fn group_once(&mut self, group: &[Write]) -> Result<Vec<Outcome>, Failure> {
        let client = self.connections.writing().await?;
        let decided = self.decide(&client, group).await;
        let (outcomes, written) = match decided {
            Ok(decided) => decided,
            Err(failure) => return Err(abandon(client, failure).await),
        };
        self.commit(client, &written).await?;
        Ok(outcomes)
    }

    /// Locks the log, and decides each write of a group by itself.
    async fn decide<'a>(
        &mut self,
        client: &Object,
        group: &'a [Write],
    ) -> Result<(Vec<Outcome>, Written<'a>), Failure> {
        let end = self.lock(client).await?;
        let statements = &self.statements;
        let mut facts = GroupFacts::read(client, statements, group, end.position).await?;
        let mut outcomes = Vec::with_capacity(group.len());
        for (index, write) in group.iter().enumerate() {
            facts.current = index;
            outcomes.push(match write {
                Write::Append(append, _) => {
                    let ruling = rules::decide(append, &mut facts);
                    Outcome::Append(ruling.map(|ruling| match ruling {
                        Ruling::Repeat(first) => first,
                        Ruling::Write(mut versions) => {
                            let position = facts.write(append, &mut versions);
                            Appended::new(LogId::MAIN, position, versions)
                        }
                    }))
                }
                Write::Entries(write, _) => {
                    let ruling = rules::decide_entries(write, &mut facts);
                    Outcome::Entries(ruling.map(|()| facts.change_entries(write)))
                }
            });
        }
        let time = self.times.after(end.time);
        Ok((outcomes, facts.into_written(time)))
    }

    /// Begins a transaction that has the log for itself, and returns where the log ends.
    pub(super) async fn lock(&self, client: &Object) -> Result<LogEnd, Failure> {
        let failed = |error| error::failure("lock the log", &error);
        let statement = client.prepare_cached(&self.statements.lock).await;
        let statement = statement.map_err(failed)?;
        // The rest is sent only when the lock is there: what it reads must not be older.
        let locked = future::try_join(
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
            client.query_one(&statement, &[]),
        );
        let (_, row) = locked.await.map_err(failed)?;
        let refused = |error: StoreError| Failure::Refused {
            action: "read the end of the log",
            reason: error.to_string(),
        };
        Ok(LogEnd {
            position: Position(rows::number(&row, 0).map_err(refused)?),
            time: rows::column::<SystemTime>(&row, 1).map_err(refused)?.into(),
        })
    }

    /// Writes and commits, and wakes those that wait for events.
    pub(super) async fn commit(
        &self,
        client: Object,
        written: &Written<'_>,
    ) -> Result<(), Failure> {
        if let Err(error) = written.commit(&client, &self.statements).await {
            let failure = error::committing(&error);
            return Err(abandon(client, failure).await);
        }
        if let Some((position, _)) = written.end {
            self.tail.reached(position);
        }
        Ok(())
    }

    pub(super) async fn connection(&self) -> Result<Object, Failure> {
        self.connections.writing().await
    }

    /// Returns the time of an event that follows one recorded at `last`.
    pub(super) fn time_after(&mut self, last: Timestamp) -> Timestamp {
        self.times.after(last)
    }
}

/// Undoes a transaction, or drops its connection if that cannot be told.
pub(super) async fn abandon(client: Object, failure: Failure) -> Failure {
    if client.batch_execute("ROLLBACK").await.is_err() {
        drop(Object::take(client));
    }
    failure
}

/// How often something was tried.
#[derive(Default)]
struct Tries {
    again: u32,
    lost: u32,
}

impl Tries {
    /// Returns whether to try again after a failure, when it is time to.
    async fn again(&mut self, failure: &Failure) -> bool {
        match failure {
            Failure::Again(_) if self.again < TRIES => {
                self.again += 1;
                tokio::time::sleep(PAUSE * (1 << self.again)).await;
                true
            }
            // The connection may have been lost long ago, while nobody used it.
            Failure::Lost(_) if self.lost == 0 => {
                self.lost = 1;
                true
            }
            _ => false,
        }
    }
}

fn answer(group: Vec<Write>, outcomes: Vec<Outcome>) {
    for (write, outcome) in group.into_iter().zip(outcomes) {
        match (write, outcome) {
            (Write::Append(_, answer), Outcome::Append(outcome)) => answer.give(outcome),
            (Write::Entries(_, answer), Outcome::Entries(outcome)) => answer.give(outcome),
            // An outcome is of the kind of its write.
            (write, _) => write.fail(Failure::Unknown("it was not decided".to_owned())),
        }
    }
}

fn fail(group: Vec<Write>, failure: &Failure) {
    for write in group {
        write.fail(failure.clone());
    }
}
