//! Appends with conditions that are made at once: each sees the events of the others, or they see its events.
//!
//! UmaDB's "batches" are appends that a store commits together, which threads provoke here, and appends that are all begun
//! before one is waited for.

use super::conditions::{tag, taken, unless};
use super::kit::*;
use futures_util::future::join_all;
use std::thread;

/// Appends that are all begun before one of them is waited for: small and large ones, with and without conditions.
pub(super) async fn mixed_conditions_of_the_same_moment<F: Fixture>(fixture: &F) {
    const EACH: usize = 6;
    let store = fixture.open();
    let mut appends = Vec::new();
    for payload in [10, 20_000] {
        for attempt in 0..EACH {
            let email = format!("{payload}@x.org");
            let mut one = taken(&email);
            one.payload = vec![b' '; payload];
            let name = format!("user-{payload}-{attempt}");
            let condition = unless(tag(&format!("email:{email}")), Position::ZERO);
            appends.push(to(&name, NoStream, [one]).unless(condition));
            appends.push(to("account-2", Any, events(1)));
            let never = unless(QueryItem::new().name("of.no.event"), Position::ZERO);
            appends.push(to("account-3", Any, events(1)).unless(never));
            let after_all = unless(Query::all(), Position::MAX);
            appends.push(to("account-3", Any, events(1)).unless(after_all));
        }
    }
    let answers = join_all(appends.into_iter().map(|append| store.append(append))).await;
    let mut lost = Vec::new();
    for (index, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(_) => {}
            Err(AppendError::ConditionFailed { place, .. }) if index.is_multiple_of(4) => {
                lost.push(place.position);
            }
            Err(error) => panic!("append {index} has nothing against it, and not: {error}"),
        }
    }
    for payload in [10, 20_000] {
        let winners = matching(&store, tag(&format!("email:{payload}@x.org"))).await;
        assert_eq!(
            winners.len(),
            1,
            "of all who claim one address, one gets it"
        );
        let to_it = lost.iter().filter(|at| **at == winners[0].position);
        assert_eq!(to_it.count(), EACH - 1, "the others are told who has it");
    }
    assert_eq!(log(&store).await.len(), 2 * 3 * EACH + 2);
}

/// Many threads claim few addresses; `query` is the condition for one.
async fn race<F: Fixture>(fixture: &F, payload: usize, query: impl Fn(&str) -> Query + Sync) {
    const THREADS: usize = 8;
    const ADDRESSES: usize = 10;
    let store = fixture.open();
    let won: usize = thread::scope(|threads| {
        let claims: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (store, query) = (&store, &query);
                threads.spawn(move || {
                    let wins = (0..ADDRESSES).filter(|address| {
                        let email = format!("email:{address}");
                        let mut one = tagged(&format!("taken.{address}"), &[&email]);
                        one.payload = vec![b' '; payload];
                        let append = to(&format!("user-{thread}-{address}"), NoStream, [one])
                            .unless(unless(query(&address.to_string()), Position::ZERO));
                        match fixture.block_on(store.append(append)) {
                            Ok(_) => true,
                            Err(AppendError::ConditionFailed { .. }) => false,
                            Err(error) => panic!("a condition that fails says so, not: {error}"),
                        }
                    });
                    wins.count()
                })
            })
            .collect();
        claims
            .into_iter()
            .map(|claim| claim.join().expect("no thread fails"))
            .sum()
    });
    assert_eq!(
        won, ADDRESSES,
        "of all who claim one address at once, one gets it"
    );
    assert_eq!(
        log(&store).await.len(),
        ADDRESSES,
        "the others left nothing behind"
    );
}

pub(super) async fn conditions_by_tag_see_appends_of_the_same_moment<F: Fixture>(fixture: &F) {
    race(fixture, 10, |address| {
        tag(&format!("email:{address}")).into()
    })
    .await;
}

pub(super) async fn conditions_by_name_see_appends_of_the_same_moment<F: Fixture>(fixture: &F) {
    race(fixture, 10, |address| {
        QueryItem::new().name(format!("taken.{address}")).into()
    })
    .await;
}

/// The condition by a name and a tag.
fn by_name_and_tag(address: &str) -> Query {
    let item = tag(&format!("email:{address}"));
    item.name(format!("taken.{address}")).into()
}

pub(super) async fn conditions_by_name_and_tag_see_appends_of_the_same_moment<F: Fixture>(
    fixture: &F,
) {
    race(fixture, 10, by_name_and_tag).await;
}

pub(super) async fn conditions_by_name_see_large_appends_of_the_same_moment<F: Fixture>(
    fixture: &F,
) {
    race(fixture, 20_000, |address| {
        QueryItem::new().name(format!("taken.{address}")).into()
    })
    .await;
}

pub(super) async fn conditions_see_large_appends_of_the_same_moment<F: Fixture>(fixture: &F) {
    race(fixture, 20_000, by_name_and_tag).await;
}
