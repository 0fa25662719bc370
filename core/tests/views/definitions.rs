//! What a view is made of, and what becomes of its rows when that changes.

use super::kit::{Customer, Status, Tables};
use midgard::event::NewEvent;
use midgard::projection::ViewDefinition;
use midgard::projection::ViewStore as _;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::{Select, ViewError};
use midgard::{
    Context, Event, HandlerError, MemoryStore, Midgard, Project, Projection, Store, StreamName,
    View, ViewKey, Views, block_on,
};
use serde::{Deserialize, Serialize};

fn form<V: View>() -> String {
    ViewDefinition::of::<V>().form
}

#[test]
fn its_form_is_written_in_words_that_stay() {
    // A form of other words rebuilds the views of everybody who takes the next release.
    assert_eq!(
        form::<Customer>(),
        "key u64; fields id: u64, country: String, city: String, email: Option<String>, balance: i64, \
         status: Status, number: u32; index city text; unique index email optional text; \
         index balance i64; index status one of New|Active|Closed; index place (text, text); \
         unique index badge (text, u32)"
    );
    assert_eq!(form::<Every>(), EVERY);
}

#[derive(Serialize, Deserialize, ViewKey)]
struct Place {
    country: String,
    city: Option<String>,
}

#[derive(Serialize, Deserialize, ViewKey)]
struct Id(u128);

/// Documentation is no part of it.
#[derive(Serialize, Deserialize, View)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[view(name = "every.kind-of_1", key = (id, r#type), index(place), index(flags = (flag, sign)))]
struct Every {
    /// Nor is this.
    id: Id,
    r#type: Vec<u8>,
    place: Place,
    #[serde(default, rename = "isFlag")]
    flag: bool,
    sign: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    list: Option<std::collections::BTreeMap<String, [u8; 2 + 1]>>,
}

const EVERY: &str = "key (u128, bytes); fields #[serde(rename_all = \"camelCase\", deny_unknown_fields)] id: Id, \
    r#type: Vec<u8>, place: Place, #[serde(default, rename = \"isFlag\")] flag: bool, sign: char, \
    #[serde(skip_serializing_if = \"Option::is_none\")] #[serde(default)] \
    list: Option<std::collections::BTreeMap<String, [u8; 2+1]>>; \
    index place (text, optional text); index flags (bool, char)";

#[test]
fn the_name_is_that_of_the_struct_or_the_one_that_is_given() {
    #[derive(Serialize, Deserialize, View)]
    #[view(key = id)]
    struct OrderLine {
        id: u64,
    }
    assert_eq!(
        (OrderLine::NAME, Every::NAME),
        ("order_line", "every.kind-of_1")
    );
}

