//! What a transaction sees and changes, and what others see of it.

use super::kit::{Customer, Status, Tables, customer, with_balance, with_email};
use midgard::View;
use midgard::projection::ViewDefinition;
use midgard::view::ViewTransaction;
use midgard::view::{Select, ViewError};
use serde::{Deserialize, Serialize};
use std::thread;

fn ids(transaction: &mut ViewTransaction, select: Select<Customer>) -> Vec<u64> {
    let rows = transaction.select(select).unwrap();
    rows.iter().map(|row| row.id).collect()
}

#[test]
fn a_transaction_sees_its_own_changes_in_every_selection() {
    let tables = Tables::of::<Customer>();
    tables
        .put((0..6).map(|id| with_balance(id * 10, id as i64)))
        .unwrap();
    let mut transaction = tables.begin();
    let own = &mut transaction;
    own.put(with_balance(25, 9)).unwrap();
    own.put(with_balance(5, -1)).unwrap();
    own.put(with_balance(20, 7)).unwrap();
    assert!(own.remove::<Customer>(30).unwrap());
    assert!(
        own.update::<Customer>(40, |row| row.status = Status::Active)
            .unwrap()
    );

    assert_eq!(own.get::<Customer>(25).unwrap().unwrap().balance, 9);
    assert_eq!(own.get::<Customer>(30).unwrap(), None);
    assert_eq!(ids(own, Select::all()), [0, 5, 10, 20, 25, 40, 50]);
    assert_eq!(
        ids(own, Select::all().reverse()),
        [50, 40, 25, 20, 10, 5, 0]
    );
    for limit in 0..=8 {
        let all = [0, 5, 10, 20, 25, 40, 50];
        let (some, from) = (all.len().min(limit), all.len().saturating_sub(limit));
        assert_eq!(ids(own, Select::all().limit(limit)), all[..some]);
        let reverse: Vec<_> = all[from..].iter().rev().copied().collect();
        assert_eq!(ids(own, Select::all().reverse().limit(limit)), reverse);
    }
    assert_eq!(
        ids(own, Customer::ordered_by_balance()),
        [5, 0, 10, 40, 50, 20, 25]
    );
    let old = ids(own, Customer::by_balance(2));
    assert!(old.is_empty(), "its value has changed: {old:?}");
    assert_eq!(
        ids(own, Customer::by_balance_range(4..=7).reverse()),
        [20, 50, 40]
    );
    assert_eq!(ids(own, Customer::by_status(Status::Active)), [40]);
    assert_eq!(ids(own, Select::keys(20..=30)), [20, 25]);
    assert_eq!(
        ids(own, Select::all().filter(|row: &Customer| row.balance > 4)),
        [20, 25, 50]
    );

    // Others see it once it is committed.
    assert_eq!(tables.ids(Select::all()), [0, 10, 20, 30, 40, 50]);
    tables.commit(transaction).unwrap();
    assert_eq!(
        tables.ids(Customer::ordered_by_balance()),
        [5, 0, 10, 40, 50, 20, 25]
    );
}

