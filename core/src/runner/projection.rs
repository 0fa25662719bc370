//! Runs one projection: the generation that readers see, and the one that is built beside it.

use super::RunError;
use super::supervise::failed;
use crate::consumer::ConsumerOptions;
use crate::consumer::control::{Control, Mode};
use crate::consumer::handler::{Call, Handler, Plan};
use crate::consumer::notes::{self, Checkpoint, Keys, NoteError, backend};
use crate::consumer::status::{ConsumerState, Progress};
use crate::consumer::track::{Ended, Surroundings, Track, Trouble};
use crate::metadata::EventId;
use crate::place::{LogId, Position};
use crate::projection::{Context, Generation, ProjectError, Projection, ViewStore};
use crate::query::{Query, QueryItem};
use crate::record::RecordedEventRef;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A projection, as a consumer runs it.
pub(super) struct Projected<P: Projection> {
    pub(super) projection: P,
    pub(super) views: P::Store,
    pub(super) query: Query,
    pub(super) options: ConsumerOptions,
}

impl<P: Projection> Projected<P> {
    pub(super) fn new(projection: P, views: P::Store, options: ConsumerOptions) -> Self {
        let mut names = QueryItem::new();
        for event in P::EVENTS {
            names = names.name(event.name);
        }
        Projected {
            projection,
            views,
            query: names.into(),
            options,
        }
    }
}

impl<P: Projection> Handler for Projected<P> {
    type Notes = P::Store;
    const ATOMIC: bool = true;

    fn notes(&self) -> &P::Store {
        &self.views
    }

    fn options(&self) -> &ConsumerOptions {
        &self.options
    }

    fn query(&self) -> &Query {
        &self.query
    }

    fn wants(&self, _: &RecordedEventRef<'_>) -> bool {
        true
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, <P::Store as ViewStore>::Transaction>,
    ) -> Result<(), ProjectError> {
        let mut context = Context {
            event,
            transaction: call.transaction,
            effects: call.effects,
            is_replay: call.is_replay,
        };
        self.projection.project_event(event, &mut context).await
    }
}

/// What is written down about a projection: what readers see, and what is built beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    active: Option<Built>,
    building: Option<Built>,
    /// The highest number that a generation ever had.
    last: u32,
}

/// One generation, and what it is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Built {
    number: u32,
    version: u32,
    /// The forms of the views, by name.
    views: BTreeMap<String, String>,
}

impl About {
    fn numbers(&self) -> (Option<u32>, Option<u32>) {
        let number = |built: &Option<Built>| built.as_ref().map(|built| built.number);
        (number(&self.active), number(&self.building))
    }
}

/// What a projection is to do next.
enum Next {
    /// Run this; the generations are so.
    Run(Plan, (Option<u32>, Option<u32>)),
    /// A newer release has made the views.
    Outdated { newer: u32 },
}

/// Runs a projection.
pub(super) async fn run<S: Store, P: Projection>(
    store: S,
    projected: Projected<P>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) -> Result<(), RunError> {
    let keys = Keys::new("projection", P::NAME);
    let worker = EventId::new().to_string();
    let mut failures = 0;
    loop {
        let asked = control.asked();
        if control.mode() == Mode::Stop {
            break;
        }
        let next = match next::<P>(&projected, &keys).await {
            Ok(next) => next,
            Err(trouble) => {
                failures += 1;
                let retrying = ConsumerState::Retrying;
                progress.failed(retrying, None, failures, trouble.to_string());
                let wait = Duration::from_millis(50) * (1 << failures.min(9));
                control.pause(asked, wait).await;
                continue;
            }
        };
        let (plan, numbers) = match next {
            Next::Run(plan, numbers) => (plan, numbers),
            Next::Outdated { newer } => {
                let message = format!(
                    "its views were made with version {newer}, and this program has version {}; run the newer release",
                    P::VERSION
                );
                failed(&control, &progress, Position::ZERO, message).await?;
                continue;
            }
        };
        let around = Surroundings {
            store: &store,
            handler: &projected,
            keys: &keys,
            control: &control,
            progress: &progress,
            worker: &worker,
            check: &|about: Option<&str>| {
                let about = about.and_then(|text| notes::read::<About>("about", text).ok());
                about.is_some_and(|about| about.numbers() == numbers)
            },
        };
        if plan.replaces.is_none()
            && let Err(trouble) = discard(&projected, &keys).await
        {
            tracing::warn!(projection = P::NAME, error = %trouble, "old views were not removed yet");
        }
        match Track::new(&around, plan).run().await {
            Ended::Stopped => break,
            Ended::Replan => {}
            Ended::Failed { position, message } => {
                failed(&control, &progress, position, message).await?;
            }
        }
    }
    progress.set_state(ConsumerState::Stopped);
    Ok(())
}

