//! The generations of a projection: which to run, when readers switch, and the removal of old ones.

use super::projection::Projected;
use crate::consumer::about::{AboutProjection, Built};
use crate::consumer::control::{Control, Mode, give_way};
use crate::consumer::coverage;
use crate::consumer::handler::{Handler as _, Plan};
use crate::consumer::notes::{self, Checkpoint, Keys, NoteError, backend};
use crate::consumer::track::Trouble;
use crate::event::reading::with_sources;
use crate::notes::NoteStore;
use crate::place::{LogId, Position};
use crate::projection::Projection;
use crate::projection::ViewStore;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// What a projection is to do next.
pub(super) enum Next {
    /// Keep the views that readers see up to date.
    Active(Plan),
    /// Build new views. The plan for those that readers see, where this program can keep them up to date
    /// meanwhile: where they are of its own version.
    Building {
        building: Plan,
        active: Option<Plan>,
    },
    /// A newer release has made the views, or does so where this one cannot keep the old ones up to date.
    Outdated { newer: u32 },
    /// Another release reads newer versions of events: it keeps up to date what this one would leave out of the views.
    Lacks { seen: Plan, trouble: Trouble },
    /// The views that this program kept were replaced by those of another definition and the same version.
    Replaced,
    /// The views are made of events that this program does not list.
    KnowsLess { events: Vec<String> },
}

