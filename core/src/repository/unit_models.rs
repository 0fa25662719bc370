//! Decision models in a unit of work.

use super::{ExecuteError, LoadError, UnitOfWork, model_replay};
use crate::aggregate::Command;
use crate::decision_model::DecisionModel;
use crate::event::metadata::Metadata;
use crate::place::{Place, Position};
use crate::store::{AppendCondition, Query, QueryItem, Store};
use std::collections::HashSet;

/// What a unit of work has read for its decision models.
#[derive(Debug, Default)]
pub(super) struct ModelsRead {
    /// The position that all models were read up to: one moment for all, so that one condition is right for all.
    pub(super) end: Option<Position>,
    query: Query,
    /// The items of the query: a unit may read one model many times.
    known: HashSet<QueryItem>,
}

impl ModelsRead {
    fn add(&mut self, items: Vec<QueryItem>) {
        for item in items {
            if !self.known.contains(&item) {
                self.known.insert(item.clone());
                self.query = std::mem::take(&mut self.query).or(item);
            }
        }
    }

    /// Returns whether a model was read from the log, and not from the streams of aggregates alone.
    pub(super) fn is_of_log(&self) -> bool {
        // A query without items finds all events.
        !self.query.items().is_empty()
    }

    /// Returns what must not have been appended meanwhile.
    pub(super) fn condition(self) -> Option<AppendCondition> {
        let after = Place::main(self.end?);
        self.is_of_log().then_some(AppendCondition {
            query: self.query,
            after,
        })
    }
}

impl<S: Store> UnitOfWork<S> {
    /// Reads a [decision model](crate::DecisionModel), including the decisions of this unit of work.
    ///
    /// Decisions of this unit may rely on it: when others append an event that it is folded from before the commit, that is a
    /// conflict.
    ///
    /// All models of a unit of work, and the aggregates that it loads after the first of them, are read as of one moment. What
    /// others append from then on is a conflict, also if a model is read later. So let work that takes long come first. An
    /// aggregate that the unit loaded before must still be the same at that moment; otherwise the unit runs again at once.
    ///
    /// Each call reads all events of the model again, also if the unit has read the same model before.
    ///
    /// In a store with several logs, a model finds events of the main log. The aggregates of the unit must be in that log, too,
    /// unless all of its models are aggregates alone.
    ///
    /// # Errors
    /// [`LoadError`]: an event that cannot be read fails the read, with its name, version and position;
    /// [`LoadError::Overtaken`] when an aggregate that was loaded before has changed;
    /// [`StoreError::SeveralLogs`](crate::store::StoreError::SeveralLogs) when an aggregate of the unit is in another log.
    pub async fn load_model<M: DecisionModel>(&mut self, model: M) -> Result<M, LoadError> {
        let mut model = model.__initial();
        let (store, end) = (&self.store, self.models.end);
        let end = model_replay::read_log(store, &mut model, Position::ZERO, end).await?;
        self.models.add(model.items());
        self.check_logs()?;
        if self.models.end.is_none() {
            self.check_unchanged(end).await?;
            self.models.end = Some(end);
        }
        for part in model.__parts() {
            if let Some((stream, state)) = part.stream() {
                self.read_stream(&stream?, state).await?;
            }
        }
        model_replay::apply_pending(&mut model, self.append.parts())?;
        Ok(model)
    }

    /// Reads a [decision model](crate::DecisionModel) and lets the command decide; returns the model after the events that
    /// follow, which go to whatever streams they name.
    ///
    /// Each call reads all events of the model again. So decide in one command what belongs together, rather than in a loop of
    /// commands on one model.
    ///
    /// ```standalone_crate
    /// # use midgard::repository::{ExecuteError, Repositories};
    /// # use midgard::{Aggregate, Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "user_name.taken")]
    /// # struct NameTaken { #[event(tag = "user_name")] user_name: String, user: u64 }
    /// # #[derive(Debug, DecisionModel)]
    /// # #[decision(events(NameTaken))]
    /// # struct UserName { #[decision(tag)] user_name: String, is_taken: bool }
    /// # impl Apply<NameTaken> for UserName { fn apply(&mut self, _: NameTaken) { self.is_taken = true; } }
    /// # #[derive(Debug, PartialEq)]
    /// # struct IsTaken;
    /// # struct Take { user: u64 }
    /// # impl Command<UserName> for Take {
    /// #     type Error = IsTaken;
    /// #     fn decide(&self, name: &UserName) -> Result<Events<UserName>, IsTaken> {
    /// #         if name.is_taken { return Err(IsTaken) }
    /// #         Ok(events![NameTaken { user_name: name.user_name.clone(), user: self.user }])
    /// #     }
    /// # }
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "user.registered")]
    /// # struct Registered {}
    /// # #[derive(Debug, Default, Aggregate)]
    /// # #[aggregate(name = "user", id = u64, events(Registered))]
    /// # struct User;
    /// # impl Apply<Registered> for User { fn apply(&mut self, _: Registered) {} }
    /// # struct Register;
    /// # impl Command<User> for Register {
    /// #     type Error = IsTaken;
    /// #     fn decide(&self, _: &User) -> Result<Events<User>, IsTaken> { Ok(events![Registered {}]) }
    /// # }
    /// # midgard::block_on(async {
    /// let all = Repositories::new(MemoryStore::new());
    /// let register = async |user: u64| {
    ///     all.execute_together(async |unit| -> Result<(), ExecuteError<IsTaken>> {
    ///         unit.execute_on_model(UserName::of("ann".to_owned()), &Take { user }).await?;
    ///         unit.execute::<User, _>(&user, &Register).await?;
    ///         Ok(())
    ///     })
    ///     .await
    /// };
    /// register(1).await.unwrap();
    /// assert!(matches!(register(2).await, Err(ExecuteError::Rejected(IsTaken))));
    /// assert!(!all.of::<User>().exists(&2).await.unwrap(), "all or nothing");
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] with the command's own error, or an error of reading or encoding. No event is added then.
    pub async fn execute_on_model<M, C>(
        &mut self,
        model: M,
        command: &C,
    ) -> Result<M, ExecuteError<C::Error>>
    where
        M: DecisionModel,
        C: Command<M>,
    {
        let mut metadata = self.metadata.clone();
        let model = self.decide_on_model(model, command, &mut metadata).await?;
        self.metadata = metadata;
        Ok(model)
    }

    /// Lets a command decide on a model, and adds its events.
    pub(crate) async fn decide_on_model<M: DecisionModel, C: Command<M>>(
        &mut self,
        model: M,
        command: &C,
        metadata: &mut Metadata,
    ) -> Result<M, ExecuteError<C::Error>> {
        let mut model = self.load_model(model).await?;
        let events = command.decide(&model).map_err(ExecuteError::Rejected)?;
        let encoded = model_replay::encode(&mut model, &events, metadata, self.read_back);
        let encoded = encoded.map_err(ExecuteError::Append)?;
        // A panic leaves nothing to append.
        events.into_iter().for_each(|event| model.__take(event));
        for (stream, events) in encoded {
            self.append_decided(stream, events);
        }
        Ok(model)
    }
}
