//! Which generation of its views a projection keeps up to date, which one it builds, and when it gives way: a pure decision.
//!
//! All programs that run a projection share one note. It names the generation that readers see (the *active* one), and the
//! one that is *built* alongside. Each has a version, views and events; a generation is a program's own when the program
//! would build it with the same three. Then:
//!
//! - A program keeps its own generation up to date. It builds one if there is none, if the active one has a lower version,
//!   other views or fewer events, or if a rebuild was requested since.
//! - A higher version takes precedence over a lower one: a program never replaces what a newer release has built or
//!   builds, but ends.
//! - Of two programs with one version, the one that lists more events takes precedence. The other ends, as it would leave
//!   events out. If only the views differ, the later program takes precedence, and the one that was at work ends: otherwise
//!   each would go on replacing the other's views.
//! - At most one generation is built. One of a release that takes precedence is left to it; any other is discarded.
//! - A program that reads only older versions of the events than another release of the same views stands by.

use crate::consumer::ConsumerOptions;
use crate::consumer::about::{AboutProjection, Built};
use crate::consumer::coverage::{self, Covered};
use crate::consumer::track::TrackError;
use std::collections::{BTreeMap, BTreeSet};

/// What a program would build.
pub(super) struct Own<'a> {
    /// The version of its projection.
    pub(super) version: u32,
    /// The forms of its views, by name.
    pub(super) views: BTreeMap<String, String>,
    /// The names of the events that its projection lists.
    pub(super) events: BTreeSet<String>,
    /// The newest version of each event that it can read.
    pub(super) reads: Covered,
    pub(super) options: &'a ConsumerOptions,
}

/// What a program does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Another release builds its views. Keeping this generation up to date until readers switch; no note is written.
    Keep { generation: u32 },
    /// Writing the note if it has changed; then building the new generation if there is one, or else keeping the active
    /// one up to date.
    Go(Change),
    /// Standing by: another release reads newer versions of events.
    Lacks { seen: u32, error: TrackError },
    /// Ending: a newer release has built the views, or builds them.
    Outdated { newer: u32 },
    /// Ending: the views include events that this program does not list.
    KnowsLess { events: Vec<String> },
    /// Ending: this program's views were replaced by views of another definition and the same version.
    Replaced,
}

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The note from here on.
    pub(super) about: AboutProjection,
    /// The generation that is no longer built.
    pub(super) discarded: Option<u32>,
    /// Why a generation is begun, if one is: the one that is then built.
    pub(super) begun: Option<&'static str>,
    /// Whether views of unknown events are taken to include this program's events.
    pub(super) adopted: bool,
}

impl Change {
    /// Switches readers to the generation that was built. Returns the number of the one that they saw before.
    pub(super) fn switch(&mut self) -> Option<u32> {
        let old = self.about.seen();
        self.about.active = self.about.building.take();
        old
    }
}

impl Own<'_> {
    /// Returns whether a generation is as this program would build it.
    pub(super) fn is_own(&self, built: &Built) -> bool {
        built.version == self.version && built.views == self.views && self.has_events(built)
    }

    /// Returns whether a generation includes the events of this program. If its events are not known, it is taken to include
    /// those of the first program that asks.
    fn has_events(&self, built: &Built) -> bool {
        built.events.as_ref().is_none_or(|has| *has == self.events)
    }

    /// Returns the events in a generation of the same version that this program does not list.
    fn lacks(&self, built: &Built) -> Vec<String> {
        match built.version == self.version {
            true => built.events_beyond(&self.events),
            false => Vec::new(),
        }
    }

    /// Returns why another generation is built than the active one.
    fn reason(&self, active: Option<&Built>) -> &'static str {
        match active {
            None => "there are none yet",
            Some(active) if active.version < self.version => "the projection has a higher version",
            Some(active) if active.views != self.views => "the definition of the views has changed",
            Some(active) if !self.has_events(active) => {
                "the projection lists events that they lack"
            }
            Some(_) => "a rebuild was requested",
        }
    }
}