fn generation<P: Projection>(number: u32) -> Generation {
    Generation::new(P::NAME, number, P::views())
}

/// Finds out which generation to run; makes a new one when the views are of another version or
/// definition, and lets readers switch to it once it has come as far as the old one.
async fn next<P: Projection>(projected: &Projected<P>, keys: &Keys) -> Result<Next, Trouble> {
    let views = &projected.views;
    let wanted: BTreeMap<_, _> = P::views()
        .into_iter()
        .map(|view| (view.name.to_owned(), view.form))
        .collect();
    let is_wanted = |built: &Built| built.version == P::VERSION && built.views == wanted;
    let mut transaction = begin(views, &generation::<P>(0)).await?;
    let about: Option<About> = notes::get(views, &mut transaction, &keys.about()).await?;
    let mut about = about.unwrap_or_default();
    let before = about.clone();
    if let Some(newer) = about
        .active
        .iter()
        .chain(&about.building)
        .map(|one| one.version)
        .max()
        && newer > P::VERSION
    {
        return Ok(Next::Outdated { newer });
    }
    let is_current = about.active.as_ref().is_some_and(is_wanted);
    if let Some(building) = about
        .building
        .take_if(|built| is_current || !is_wanted(built))
    {
        discard_later(views, &mut transaction, keys, building.number).await?;
    }
    if !is_current && about.building.is_none() {
        about.last += 1;
        let number = about.last;
        let prepared = generation::<P>(number);
        let prepare = views.prepare(&mut transaction, &prepared);
        prepare.await.map_err(backend)?;
        about.building = Some(Built {
            number,
            version: P::VERSION,
            views: wanted,
        });
    }
    if let Some(building) = &about.building {
        let number = building.number;
        let old = about.active.as_ref().map(|active| active.number);
        let reached = checkpoint(views, &mut transaction, keys, Some(number)).await?;
        if reached >= checkpoint(views, &mut transaction, keys, old).await? {
            let complete = generation::<P>(number);
            let activate = views.activate(&mut transaction, &complete);
            activate.await.map_err(backend)?;
            about.active = about.building.take();
            if let Some(old) = old {
                discard_later(views, &mut transaction, keys, old).await?;
            }
            tracing::info!(
                projection = P::NAME,
                generation = number,
                "readers see this generation now"
            );
        }
    }
    let (active, building) = about.numbers();
    if about != before {
        notes::put(views, &mut transaction, &keys.about(), &about).await?;
        views.commit(transaction).await.map_err(backend)?;
    } else {
        drop(transaction);
    }
    let number = building.or(active).unwrap_or_default();
    let plan = Plan {
        generation: generation::<P>(number),
        partitions: 1,
        replaces: building.and(active),
        start: Position::ZERO,
    };
    Ok(Next::Run(plan, (active, building)))
}

async fn begin<V: ViewStore>(
    views: &V,
    generation: &Generation,
) -> Result<V::Transaction, NoteError> {
    views.begin(generation).await.map_err(backend)
}

async fn checkpoint<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    keys: &Keys,
    generation: Option<u32>,
) -> Result<Position, NoteError> {
    let Some(generation) = generation else {
        return Ok(Position::ZERO);
    };
    let key = keys.checkpoint(generation, LogId::MAIN, 0);
    let checkpoint: Option<Checkpoint> = notes::get(views, transaction, &key).await?;
    Ok(Position(checkpoint.map_or(0, |at| at.position)))
}

async fn discard_later<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    keys: &Keys,
    number: u32,
) -> Result<(), NoteError> {
    let key = format!("{}{number:010}", keys.discarded());
    let put = views.put(transaction, &key, Some("{\"format\":1}"));
    put.await.map_err(backend)
}

/// Removes generations that nobody sees any more, a slice at a time.
async fn discard<P: Projection>(projected: &Projected<P>, keys: &Keys) -> Result<(), Trouble> {
    let views = &projected.views;
    loop {
        let none = generation::<P>(0);
        let mut transaction = begin(views, &none).await?;
        let discarded = views.list(&mut transaction, &keys.discarded()).await;
        let discarded = discarded.map_err(backend)?;
        let Some((key, _)) = discarded.first() else {
            return Ok(());
        };
        let number = key
            .rsplit('/')
            .next()
            .and_then(|number| number.parse().ok());
        let number = number.unwrap_or_default();
        let old = generation::<P>(number);
        let gone = views.discard(&mut transaction, &old);
        if gone.await.map_err(backend)? {
            let left = views.list(&mut transaction, &keys.generation(number)).await;
            let left = left.map_err(backend)?;
            for (note, _) in &left {
                views
                    .put(&mut transaction, note, None)
                    .await
                    .map_err(backend)?;
            }
            views
                .put(&mut transaction, key, None)
                .await
                .map_err(backend)?;
        }
        views.commit(transaction).await.map_err(backend)?;
    }
}
