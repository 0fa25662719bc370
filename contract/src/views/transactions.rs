//! Transactions: all or nothing, and everything that was read still holds at the commit. Some stores let transactions
//! wait for each other, others let one of them fail: both are allowed.

use super::kit::*;
use futures_util::future::{join, join_all};
use midgard::notes::NoteStore as _;

/// How many tasks do the same at once.
const TASKS: usize = 4;

pub(super) async fn dropped_transaction_has_changed_nothing<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let generation = generation::<F>(1);
    prepared(&views, &generation).await;
    activated(&views, &generation).await;
    write(&views, "kept", Some("kept")).await;
    let mut transaction = begin_on(&views, &generation).await;
    put(&views, &mut transaction, "kept", None).await;
    put(&views, &mut transaction, "new", Some("new")).await;
    F::put_row(&mut transaction, &generation, F::NUMBERS, "row", 1).await;
    drop(transaction);
    assert_eq!(read(&views, "kept").await.as_deref(), Some("kept"));
    assert_eq!(read(&views, "new").await, None);
    shows::<F>(&views, F::NUMBERS, &[]).await;
}

pub(super) async fn transaction_after_a_dropped_one_is_as_ever<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let generation = generation::<F>(1);
    prepared(&views, &generation).await;
    activated(&views, &generation).await;
    for number in 1..=20 {
        let mut transaction = begin_on(&views, &generation).await;
        put(&views, &mut transaction, "dropped", Some("dropped")).await;
        F::put_row(&mut transaction, &generation, F::NUMBERS, "dropped", number).await;
        drop(transaction);
        write(&views, "note", Some(&number.to_string())).await;
        write_row::<F>(&views, &generation, F::NUMBERS, "row", number).await;
        assert_eq!(read(&views, "note").await, Some(number.to_string()));
        assert_eq!(read(&views, "dropped").await, None);
        shows::<F>(&views, F::NUMBERS, &[("row", number)]).await;
    }
}

pub(super) async fn notes_and_rows_are_committed_together<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let generation = generation::<F>(1);
    prepared(&views, &generation).await;
    activated(&views, &generation).await;
    let mut transaction = begin_on(&views, &generation).await;
    F::put_row(&mut transaction, &generation, F::NUMBERS, "row", 7).await;
    put(&views, &mut transaction, "checkpoint", Some("7")).await;
    F::put_row(&mut transaction, &generation, F::OTHERS, "row", 8).await;
    commit(&views, transaction).await;
    let other = fixture.open().await;
    assert_eq!(read(&other, "checkpoint").await.as_deref(), Some("7"));
    shows::<F>(&other, F::NUMBERS, &[("row", 7)]).await;
    shows::<F>(&other, F::OTHERS, &[("row", 8)]).await;
}

pub(super) async fn commits_are_seen_whole<F: ViewFixture>(fixture: &F) {
    let (writer, reader) = (fixture.open().await, fixture.open().await);
    let writing = async {
        for number in 1..=50 {
            let text = number.to_string();
            let mut transaction = begin(&writer).await;
            put(&writer, &mut transaction, "first", Some(&text)).await;
            give_way().await;
            put(&writer, &mut transaction, "second", Some(&text)).await;
            commit(&writer, transaction).await;
            give_way().await;
        }
    };
    let reading = async {
        let mut turns = 0;
        loop {
            let transaction = reader.begin_read().await;
            let mut transaction = transaction.expect("reading transactions begin");
            let first = get(&reader, &mut transaction, "first").await;
            give_way().await;
            let second = get(&reader, &mut transaction, "second").await;
            drop(transaction);
            assert_eq!(first, second, "a commit is seen whole or not at all");
            if first.as_deref() == Some("50") {
                return;
            }
            // At another moment of the writer's each time.
            turns = turns % 3 + 1;
            for _ in 0..turns {
                give_way().await;
            }
        }
    };
    join(writing, reading).await;
}