/// Decides what a program does next, by the note about the projection. `was_active` is whether the program has kept views
/// up to date so far.
pub(super) fn plan(mut about: AboutProjection, own: &Own<'_>, was_active: bool) -> Step {
    // Programs that keep or build other views do not conflict here.
    if about
        .active
        .as_ref()
        .is_none_or(|active| own.is_own(active))
    {
        if let Some(error) = coverage::lacks_versions(&about.reads, &own.reads, own.options) {
            let seen = about.seen().unwrap_or_default();
            return Step::Lacks { seen, error };
        }
        for (name, version) in &own.reads {
            let newest = about.reads.entry(name.clone()).or_default();
            *newest = (*newest).max(*version);
        }
    }
    let rebuilds = about.rebuilds;
    let is_wanted = |built: &Built| own.is_own(built) && built.rebuilds == rebuilds;
    let is_current = about.active.as_ref().is_some_and(is_wanted);
    if let Some(step) = yields_to(&about, own, was_active, is_current) {
        return step;
    }

    let is_left = |built: &mut Built| is_current || !is_wanted(built);
    let discarded = about.building.take_if(is_left).map(|built| built.number);
    let mut begun = None;
    if !is_current && about.building.is_none() {
        begun = Some(own.reason(about.active.as_ref()));
        about.last += 1;
        about.building = Some(Built {
            number: about.last,
            version: own.version,
            views: own.views.clone(),
            events: Some(own.events.clone()),
            rebuilds,
        });
    }
    let mut adopted = false;
    for built in about.active.iter_mut().chain(&mut about.building) {
        if built.events.is_none() && own.is_own(built) {
            built.events = Some(own.events.clone());
            adopted = true;
        }
    }
    Step::Go(Change {
        about,
        discarded,
        begun,
        adopted,
    })
}