#[test]
fn an_index_follows_every_change_of_a_row() {
    let tables = Tables::of::<Customer>();
    let cities = |tables: &Tables| {
        ["Oslo", "Bergen", "Paris"].map(|city| tables.ids(Customer::by_city(city)))
    };
    tables.put([customer(1, "Norway", "Oslo")]).unwrap();
    assert_eq!(cities(&tables), [vec![1], vec![], vec![]]);
    tables.put([customer(1, "Norway", "Bergen")]).unwrap();
    assert_eq!(cities(&tables), [vec![], vec![1], vec![]]);
    tables
        .change(|transaction| {
            // To one and back, and on to a third: only the last one counts.
            for city in ["Oslo", "Bergen", "Paris"] {
                transaction.update::<Customer>(1, |row| row.city = city.to_owned())?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(cities(&tables), [vec![], vec![], vec![1]]);
    assert_eq!(tables.ids(Customer::by_place(("Norway", "Paris"))), [1]);
    tables
        .change(|transaction| {
            transaction.remove::<Customer>(1)?;
            transaction.put(customer(1, "Norway", "Oslo"))?;
            transaction.remove::<Customer>(1).map(drop)
        })
        .unwrap();
    assert_eq!(cities(&tables), [const { Vec::<u64>::new() }; 3]);
    assert_eq!(
        tables.views.count(Customer::ordered_by_status()).unwrap(),
        0
    );
}

#[test]
fn rows_are_made_changed_and_removed_and_it_says_whether_there_was_one() {
    let tables = Tables::of::<Customer>();
    let add = |transaction: &mut ViewTransaction, id| {
        transaction.upsert::<Customer>(
            id,
            || customer(id, "Norway", "Oslo"),
            |row| row.balance += 1,
        )
    };
    tables
        .change(|transaction| {
            assert!(!transaction.update::<Customer>(1, |_| unreachable!())?);
            assert!(!transaction.remove::<Customer>(1)?);
            add(transaction, 1)?;
            add(transaction, 1)?;
            assert!(transaction.update::<Customer>(1, |row| row.balance *= 10)?);
            add(transaction, 2)?;
            assert!(transaction.remove::<Customer>(2)?);
            assert!(!transaction.remove::<Customer>(2)?);
            assert!(!transaction.update::<Customer>(2, |_| unreachable!())?);
            Ok(())
        })
        .unwrap();
    tables.change(|transaction| add(transaction, 1)).unwrap();
    assert_eq!(
        tables.views.get::<Customer>(1).unwrap().unwrap().balance,
        21
    );
    assert_eq!(tables.ids(Select::all()), [1]);
}

#[test]
fn what_is_not_committed_was_never_there() {
    let tables = Tables::of::<Customer>();
    tables.put([with_email(1, "ann@x.org")]).unwrap();
    let mut transaction = tables.begin();
    transaction.put(with_email(2, "bob@x.org")).unwrap();
    transaction.remove::<Customer>(1).unwrap();
    drop(transaction);
    assert_eq!(tables.ids(Select::all()), [1]);
    assert_eq!(tables.ids(Customer::ordered_by_email()), [1]);
}

#[test]
fn a_snapshot_stays_as_it_is_whatever_is_written() {
    let tables = Tables::of::<Customer>();
    tables.put((0..5).map(|id| with_balance(id, 1))).unwrap();
    let before = tables.views.snapshot().unwrap();
    tables
        .change(|transaction| {
            transaction.remove::<Customer>(0)?;
            transaction.put(with_balance(1, 2))?;
            transaction.put(with_balance(9, 1))
        })
        .unwrap();
    let after = tables.views.snapshot().unwrap();
    for (snapshot, ones, all) in [(&before, 5, 5), (&after, 4, 5)] {
        assert_eq!(snapshot.count(Customer::by_balance(1)).unwrap(), ones);
        assert_eq!(
            snapshot.select(Select::<Customer>::all()).unwrap().len(),
            all
        );
    }
    assert!(before.get::<Customer>(0).unwrap().is_some());
    assert_eq!(after.get::<Customer>(0).unwrap(), None);
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = id, index(cents))]
struct Account {
    id: u8,
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = id)]
struct Transfers {
    id: u8,
    count: u64,
}

#[test]
fn several_views_are_seen_as_one_transaction_left_them() {
    let definitions = vec![
        ViewDefinition::of::<Account>(),
        ViewDefinition::of::<Transfers>(),
    ];
    let tables = Tables::with(definitions);
    let put = |count: u64| {
        tables.change(|transaction| {
            let moved = count % 1_000;
            transaction.put(Account {
                id: 0,
                cents: 1_000 - moved,
            })?;
            transaction.put(Account {
                id: 1,
                cents: moved,
            })?;
            transaction.put(Transfers { id: 0, count })
        })
    };
    put(0).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while last < 2_000 {
                let views = tables.views.snapshot().unwrap();
                let accounts = views.select(Select::<Account>::all()).unwrap();
                let sum: u64 = accounts.iter().map(|account| account.cents).sum();
                assert_eq!(sum, 1_000);
                let count = views.get::<Transfers>(0).unwrap().unwrap().count;
                assert_eq!(accounts[1].cents, count % 1_000);
                assert_eq!(
                    views
                        .count(Account::by_cents(accounts[1].cents))
                        .unwrap()
                        .min(1),
                    1
                );
                assert!(count >= last);
                last = count;
            }
        });
        for count in 1..=2_000 {
            put(count).unwrap();
        }
        reader.join().unwrap();
    });
}

#[test]
fn a_change_may_not_change_the_key_and_spoils_the_transaction() {
    let tables = Tables::of::<Customer>();
    tables.put([customer(1, "Norway", "Oslo")]).unwrap();
    let mut transaction = tables.begin();
    let changed = transaction
        .update::<Customer>(1, |row| row.id = 2)
        .unwrap_err();
    let message = "a change of the row 1 of view \"customer\" made its key 2; \
                   remove the row and put a new one instead";
    assert_eq!(changed.to_string(), message);
    let failed = tables.commit(transaction).unwrap_err();
    assert_eq!(
        failed.to_string(),
        format!("the transaction cannot be committed after an error in it: {message}")
    );

    let mut transaction = tables.begin();
    let made = transaction.upsert::<Customer>(7, || customer(8, "Norway", "Oslo"), |_| {});
    assert!(matches!(made, Err(ViewError::KeyChanged { .. })));
    assert!(tables.commit(transaction).is_err());
    assert_eq!(tables.ids(Select::all()), [1]);
}

#[test]
fn a_view_that_the_projection_does_not_keep_is_refused() {
    let tables = Tables::of::<Customer>();
    let refused = tables.put([Account { id: 1, cents: 1 }]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "projection \"tests\" has no table for the view \"account\" in generation 1; \
         list the view in `views(..)`, and prepare the generation"
    );
}