/// The same view in another release of the program, with what is different.
macro_rules! release {
    ($release:ident: $(#[$attr:meta])* { $($(#[$field_attr:meta])* $field:ident: $ty:ty),* }) => {
        mod $release {
            #[allow(unused_imports)]
            use super::{Deserialize, Serialize, Status, View};

            #[allow(dead_code)]
            #[derive(Serialize, Deserialize, View)]
            $(#[$attr])*
            pub(super) struct Row {
                $($(#[$field_attr])* $field: $ty),*
            }
        }
    };
}

release! { first: #[view(key = id, index(city))] { id: u64, city: String } }
release! { documented: /** Rows. */ #[view(key = id, index(city))] { /** An id. */ id: u64, city : String } }
release! { ordered: #[view(key = id, index(city, ordered))] { id: u64, city: String } }
release! { another_key: #[view(key = city, index(city))] { id: u64, city: String } }
release! { no_index: #[view(key = id)] { id: u64, city: String } }
release! { unique: #[view(key = id, index(city, unique))] { id: u64, city: String } }
release! { another_name: #[view(key = id, index(town = city))] { id: u64, city: String } }
release! { another_type: #[view(key = id, index(city))] { id: u32, city: String } }
release! { another_field: #[view(key = id, index(city))] { id: u64, city: String, note: u8 } }
release! { another_order: #[view(key = id, index(city))] { city: String, id: u64 } }
release! { renamed: #[view(key = id, index(city))] { id: u64, #[serde(rename = "town")] city: String } }
release! { container: #[view(key = id, index(city))] #[serde(deny_unknown_fields)] { id: u64, city: String } }

#[test]
fn what_rows_depend_on_makes_another_definition_and_nothing_else() {
    assert_eq!(form::<first::Row>(), form::<documented::Row>());
    assert_eq!(
        form::<first::Row>(),
        form::<ordered::Row>(),
        "only functions are added"
    );
    let others = [
        form::<another_key::Row>(),
        form::<no_index::Row>(),
        form::<unique::Row>(),
        form::<another_name::Row>(),
        form::<another_type::Row>(),
        form::<another_field::Row>(),
        form::<another_order::Row>(),
        form::<renamed::Row>(),
        form::<container::Row>(),
    ];
    for (i, one) in others.iter().enumerate() {
        assert_ne!(*one, form::<first::Row>());
        assert!(!others[..i].contains(one), "{one}");
    }
}

#[test]
fn a_view_that_nobody_has_built_is_an_error_and_not_empty() {
    let views = Views::new(MemoryStore::new());
    let sentence = "view \"customer\" has not been built yet; run its projection";
    let errors = [
        views.get::<Customer>(1).map(drop),
        views.select(Select::<Customer>::all()).map(drop),
        views.first(Customer::by_city("Oslo")).map(drop),
        views.count(Select::<Customer>::all()).map(drop),
        views.page(Select::<Customer>::all()).map(drop),
    ];
    for error in errors {
        assert_eq!(error.unwrap_err().to_string(), sentence);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "moved")]
struct Moved {
    id: u64,
    city: String,
}

/// A projection into the view as a release has it.
macro_rules! program {
    ($release:ident: $row:ty, $make:expr) => {
        mod $release {
            use super::{Context, HandlerError, Moved, Project, Projection};

            #[derive(Projection)]
            #[projection(name = "homes", events(Moved), views($row))]
            pub(super) struct Homes;

            impl Project<Moved> for Homes {
                async fn project(
                    &self,
                    event: Moved,
                    context: &mut Context<'_, Self>,
                ) -> Result<(), HandlerError> {
                    let make: fn(Moved) -> $row = $make;
                    Ok(context.put(make(event))?)
                }
            }
        }
    };
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(name = "home", key = id, index(city))]
struct HomeBefore {
    id: u64,
    city: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(name = "home", key = id, index(city), index(letters, ordered))]
struct Home {
    id: u64,
    city: String,
    letters: u64,
}

program! { before: super::HomeBefore, |moved| super::HomeBefore { id: moved.id, city: moved.city } }
program! { after: super::Home, |moved| {
    let letters = moved.city.len() as u64;
    super::Home { id: moved.id, city: moved.city, letters }
} }

#[test]
fn a_changed_definition_is_built_anew_and_readers_are_told_until_then() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let append = |id: u64, city: &str| {
        let city = city.to_owned();
        let moved = NewEvent::encode(&Moved { id, city }).unwrap();
        let stream = StreamName::new("home-1").unwrap();
        block_on(store.append(Append::to(stream, ExpectedVersion::Any, [moved]))).unwrap();
    };
    for (id, city) in [(1, "Oslo"), (2, "Bergen"), (1, "Bergen")] {
        append(id, city);
    }
    let midgard = Midgard::new(store.clone());
    block_on(midgard.project(before::Homes, views.clone()).catch_up()).unwrap();
    let both = views.select(HomeBefore::by_city("Bergen")).unwrap();
    assert_eq!(both.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2]);

    // The next release reads before its projection has run, and is told what to do.
    let error = views.select(Home::ordered_by_letters()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "view \"home\" is stored with another definition than this program's, and cannot be read until it is rebuilt: \
         run its projection and wait, and let the previous release serve readers meanwhile \
         (stored: key u64; fields id: u64, city: String; index city text; \
         expected: key u64; fields id: u64, city: String, letters: u64; \
         index city text; index letters u64)"
    );

    append(3, "Rome");
    let midgard = Midgard::new(store.clone());
    block_on(midgard.project(after::Homes, views.clone()).catch_up()).unwrap();
    let rows = views.select(Home::ordered_by_letters()).unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.id, row.letters)).collect();
    assert_eq!(rows, [(3, 4), (1, 6), (2, 6)]);

    // What still runs of the release before is told as well, and reads nothing wrong.
    let error = views.get::<HomeBefore>(1).unwrap_err();
    assert!(
        matches!(error, ViewError::OtherDefinition { view: "home", .. }),
        "{error}"
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(name = "home", key = id, index(city))]
struct HomeWithMore {
    id: u64,
    #[serde(default)]
    floors: Vec<(u8, u8)>,
    city: String,
    note: Option<String>,
}

program! { more: super::HomeWithMore, |moved| super::HomeWithMore {
    id: moved.id, city: moved.city, floors: vec![(1, 2)], note: None
} }

#[test]
fn fields_with_defaults_that_were_added_are_read_from_old_rows_until_the_new_ones_are_there() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let city = "Oslo".to_owned();
    let moved = NewEvent::encode(&Moved { id: 1, city }).unwrap();
    let stream = StreamName::new("home-1").unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::Any, [moved]))).unwrap();
    let midgard = Midgard::new(store.clone());
    block_on(midgard.project(before::Homes, views.clone()).catch_up()).unwrap();
    let read = || views.select(HomeWithMore::by_city("Oslo")).unwrap();
    let row = |floors| HomeWithMore {
        id: 1,
        floors,
        city: "Oslo".to_owned(),
        note: None,
    };
    assert_eq!(read(), [row(vec![])]);
    assert_eq!(
        views
            .page(Select::<HomeWithMore>::all().limit(1))
            .unwrap()
            .rows,
        read()
    );

    let midgard = Midgard::new(store);
    block_on(midgard.project(more::Homes, views.clone()).catch_up()).unwrap();
    assert_eq!(read(), [row(vec![(1, 2)])]);
    // The other way round, fields would be lost.
    let error = views.get::<HomeBefore>(1).unwrap_err();
    assert!(
        matches!(error, ViewError::OtherDefinition { .. }),
        "{error}"
    );
}

fn first_row(json: &str) -> first::Row {
    serde_json::from_str(json).unwrap()
}

#[test]
fn readers_that_know_a_table_find_the_new_one() {
    let mut tables = Tables::of::<first::Row>();
    tables.put(Vec::<first::Row>::new()).unwrap();
    let count = |tables: &Tables| tables.views.count(Select::<first::Row>::all()).unwrap();
    let row = |id| first_row(&format!(r#"{{"id":{id},"city":"Oslo"}}"#));
    tables.put([row(1)]).unwrap();
    assert_eq!(count(&tables), 1);
    tables.generation.number = 2;
    tables.build().unwrap();
    assert_eq!(count(&tables), 0);
    tables.put([1, 2].map(row)).unwrap();
    assert_eq!(count(&tables), 2);
}

#[test]
fn one_table_has_one_type_and_one_projection() {
    let tables = Tables::of::<first::Row>();
    let row = || serde_json::from_str::<first::Row>(r#"{"id":1,"city":"Oslo"}"#).unwrap();
    let same = || serde_json::from_str::<documented::Row>(r#"{"id":1,"city":"Oslo"}"#).unwrap();
    let both = tables.change(|transaction| {
        transaction.put(row())?;
        transaction.put(same())
    });
    assert_eq!(
        both.unwrap_err().to_string(),
        "two types of this program are the view \"row\"; give one of them another name"
    );
    let other =
        tables.put([serde_json::from_str::<unique::Row>(r#"{"id":1,"city":"Oslo"}"#).unwrap()]);
    assert!(
        matches!(other, Err(ViewError::OtherDefinition { .. })),
        "{other:?}"
    );

    let generation =
        midgard::projection::Generation::new("others", 1, tables.generation.views.clone());
    let taken = block_on(async {
        let mut transaction = tables.views.begin_generation(&generation).await?;
        tables.views.prepare(&mut transaction, &generation).await?;
        tables.views.activate(&mut transaction, &generation).await
    });
    assert_eq!(
        taken.unwrap_err().to_string(),
        "projection \"others\" cannot keep the view \"row\", which projection \"tests\" keeps; \
         give one of the views another name"
    );
}