/// Returns what to do when another release takes precedence. `is_current` is whether readers see what this one would build.
fn yields_to(
    about: &AboutProjection,
    own: &Own<'_>,
    was_active: bool,
    is_current: bool,
) -> Option<Step> {
    if let Some(active) = &about.active {
        let newer = active.version;
        if newer > own.version {
            return Some(Step::Outdated { newer });
        }
        let events = own.lacks(active);
        if !events.is_empty() {
            return Some(Step::KnowsLess { events });
        }
        if was_active && newer == own.version && !own.is_own(active) {
            return Some(Step::Replaced);
        }
    }
    let building = about.building.as_ref().filter(|built| !own.is_own(built))?;
    let (newer, events) = (building.version, own.lacks(building));
    if !events.is_empty() && !is_current {
        return Some(Step::KnowsLess { events });
    }
    if newer > own.version || (newer == own.version && is_current) {
        let active = about.active.as_ref().filter(|active| own.is_own(active));
        return Some(match active {
            Some(Built { number, .. }) => Step::Keep {
                generation: *number,
            },
            None => Step::Outdated { newer },
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn forms(form: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("orders".to_owned(), form.to_owned())])
    }

    /// A release of version 2, with views of form `a`, and the events `placed` and `paid`, each of version 1.
    fn own(options: &ConsumerOptions) -> Own<'_> {
        let events = names(&["placed", "paid"]);
        Own {
            version: 2,
            views: forms("a"),
            reads: events.iter().map(|name| (name.clone(), 1)).collect(),
            events,
            options,
        }
    }

    /// A generation as that release builds it.
    fn built(number: u32) -> Built {
        Built {
            number,
            version: 2,
            views: forms("a"),
            events: Some(names(&["placed", "paid"])),
            rebuilds: 0,
        }
    }

    fn about(active: Option<Built>, building: Option<Built>) -> AboutProjection {
        let last = active.iter().chain(&building).map(|built| built.number);
        AboutProjection {
            last: last.max().unwrap_or_default(),
            active,
            building,
            ..AboutProjection::default()
        }
    }

    /// What is done, in a word and a number: of a generation, of a version, or of how many events.
    fn told(about: AboutProjection, was_active: bool) -> (&'static str, u32) {
        match plan(about, &own(&ConsumerOptions::new()), was_active) {
            Step::Keep { generation } => ("keep", generation),
            Step::Lacks { seen, .. } => ("stand by", seen),
            Step::Outdated { newer } => ("outdated", newer),
            Step::KnowsLess { events } => ("knows less", u32::try_from(events.len()).unwrap()),
            Step::Replaced => ("replaced", 0),
            Step::Go(change) => match (&change.about.building, change.begun) {
                (Some(building), Some(_)) => ("begin", building.number),
                (Some(building), None) => ("build", building.number),
                (None, _) => ("active", change.about.seen().unwrap()),
            },
        }
    }

    fn with_version(number: u32, version: u32) -> Option<Built> {
        Some(Built {
            version,
            ..built(number)
        })
    }

    fn with_views(number: u32, form: &str) -> Option<Built> {
        Some(Built {
            views: forms(form),
            ..built(number)
        })
    }

    fn with_events(number: u32, events: &[&str]) -> Option<Built> {
        Some(Built {
            events: Some(names(events)),
            ..built(number)
        })
    }

    #[test]
    fn what_is_active_decides_what_is_done() {
        let own = || Some(built(1));
        let table = [
            (None, false, ("begin", 1)),
            (own(), false, ("active", 1)),
            (own(), true, ("active", 1)),
            (with_version(1, 1), false, ("begin", 2)),
            (with_version(1, 1), true, ("begin", 2)),
            (with_version(1, 3), false, ("outdated", 3)),
            (with_version(1, 3), true, ("outdated", 3)),
            (with_views(1, "b"), false, ("begin", 2)),
            (with_views(1, "b"), true, ("replaced", 0)),
            (with_events(1, &["placed"]), false, ("begin", 2)),
            (with_events(1, &["placed"]), true, ("replaced", 0)),
            (
                with_events(1, &["placed", "paid", "sent"]),
                false,
                ("knows less", 1),
            ),
        ];
        for (row, (active, was_active, done)) in table.into_iter().enumerate() {
            assert_eq!(told(about(active, None), was_active), done, "row {row}");
        }
    }

    #[test]
    fn what_another_release_builds_decides_what_is_done() {
        let own = |number| Some(built(number));
        let table = [
            // This program's own views are still built, whichever program began.
            (None, own(1), ("build", 1)),
            (with_version(1, 1), own(2), ("build", 2)),
            // What readers see is current: nothing else is built, but by a release that goes before.
            (own(1), own(2), ("active", 1)),
            (own(1), with_version(2, 1), ("active", 1)),
            (own(1), with_version(2, 3), ("keep", 1)),
            (own(1), with_views(2, "b"), ("keep", 1)),
            (
                own(1),
                with_events(2, &["placed", "paid", "sent"]),
                ("keep", 1),
            ),
            // It is not: an older release's is discarded, a newer one's is left alone.
            (None, with_version(1, 1), ("begin", 2)),
            (None, with_version(1, 3), ("outdated", 3)),
            (with_version(1, 1), with_version(2, 3), ("outdated", 3)),
            (with_version(1, 1), with_views(2, "b"), ("begin", 3)),
            (None, with_events(1, &["sent"]), ("knows less", 1)),
        ];
        for (row, (active, building, done)) in table.into_iter().enumerate() {
            assert_eq!(told(about(active, building), false), done, "row {row}");
        }
    }

    #[test]
    fn what_is_no_longer_built_is_discarded_and_numbers_are_not_used_again() {
        let about = about(None, with_version(7, 1));
        let options = ConsumerOptions::new();
        let Step::Go(change) = plan(about, &own(&options), false) else {
            panic!("it goes on")
        };
        assert_eq!(change.discarded, Some(7));
        assert_eq!(change.about.last, 8);
        assert_eq!(change.about.building, Some(built(8)));
    }

    #[test]
    fn a_rebuild_that_was_asked_for_is_begun_once() {
        let asked = AboutProjection {
            rebuilds: 1,
            ..about(Some(built(1)), None)
        };
        let options = ConsumerOptions::new();
        let Step::Go(mut change) = plan(asked, &own(&options), true) else {
            panic!("it goes on")
        };
        assert_eq!(change.begun, Some("a rebuild was requested"));
        assert_eq!(told(change.about.clone(), true), ("build", 2));
        assert_eq!(change.switch(), Some(1));
        assert_eq!(told(change.about, true), ("active", 2));
    }

    #[test]
    fn views_of_unknown_events_are_those_of_whoever_comes_first() {
        let unknown = Built {
            events: None,
            ..built(1)
        };
        let options = ConsumerOptions::new();
        let Step::Go(change) = plan(about(Some(unknown), None), &own(&options), false) else {
            panic!("it goes on")
        };
        assert!(change.adopted && change.begun.is_none());
        assert_eq!(change.about.active, Some(built(1)));
    }

    #[test]
    fn who_reads_older_versions_of_events_stands_by_unless_the_views_are_others() {
        let reads = Covered::from([("paid".to_owned(), 2)]);
        let table = [
            (Some(built(1)), ("stand by", 1)),
            (None, ("stand by", 0)),
            (with_version(1, 1), ("begin", 2)),
        ];
        for (row, (active, done)) in table.into_iter().enumerate() {
            let about = AboutProjection {
                reads: reads.clone(),
                ..about(active, None)
            };
            assert_eq!(told(about, false), done, "row {row}");
        }
    }
}
