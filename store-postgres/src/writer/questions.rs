//! The questions of the rules about a group, and the queries that answer all of them at once.

use super::work::Write;
use crate::query_sql::{Alternatives, Asked, Shape};
use crate::rows::signed;
use crate::statements::Statements;
use deadpool_postgres::Object;
use futures_util::future;
use midgard::store::Append;
use midgard::store::rules::{self, Question, RECENT_EVENTS};
use midgard::{EventId, Position};
use std::collections::{BTreeMap, HashSet};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// The questions of a group, by kind.
#[derive(Default)]
pub(super) struct Questions<'a> {
    pub(super) streams: HashSet<&'a str>,
    ids: HashSet<EventId>,
    keys: HashSet<&'a [u8]>,
    conditions: BTreeMap<Shape, Conditions<'a>>,
    /// The appends whose condition all events match, with the positions after which they ask.
    everything: Vec<(usize, Position, bool)>,
}

/// The alternatives of one shape of all conditions of a group.
#[derive(Default)]
struct Conditions<'a> {
    appends: Vec<i64>,
    after: Vec<i64>,
    alternatives: Alternatives<'a>,
}

impl<'a> Questions<'a> {
    pub(super) fn of(group: &'a [Write]) -> Self {
        let mut questions = Questions::default();
        for (index, write) in group.iter().enumerate() {
            match write {
                Write::Append(append, _) => {
                    rules::questions(append).for_each(|question| questions.add(index, question));
                }
                Write::Entries(write, _) => {
                    rules::entry_questions(write)
                        .for_each(|question| questions.add(index, question));
                }
            }
        }
        questions
    }

    fn add(&mut self, index: usize, question: Question<'a>) {
        match question {
            Question::State(stream) => {
                self.streams.insert(stream.as_str());
            }
            Question::Holder { id, .. } => {
                self.ids.insert(id);
            }
            Question::Entry { key, .. } => {
                self.keys.insert(key);
            }
            Question::FirstMatch(condition) => {
                let asked = Asked::new(&condition.query);
                let after = condition.after.position;
                if asked.everything {
                    self.everything.push((index, after, asked.tombstones));
                }
                for (shape, alternatives) in asked.alternatives {
                    let all = self.conditions.entry(shape).or_default();
                    let count = alternatives.len();
                    all.appends.extend(std::iter::repeat_n(index as i64, count));
                    all.after
                        .extend(std::iter::repeat_n(signed(after.get()), count));
                    all.alternatives.append(alternatives);
                }
            }
            // Asked only where an append is not as expected, which the states tell.
            Question::Events { .. } => {}
        }
    }
}

/// The answers to the questions of a group.
pub(super) struct Found {
    pub(super) states: Vec<Row>,
    pub(super) holders: Vec<Row>,
    pub(super) entries: Vec<Row>,
    pub(super) matches: Vec<Vec<Row>>,
}

impl Questions<'_> {
    /// Sends all queries at once.
    pub(super) async fn ask(
        &self,
        client: &Object,
        statements: &Statements,
        last: Position,
    ) -> Result<Found, Error> {
        let streams: Vec<&str> = self.streams.iter().copied().collect();
        let ids: Vec<Uuid> = self.ids.iter().map(|id| Uuid::from(*id)).collect();
        let keys: Vec<&[u8]> = self.keys.iter().copied().collect();
        let oldest = signed(last.get().saturating_sub(RECENT_EVENTS as u64));

        let states = rows_if(
            client,
            &statements.states,
            !streams.is_empty(),
            vec![&streams],
        );
        let holders = rows_if(
            client,
            &statements.holders,
            !ids.is_empty(),
            vec![&ids, &oldest],
        );
        let entries = rows_if(
            client,
            &statements.entries_of,
            !keys.is_empty(),
            vec![&keys],
        );
        let by_shape = future::try_join_all(self.conditions.iter().map(|(shape, asked)| {
            let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&asked.appends, &asked.after];
            parameters.extend(asked.alternatives.parameters(shape.is_named()));
            let sql = shape.first_matches(statements);
            async move {
                let statement = client.prepare_cached(&sql).await?;
                client.query(&statement, &parameters).await
            }
        }));
        let everything = future::try_join_all(self.everything.iter().map(
            |(index, after, tombstones)| async move {
                let index = *index as i64;
                let after = signed(after.get());
                let statement = client.prepare_cached(&statements.first_after).await?;
                client
                    .query(&statement, &[&index, &after, tombstones])
                    .await
            },
        ));
        let (states, holders, entries, mut matches, more) =
            future::try_join5(states, holders, entries, by_shape, everything).await?;
        matches.extend(more);
        Ok(Found {
            states,
            holders,
            entries,
            matches,
        })
    }
}

async fn rows_if(
    client: &Object,
    sql: &str,
    is_asked: bool,
    parameters: Vec<&(dyn ToSql + Sync)>,
) -> Result<Vec<Row>, Error> {
    if !is_asked {
        return Ok(Vec::new());
    }
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, &parameters).await
}

/// Returns the appends of a group.
pub(super) fn appends(group: &[Write]) -> impl Iterator<Item = &Append> {
    group.iter().filter_map(|write| match write {
        Write::Append(append, _) => Some(append),
        Write::Entries(..) => None,
    })
}
