//! Unique indexes: no two rows have one value.

use super::kit::{Customer, Tables, customer, with_email};
use midgard::view::StartingWith;
use midgard::view::{Select, ViewError};
use midgard::{View, ViewKey};
use serde::{Deserialize, Serialize};

fn holder(tables: &Tables, email: &str) -> Option<u64> {
    let row = tables.views.first(Customer::by_email(email)).unwrap();
    row.map(|row| row.id)
}

#[test]
fn a_second_row_of_a_value_is_refused_and_nothing_of_its_transaction_is_there() {
    let tables = Tables::of::<Customer>();
    tables.put([with_email(1, "ann@x.org")]).unwrap();
    let refused = tables.put([with_email(3, "cid@x.org"), with_email(2, "ann@x.org")]);
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, ViewError::NotUnique { index: "email", .. }),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the rows 1 and 2 of view \"customer\" both have \"ann@x.org\" in the unique index \"email\"; \
         give them different values, or make the index not unique"
    );
    assert_eq!(tables.ids(Select::all()), [1]);
    assert_eq!(holder(&tables, "cid@x.org"), None);

    // Within one transaction as well, also when the value comes with a change of the row.
    let both = [with_email(4, "dan@x.org"), with_email(5, "dan@x.org")];
    assert!(matches!(tables.put(both), Err(ViewError::NotUnique { .. })));
    tables.put([with_email(2, "bob@x.org")]).unwrap();
    let change = tables.change(|transaction| {
        let email = Some("ann@x.org".to_owned());
        transaction
            .update::<Customer>(2, |row| row.email = email)
            .map(drop)
    });
    assert!(matches!(change, Err(ViewError::NotUnique { .. })));
    assert_eq!(holder(&tables, "bob@x.org"), Some(2));
}

#[test]
fn a_value_is_free_once_its_row_gives_it_up() {
    let tables = Tables::of::<Customer>();
    tables.put([with_email(1, "ann@x.org")]).unwrap();
    // In one transaction, whichever of the two comes first.
    tables
        .put([with_email(2, "ann@x.org"), with_email(1, "anna@x.org")])
        .unwrap();
    assert_eq!(holder(&tables, "ann@x.org"), Some(2));
    tables
        .change(|transaction| {
            transaction.remove::<Customer>(2)?;
            transaction.put(with_email(3, "ann@x.org"))
        })
        .unwrap();
    assert_eq!(holder(&tables, "ann@x.org"), Some(3));
    assert_eq!(holder(&tables, "anna@x.org"), Some(1));
    assert_eq!(tables.views.count(Customer::ordered_by_email()).unwrap(), 2);
}

#[test]
fn rows_may_exchange_their_values() {
    let tables = Tables::of::<Customer>();
    let emails = ["ann@x.org", "bob@x.org", "cid@x.org"];
    let rows = |turn: usize| (0..3).map(move |i| with_email(i as u64 + 1, emails[(i + turn) % 3]));
    for turn in [0, 1, 2, 0] {
        tables.put(rows(turn)).unwrap();
        for (i, row) in rows(turn).enumerate() {
            assert_eq!(holder(&tables, emails[(i + turn) % 3]), Some(row.id));
        }
    }
    // Of two alone, by changes in place.
    tables
        .change(|transaction| {
            let email = |email: &str| Some(email.to_owned());
            transaction.update::<Customer>(1, |row| row.email = email("bob@x.org"))?;
            transaction.update::<Customer>(2, |row| row.email = email("ann@x.org"))?;
            Ok(())
        })
        .unwrap();
    assert_eq!(holder(&tables, "ann@x.org"), Some(2));
    assert_eq!(holder(&tables, "bob@x.org"), Some(1));
}

#[test]
fn any_number_of_rows_may_have_no_value() {
    let tables = Tables::of::<Customer>();
    let without = |id| customer(id, "Norway", "Oslo");
    tables
        .put([without(1), without(2), with_email(3, "")])
        .unwrap();
    assert_eq!(tables.ids(Customer::by_email(None)), [1, 2]);
    assert_eq!(tables.ids(Customer::by_email("")), [3]);
    assert_eq!(tables.ids(Customer::ordered_by_email()), [1, 2, 3]);

    tables
        .put([with_email(1, "ann@x.org"), without(3)])
        .unwrap();
    assert_eq!(tables.ids(Customer::by_email(None)), [2, 3]);
    assert_eq!(holder(&tables, "ann@x.org"), Some(1));
    tables
        .change(|transaction| transaction.remove::<Customer>(2).map(drop))
        .unwrap();
    assert_eq!(tables.ids(Customer::ordered_by_email()), [3, 1]);

    // Its own changes a transaction sees in the same way.
    let mut transaction = tables.begin();
    transaction.put(without(4)).unwrap();
    let rows = transaction.select(Customer::by_email(None)).unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 4]);
}

