//! The generations of a projection: which to run, when readers switch, and the removal of old ones.

mod plan;

use crate::consumer::about::{AboutProjection, Built};
use crate::consumer::control::{Control, Mode};
use crate::consumer::handler::{Handler as _, Plan};
use crate::consumer::notes::{self, Checkpoint, Keys, NoteError, backend};
use crate::consumer::track::TrackError;
use crate::event::reading::with_sources;
use crate::give_way::give_way;
use crate::notes::NoteStore;
use crate::place::{LogId, Position};
use crate::projection::{Projected, Projection, ViewStore};
use crate::store::Store;
use plan::{Change, Own, Step, plan};

/// What a projection does next. There is one plan for each log.
pub(super) enum Next {
    /// Keep the views that readers see up to date.
    Active(Vec<Plan>),
    /// Build new views. `active` are the plans for those that readers see, if this program can keep them up to date
    /// meanwhile: if they are of its own version.
    Building {
        generation: u32,
        building: Vec<Plan>,
        active: Option<Vec<Plan>>,
    },
    /// A newer release has built the views, or builds them while this one cannot keep the old ones up to date.
    Outdated { newer: u32 },
    /// Another release reads newer versions of events, which this one would leave out of the views.
    Lacks { seen: Vec<Plan>, error: TrackError },
    /// The views that this program kept were replaced by those of another definition and the same version.
    Replaced,
    /// The views include events that this program does not list.
    KnowsLess { events: Vec<String> },
}

/// Finds out which generation to run. Begins a new one when the views have another version, another definition or fewer events,
/// or when a rebuild was requested. Switches readers to it once it has caught up with the old one.
/// `was_active` is whether this program has kept views up to date so far.
pub(super) async fn next<S: Store, P: Projection>(
    store: &S,
    projected: &Projected<P>,
    keys: &Keys,
    logs: &[LogId],
    was_active: bool,
) -> Result<Next, TrackError> {
    let (views, own) = (projected.notes(), own(projected));
    let mut transaction = views.begin().await.map_err(backend)?;
    let key = keys.about();
    let before = views.get(&mut transaction, &key).await;
    let before = before.map_err(backend)?;
    let about: AboutProjection = match &before {
        Some(text) => notes::read(&key, text)?,
        None => AboutProjection::default(),
    };
    let mut change = match plan(about, &own, was_active) {
        Step::Go(change) => change,
        Step::Keep { generation } => {
            return Ok(Next::Active(to_run(generation, before.as_deref(), logs)));
        }
        Step::Lacks { seen, error } => {
            let seen = to_run(seen, before.as_deref(), logs);
            return Ok(Next::Lacks { seen, error });
        }
        Step::Outdated { newer } => return Ok(Next::Outdated { newer }),
        Step::KnowsLess { events } => return Ok(Next::KnowsLess { events }),
        Step::Replaced => return Ok(Next::Replaced),
    };
    let switched = make(store, projected, keys, logs, &mut transaction, &mut change);
    let switched = switched.await?;
    let text = Some(notes::write(&change.about)?);
    if before != text {
        let put = views.put(&mut transaction, &key, text.as_deref());
        put.await.map_err(backend)?;
        notes::commit(views, transaction).await?;
    } else {
        drop(transaction);
    }
    log(&change, switched);
    let about = &change.about;
    let seen = about.seen().unwrap_or_default();
    Ok(match &about.building {
        None => Next::Active(to_run(seen, text.as_deref(), logs)),
        Some(building) => {
            let active = about.active.as_ref().filter(|active| own.is_own(active));
            let run = |number| to_run(number, text.as_deref(), logs);
            let plans = run(building.number).into_iter().map(|plan| Plan {
                replaces: Some(seen),
                is_alongside: active.is_some(),
                ..plan
            });
            Next::Building {
                generation: building.number,
                building: plans.collect(),
                active: active.map(|active| run(active.number)),
            }
        }
    })
}

/// Returns what this program would build.
fn own<P: Projection>(projected: &Projected<P>) -> Own<'_> {
    let views = P::views().into_iter();
    let events = with_sources(P::EVENTS).into_iter();
    Own {
        version: P::VERSION,
        views: views
            .map(|view| (view.name.to_owned(), view.form))
            .collect(),
        events: events.map(|event| event.name.to_owned()).collect(),
        reads: projected.covers(),
        options: projected.options(),
    }
}

