//! What projections have kept: listed, handed over to a new name, removed.

use super::kit::Tables;
use midgard::event::NewEvent;
use midgard::store::ReadEntries;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::{Select, ViewError};
use midgard::{
    Context, Event, HandlerError, MemoryStore, Midgard, Place, Position, Project, Projection,
    Store, StreamName, View, Views, block_on,
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "counted")]
struct Counted {
    number: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = number, index(times))]
struct Number {
    number: u64,
    times: u64,
}

macro_rules! named {
    ($release:ident, $name:literal) => {
        mod $release {
            use super::*;

            #[derive(Clone, Default, Projection)]
            #[projection(name = $name, events(Counted), views(Number))]
            pub(super) struct Numbers(pub(super) Arc<AtomicU64>);

            impl Project<Counted> for Numbers {
                async fn project(
                    &self,
                    Counted { number }: Counted,
                    context: &mut Context<'_, Self>,
                ) -> Result<(), HandlerError> {
                    self.0.fetch_add(1, Ordering::SeqCst);
                    let none = || Number { number, times: 0 };
                    Ok(context.upsert::<Number>(number, none, |row| row.times += 1)?)
                }
            }
        }
    };
}

named!(old, "numbers");
named!(new, "all numbers");

fn count(store: &MemoryStore, numbers: std::ops::Range<u64>) {
    let events = numbers.map(|number| NewEvent::encode(&Counted { number }).unwrap());
    let stream = StreamName::new("numbers").unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::Any, events))).unwrap();
}

fn catch_up<P: Projection<Store = Views>>(
    store: &MemoryStore,
    views: &Views,
    projection: P,
) -> Result<(), midgard::consumer::RunError> {
    let midgard = Midgard::new(store.clone());
    block_on(midgard.project(projection, views.clone()).catch_up())
}

fn rows(views: &Views) -> Result<u64, ViewError> {
    views.count(Select::<Number>::all())
}

fn kept(views: &Views) -> Vec<(String, Vec<String>, Place)> {
    let kept = block_on(views.projections()).unwrap().into_iter();
    kept.map(|one| (one.name, one.views, one.place)).collect()
}

fn entries(store: &MemoryStore) -> Vec<String> {
    let mut keys = Vec::new();
    block_on(
        store.read_entries(&ReadEntries::prefix(b""), &mut |key, _| {
            keys.push(key.escape_ascii().to_string());
            ControlFlow::Continue(())
        }),
    )
    .unwrap();
    keys
}

#[test]
fn a_projection_with_another_name_takes_over_what_the_old_one_has_kept() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    count(&store, 0..10);
    catch_up(&store, &views, old::Numbers::default()).unwrap();
    let of = |name: &str, last| {
        vec![(
            name.to_owned(),
            vec!["number".to_owned()],
            Place::main(Position(last)),
        )]
    };
    assert_eq!(kept(&views), of("numbers", 10));

    // Without, the views are another's.
    let error = catch_up(&store, &views, new::Numbers::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("which projection \"numbers\" keeps"),
        "{error}"
    );
    assert!(block_on(views.rename_projection("numbers", "all numbers")).unwrap());
    assert!(
        !block_on(views.rename_projection("numbers", "all numbers")).unwrap(),
        "it is done"
    );
    assert_eq!(rows(&views).unwrap(), 10, "readers see them all the time");
    count(&store, 5..15);
    let renamed = new::Numbers::default();
    catch_up(&store, &views, renamed.clone()).unwrap();
    assert_eq!(renamed.0.load(Ordering::SeqCst), 10, "only what was new");
    assert_eq!(rows(&views).unwrap(), 15);
    assert_eq!(kept(&views), of("all numbers", 20));
    assert_eq!(views.select(Number::by_times(2)).unwrap().len(), 5);

    let error = catch_up(&store, &views, old::Numbers::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("which projection \"all numbers\" keeps"),
        "{error}"
    );
}

/// Keeps nothing but how far it is.
#[derive(Default, Projection)]
#[projection(name = "others", events(Counted))]
struct Others;

impl Project<Counted> for Others {
    async fn project(&self, _: Counted, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[test]
fn nothing_is_handed_over_to_a_name_that_has_something() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    count(&store, 0..10);
    catch_up(&store, &views, old::Numbers::default()).unwrap();
    catch_up(&store, &views, Others).unwrap();
    let taken = block_on(views.rename_projection("numbers", "others")).unwrap_err();
    assert_eq!(
        taken.to_string(),
        "projection \"numbers\" cannot be renamed to \"others\", as something is already kept under this name; \
         if it is not needed, remove it with `Views::remove_projection(\"others\")` first"
    );
    let names = || {
        kept(&views)
            .into_iter()
            .map(|(name, ..)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), ["numbers", "others"]);
    assert!(block_on(views.remove_projection("others")).unwrap());
    assert!(block_on(views.rename_projection("numbers", "others")).unwrap());
    assert_eq!(names(), ["others"]);
}

#[test]
fn what_a_projection_has_kept_is_removed_when_that_is_asked_for() {
    let (store, kept_in) = (MemoryStore::new(), MemoryStore::new());
    let views = Views::new(kept_in.clone());
    // More rows than are removed at once.
    for thousands in 0..12 {
        count(&store, thousands * 1000..(thousands + 1) * 1000);
    }
    catch_up(&store, &views, old::Numbers::default()).unwrap();
    assert_eq!(rows(&views).unwrap(), 12_000);
    assert!(!block_on(views.remove_projection("number")).unwrap());
    assert!(block_on(views.remove_projection("numbers")).unwrap());
    assert!(matches!(rows(&views), Err(ViewError::NotBuilt { .. })));
    assert_eq!(
        entries(&kept_in),
        ["tables"],
        "that no number is used again"
    );
    assert!(!block_on(views.remove_projection("numbers")).unwrap());
    assert_eq!(kept(&views), []);

    // Who still has it builds it anew, and another may have the view.
    catch_up(&store, &views, new::Numbers::default()).unwrap();
    assert_eq!(rows(&views).unwrap(), 12_000);
}

#[test]
fn others_keep_what_they_have() {
    let tables = Tables::of::<Number>();
    tables
        .put([Number {
            number: 1,
            times: 1,
        }])
        .unwrap();
    assert!(!block_on(tables.views.remove_projection("test")).unwrap());
    assert!(!block_on(tables.views.rename_projection("test", "other")).unwrap());
    assert_eq!(rows(&tables.views).unwrap(), 1);
}