/// What one has not said how to reach is no value either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
struct Phone(Option<u32>);

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = id, index(phone, unique), index(is_main, unique), index(desk = (floor, id), unique))]
struct Member {
    id: u8,
    phone: Phone,
    is_main: bool,
    floor: Option<u8>,
}

#[test]
fn only_an_option_is_no_value_and_not_what_has_the_same_bytes() {
    let tables = Tables::of::<Member>();
    let member = |id, is_main| Member {
        id,
        phone: Phone(None),
        is_main,
        floor: None,
    };
    tables.put([member(0, false), member(1, true)]).unwrap();
    let refused = tables.put([member(2, false)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the rows 0 and 2 of view \"member\" both have false in the unique index \"is_main\"; \
         give them different values, or make the index not unique"
    );
    let phones = tables.views.count(Member::by_phone(Phone(None))).unwrap();
    assert_eq!(phones, 2);
}

#[test]
fn an_index_of_several_fields_may_be_unique() {
    let tables = Tables::of::<Customer>();
    let of = |id, country: &str| Customer {
        number: 1,
        ..customer(id, country, "Oslo")
    };
    tables.put([of(1, "Norway"), of(2, "Sweden")]).unwrap();
    let refused = tables.put([of(3, "Norway")]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the rows 1 and 3 of view \"customer\" both have (\"Norway\", 1) in the unique index \"badge\"; \
         give them different values, or make the index not unique"
    );
    assert_eq!(tables.ids(Customer::by_badge(("Sweden", 1))), [2]);
    assert_eq!(
        tables.ids(Customer::by_place_range(StartingWith("Sweden"))),
        [2]
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
struct Desk {
    floor: u8,
    place: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = id, index(email = (tenant, email), unique), index(desk, unique))]
struct Account {
    id: u8,
    tenant: u8,
    email: Option<String>,
    desk: Desk,
}

#[test]
fn a_value_of_several_fields_of_which_one_is_none_is_no_value() {
    let tables = Tables::of::<Account>();
    let account = |id, email: Option<&str>, place: Option<&str>| Account {
        id,
        tenant: 7,
        email: email.map(str::to_owned),
        desk: Desk {
            floor: 1,
            place: place.map(str::to_owned),
        },
    };
    let ids = |select| {
        let rows: Vec<Account> = tables.views.select(select).unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let none = || Account::by_email((7, None));
    tables
        .put([account(1, None, None), account(2, None, None)])
        .unwrap();
    tables.put([account(3, None, Some("window"))]).unwrap();
    assert_eq!(ids(none()), [1, 2, 3]);

    // What has all its parts is unique.
    tables.put([account(2, Some("ann@x.org"), None)]).unwrap();
    let refused = tables.put([account(1, Some("ann@x.org"), None)]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the rows 2 and 1 of view \"account\" both have (7, \"ann@x.org\") in the unique index \"email\"; \
         give them different values, or make the index not unique"
    );
    let refused = tables.put([account(1, None, Some("window"))]);
    assert!(matches!(
        refused,
        Err(ViewError::NotUnique { index: "desk", .. })
    ));
    assert_eq!(ids(none()), [1, 3]);

    // From a value to none, and away.
    tables.put([account(2, None, None)]).unwrap();
    tables.put([account(1, Some("ann@x.org"), None)]).unwrap();
    assert_eq!(ids(none()), [2, 3]);
    assert_eq!(
        ids(Account::by_email((7, Some("ann@x.org".to_owned())))),
        [1]
    );
    let removed = tables.change(|transaction| transaction.remove::<Account>(2).map(drop));
    removed.unwrap();
    assert_eq!(ids(none()), [3]);

    // Rows of releases that took such a value for one are built anew.
    let form = midgard::projection::ViewDefinition::of::<Account>().form;
    assert!(
        form.contains("; unique index without nones email (u8, optional text)"),
        "{form}"
    );
}