/// Prepares the generation that is begun, discards the one that is given up, and switches readers to the new one once it
/// has caught up with the old. Returns the generation that readers see from then on, if it has changed.
async fn make<S: Store, P: Projection>(
    store: &S,
    projected: &Projected<P>,
    keys: &Keys,
    logs: &[LogId],
    transaction: &mut <P::Store as NoteStore>::Transaction,
    change: &mut Change,
) -> Result<Option<u32>, TrackError> {
    let views = projected.notes();
    if let Some(number) = change.discarded {
        discard_later(views, transaction, keys, number).await?;
    }
    let Some(Built { number, .. }) = change.about.building else {
        return Ok(None);
    };
    let building = projected.generation(number);
    if change.begun.is_some() {
        let prepare = views.prepare(transaction, &building);
        prepare.await.map_err(backend)?;
    }
    let seen = change.about.seen();
    if let Some(seen) = seen {
        let checkpoints = views.list(transaction, &keys.checkpoints(seen)).await;
        let mut of = checkpoints.map_err(backend)?.into_iter();
        let is_known = |(key, _): (String, _)| {
            Keys::log_of_checkpoint(&key).is_none_or(|log| logs.contains(&log))
        };
        if !of.all(is_known) {
            // The store has had another log since this program started; a program that follows it builds its part, too.
            return Ok(None);
        }
    }
    for log in logs {
        let reached = checkpoint(views, transaction, keys, Some(number), *log).await?;
        let target = checkpoint(views, transaction, keys, seen, *log).await?;
        // The old views may be ahead of a restored log, whose end is read last.
        if reached < target && reached < store.last_position(*log).await? {
            return Ok(None);
        }
    }
    let activate = views.activate(transaction, &building);
    activate.await.map_err(backend)?;
    if let Some(old) = change.switch() {
        discard_later(views, transaction, keys, old).await?;
    }
    Ok(Some(number))
}

/// Traces which generation was begun, and which one readers see.
fn log(change: &Change, switched: Option<u32>) {
    if let Some(reason) = change.begun {
        let generation = change.about.last;
        tracing::info!(generation, reason, "views are built");
    }
    if change.adopted {
        tracing::info!(
            "the release that made the views did not note of which events: they are taken to be those of this program; if it lists more than that release did, rebuild them"
        );
    }
    if let Some(generation) = switched {
        tracing::info!(generation, "readers see this generation now");
    }
}

/// Returns the plans to keep a generation up to date, for as long as the note about the projection stays the same. One
/// worker follows all logs.
fn to_run(number: u32, about: Option<&str>, logs: &[LogId]) -> Vec<Plan> {
    let plan = |log: &LogId| Plan {
        generation: number,
        log: *log,
        leases_of: LogId::MAIN,
        partitions: 1,
        replaces: None,
        is_alongside: false,
        start: Position::ZERO,
        about: about.map(ToOwned::to_owned),
    };
    logs.iter().map(plan).collect()
}

/// Gives up a requested rebuild.
pub(super) async fn give_up_rebuild<P: Projection>(
    projected: &Projected<P>,
    keys: &Keys,
) -> Result<(), NoteError> {
    let views = projected.notes();
    let mut transaction = views.begin().await.map_err(backend)?;
    let about: Option<AboutProjection> = notes::get(views, &mut transaction, &keys.about()).await?;
    let mut about = about.unwrap_or_default();
    if let Some(building) = about.building.take() {
        discard_later(views, &mut transaction, keys, building.number).await?;
    }
    about.rebuilds = about.active.as_ref().map_or(0, |active| active.rebuilds);
    notes::put(views, &mut transaction, &keys.about(), &about).await?;
    notes::commit(views, transaction).await
}

/// Removes generations that are no longer read, a slice at a time, until none are left or the program stops.
pub(super) async fn discard<P: Projection>(
    projected: &Projected<P>,
    keys: &Keys,
    control: &Control,
) -> Result<(), TrackError> {
    let views = projected.notes();
    while control.mode() != Mode::Stop {
        give_way().await;
        let mut transaction = views.begin().await.map_err(backend)?;
        let discarded = views.list(&mut transaction, &keys.discarded()).await;
        let discarded = discarded.map_err(backend)?;
        let Some((key, _)) = discarded.first() else {
            return Ok(());
        };
        let number = key.rsplit('/').next().map(str::parse);
        let number = number.and_then(Result::ok).unwrap_or_default();
        let old = projected.generation(number);
        let is_gone = views.discard(&mut transaction, &old).await;
        if is_gone.map_err(backend)? {
            let left = views.list(&mut transaction, &keys.generation(number)).await;
            for (note, _) in left.map_err(backend)? {
                notes::remove(views, &mut transaction, &note).await?;
            }
            notes::remove(views, &mut transaction, key).await?;
        }
        match notes::commit(views, transaction).await {
            // Another worker removes the same.
            Err(NoteError::Conflict(_)) => {}
            committed => committed?,
        }
    }
    Ok(())
}

async fn checkpoint<V: NoteStore>(
    views: &V,
    transaction: &mut V::Transaction,
    keys: &Keys,
    generation: Option<u32>,
    log: LogId,
) -> Result<Position, NoteError> {
    let Some(generation) = generation else {
        return Ok(Position::ZERO);
    };
    let key = keys.checkpoint(generation, log, 0);
    let checkpoint: Option<Checkpoint> = notes::get(views, transaction, &key).await?;
    Ok(Position(checkpoint.map_or(0, |at| at.position)))
}

async fn discard_later<V: NoteStore>(
    views: &V,
    transaction: &mut V::Transaction,
    keys: &Keys,
    number: u32,
) -> Result<(), NoteError> {
    let key = format!("{}{number:010}", keys.discarded());
    let put = views.put(transaction, &key, Some("{\"format\":1}"));
    put.await.map_err(backend)
}