pub(super) async fn reading_transaction_sees_what_was_committed<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    for number in 1..=20 {
        let text = number.to_string();
        write(&views, "n/note", Some(&text)).await;
        let transaction = views.begin_read().await;
        let mut transaction = transaction.expect("reading transactions begin");
        assert_eq!(
            get(&views, &mut transaction, "n/note").await,
            Some(text),
            "a reading transaction sees what was committed before it began"
        );
        let notes = views.list(&mut transaction, "n/").await;
        assert_eq!(notes.ok().map(|notes| notes.len()), Some(1));
    }
}

/// Runs a transaction until it is committed. Others may change what it depends on meanwhile.
async fn until_committed<V: ViewStore>(
    views: &V,
    work: impl AsyncFn(&mut V::Transaction) -> Result<(), V::Error>,
) {
    for _ in 0..1_000 {
        let mut transaction = begin(views).await;
        let worked = work(&mut transaction).await;
        if worked.is_ok() && views.commit(transaction).await.is_ok() {
            return;
        }
        give_way().await;
    }
    panic!("of transactions that compete, some go through: one did not in a thousand tries");
}

pub(super) async fn increments_by_many_lose_nothing<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let increment = |_| async {
        let own = fixture.open().await;
        for _ in 0..25 {
            until_committed(&own, async |transaction| {
                let before = own.get(transaction, "count").await?;
                give_way().await;
                let before: u32 = before.map_or(0, |text| text.parse().unwrap());
                let text = (before + 1).to_string();
                own.put(transaction, "count", Some(&text)).await
            })
            .await;
        }
    };
    join_all((0..TASKS).map(increment)).await;
    let count = read(&views, "count").await;
    assert_eq!(
        count,
        Some((25 * TASKS).to_string()),
        "every increment counts"
    );
}

pub(super) async fn note_that_many_make_is_made_once<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    for round in 0..10 {
        let (key, made) = (format!("lease/{round}"), format!("made/{round}/"));
        let make = |task: usize| {
            let (views, key, made) = (&views, &key, &made);
            async move {
                let mine = format!("{made}{task}");
                until_committed(views, async |transaction| {
                    let before = views.get(transaction, key).await?;
                    give_way().await;
                    if before.is_none() {
                        views.put(transaction, key, Some("taken")).await?;
                        views.put(transaction, &mine, Some(&mine)).await?;
                    }
                    Ok(())
                })
                .await;
            }
        };
        join_all((0..TASKS).map(make)).await;
        let made = listed(&views, &made).await;
        assert_eq!(
            made.len(),
            1,
            "that a note is not there still holds at the commit"
        );
    }
}

pub(super) async fn transactions_that_read_what_the_other_writes<F: ViewFixture>(fixture: &F) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    for _ in 0..20 {
        write_keys(&one, ["a", "b"]).await;
        // Each removes one of them, unless it is already gone.
        let remove = async |views: &F::Views, mine: &str| {
            until_committed(views, async |transaction| {
                let a = views.get(transaction, "a").await?;
                let b = views.get(transaction, "b").await?;
                give_way().await;
                if a.is_some() && b.is_some() {
                    views.put(transaction, mine, None).await?;
                }
                Ok(())
            })
            .await;
        };
        join(remove(&one, "a"), remove(&other, "b")).await;
        let left = [read(&one, "a").await, read(&one, "b").await];
        assert!(
            left.iter().any(Option::is_some),
            "what a transaction has read still holds at its commit"
        );
    }
}

pub(super) async fn note_that_was_read_stays_so<F: ViewFixture>(fixture: &F) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    write(&one, "note", Some("0")).await;
    let reading = async {
        for _ in 0..20 {
            let mut transaction = begin(&one).await;
            let first = get(&one, &mut transaction, "note").await;
            for _ in 0..5 {
                give_way().await;
            }
            let second = get(&one, &mut transaction, "note").await;
            assert_eq!(
                first, second,
                "a transaction reads a note as it read it before"
            );
            drop(transaction);
            give_way().await;
        }
    };
    let writing = async {
        for number in 1..=20 {
            write(&other, "note", Some(&number.to_string())).await;
            give_way().await;
        }
    };
    join(reading, writing).await;
}