/// Finds out which generation to run; makes a new one when the views are of another version or definition, or of fewer events,
/// or someone asked for it, and lets readers switch to it once it has come as far as the old one. `was_active` is
/// whether this program has kept views up to date so far.
pub(super) async fn next<S: Store, P: Projection>(
    store: &S,
    projected: &Projected<P>,
    keys: &Keys,
    was_active: bool,
) -> Result<Next, Trouble> {
    let views = projected.notes();
    let (wanted, events) = (forms::<P>(), event_names::<P>());
    // Where it is not known which events they are of, they are taken to be of those of whoever comes first.
    let has_events = |built: &Built| built.events.as_ref().is_none_or(|has| *has == events);
    let is_own =
        |built: &Built| built.version == P::VERSION && built.views == wanted && has_events(built);
    let lacks = |built: &Built| match built.version == P::VERSION {
        true => built.events_beyond(&events),
        false => Vec::new(),
    };
    let mut transaction = views.begin().await.map_err(backend)?;
    let key = keys.about();
    let before = views.get(&mut transaction, &key).await;
    let before = before.map_err(backend)?;
    let mut about: AboutProjection = match &before {
        Some(text) => notes::read(&key, text)?,
        None => AboutProjection::default(),
    };
    let rebuilds = about.rebuilds;
    // Who keeps other views up to date, or builds them, is in nobody's way here.
    if about.active.as_ref().is_none_or(is_own) {
        let own = projected.covers();
        let options = projected.options();
        if let Some(trouble) = coverage::lacks_versions(&about.reads, &own, options) {
            let seen = plan(about.seen().unwrap_or_default(), before);
            return Ok(Next::Lacks { seen, trouble });
        }
        for (name, version) in own {
            let newest = about.reads.entry(name).or_default();
            *newest = version.max(*newest);
        }
    }
    let is_wanted = |built: &Built| is_own(built) && built.rebuilds == rebuilds;
    let is_current = about.active.as_ref().is_some_and(is_wanted);
    if let Some(active) = &about.active {
        let newer = active.version;
        if newer > P::VERSION {
            return Ok(Next::Outdated { newer });
        }
        let events = lacks(active);
        if !events.is_empty() {
            return Ok(Next::KnowsLess { events });
        }
        if was_active && newer == P::VERSION && !is_own(active) {
            return Ok(Next::Replaced);
        }
    }
    if let Some(building) = about.building.as_ref().filter(|built| !is_own(built)) {
        let (newer, events) = (building.version, lacks(building));
        if !events.is_empty() && !is_current {
            return Ok(Next::KnowsLess { events });
        }
        // Another release builds its views. Until readers switch to them, these are kept up to date.
        if newer > P::VERSION || (newer == P::VERSION && is_current) {
            let active = about.active.as_ref().filter(|active| is_own(active));
            return Ok(match active {
                Some(active) => Next::Active(plan(active.number, before)),
                None => Next::Outdated { newer },
            });
        }
    }
    if let Some(building) = about
        .building
        .take_if(|built| is_current || !is_wanted(built))
    {
        discard_later(views, &mut transaction, keys, building.number).await?;
    }
    let (mut begun, mut switched) = (None, None);
    if !is_current && about.building.is_none() {
        about.last += 1;
        begun = Some(match &about.active {
            None => "there are none yet",
            Some(active) if active.version < P::VERSION => "the projection has a higher version",
            Some(active) if active.views != wanted => "the definition of the views has changed",
            Some(active) if !has_events(active) => "the projection lists events that they lack",
            Some(_) => "it was asked for",
        });
        let prepared = projected.generation(about.last);
        let prepare = views.prepare(&mut transaction, &prepared);
        prepare.await.map_err(backend)?;
        about.building = Some(Built {
            number: about.last,
            version: P::VERSION,
            views: wanted.clone(),
            events: Some(events.clone()),
            rebuilds,
        });
    }
    if let Some(building) = about.building.take() {
        let reached = checkpoint(views, &mut transaction, keys, Some(building.number)).await?;
        let old = about.seen();
        let target = checkpoint(views, &mut transaction, keys, old).await?;
        // The old views may be ahead of a log that was restored; its end is read last.
        let is_behind = reached < target && reached < store.last_position(LogId::MAIN).await?;
        if is_behind {
            about.building = Some(building);
        } else {
            let complete = projected.generation(building.number);
            let activate = views.activate(&mut transaction, &complete);
            activate.await.map_err(backend)?;
            switched = Some(building.number);
            about.active = Some(building);
            if let Some(old) = old {
                discard_later(views, &mut transaction, keys, old).await?;
            }
        }
    }
    let mut adopted = false;
    for built in about.active.iter_mut().chain(&mut about.building) {
        if is_own(built) && built.events.is_none() {
            built.events = Some(events.clone());
            adopted = true;
        }
    }
    let text = Some(notes::write(&about)?);
    if before != text {
        let put = views.put(&mut transaction, &key, text.as_deref());
        put.await.map_err(backend)?;
        notes::commit(views, transaction).await?;
    } else {
        drop(transaction);
    }
    if let Some(reason) = begun {
        let generation = about.last;
        tracing::info!(projection = P::NAME, generation, reason, "views are built");
    }
    if adopted {
        tracing::info!(
            projection = P::NAME,
            "the release that made the views did not note of which events: they are taken to be those of this program; if it lists more than that release did, rebuild them"
        );
    }
    if let Some(generation) = switched {
        tracing::info!(
            projection = P::NAME,
            generation,
            "readers see this generation now"
        );
    }
    let seen = about.seen().unwrap_or_default();
    Ok(match &about.building {
        None => Next::Active(plan(seen, text)),
        Some(building) => {
            let active = about.active.as_ref().filter(|active| is_own(active));
            Next::Building {
                building: Plan {
                    replaces: Some(seen),
                    is_beside: active.is_some(),
                    ..plan(building.number, text.clone())
                },
                active: active.map(|active| plan(active.number, text)),
            }
        }
    })
}

/// The plan to keep a generation up to date, for as long as this is written down about the projection.
const fn plan(number: u32, about: Option<String>) -> Plan {
    Plan {
        generation: number,
        partitions: 1,
        replaces: None,
        is_beside: false,
        start: Position::ZERO,
        about,
    }
}

/// Gives up a rebuild that someone asked for.
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

/// Removes generations that nobody sees any more, a slice at a time, until there are none or it is to stop.
pub(super) async fn discard<P: Projection>(
    projected: &Projected<P>,
    keys: &Keys,
    control: &Control,
) -> Result<(), Trouble> {
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
            // Another worker is at the same.
            Err(NoteError::Conflict(_)) => {}
            committed => committed?,
        }
    }
    Ok(())
}

/// The forms of the views, by name.
fn forms<P: Projection>() -> BTreeMap<String, String> {
    let views = P::views().into_iter();
    views
        .map(|view| (view.name.to_owned(), view.form))
        .collect()
}

fn event_names<P: Projection>() -> BTreeSet<String> {
    with_sources(P::EVENTS)
        .into_iter()
        .map(|event| event.name.to_owned())
        .collect()
}

async fn checkpoint<V: NoteStore>(
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
