//! Generations: built alongside each other, seen one at a time, and removed.

use super::kit::*;

pub(super) async fn view_that_was_never_active_is_not_seen<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    hides::<F>(&views, F::NUMBERS).await;
    let generation = generation::<F>(1);
    prepared(&views, &generation).await;
    write_row::<F>(&views, &generation, F::NUMBERS, "row", 1).await;
    hides::<F>(&views, F::NUMBERS).await;
}

pub(super) async fn rows_are_seen_once_their_generation_is_active<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let generation = generation::<F>(1);
    prepared(&views, &generation).await;
    write_row::<F>(&views, &generation, F::NUMBERS, "b", 2).await;
    activated(&views, &generation).await;
    shows::<F>(&views, F::NUMBERS, &[("b", 2)]).await;
    shows::<F>(&views, F::OTHERS, &[]).await;
    write_row::<F>(&views, &generation, F::NUMBERS, "a", 1).await;
    write_row::<F>(&views, &generation, F::OTHERS, "c", 3).await;
    shows::<F>(&views, F::NUMBERS, &[("a", 1), ("b", 2)]).await;
    shows::<F>(&views, F::OTHERS, &[("c", 3)]).await;
    drop(views);
    let views = fixture.open().await;
    shows::<F>(&views, F::NUMBERS, &[("a", 1), ("b", 2)]).await;
}

pub(super) async fn row_of_a_key_is_replaced<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let generation = generation::<F>(1);
    prepared(&views, &generation).await;
    activated(&views, &generation).await;
    for number in 1..=3 {
        write_row::<F>(&views, &generation, F::NUMBERS, "row", number).await;
        shows::<F>(&views, F::NUMBERS, &[("row", number)]).await;
    }
}

pub(super) async fn new_generation_is_built_beside_the_old_one<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let (old, new) = (generation::<F>(1), generation::<F>(2));
    prepared(&views, &old).await;
    activated(&views, &old).await;
    write_row::<F>(&views, &old, F::NUMBERS, "row", 1).await;
    prepared(&views, &new).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 1)]).await;
    write_row::<F>(&views, &new, F::NUMBERS, "row", 100).await;
    write_row::<F>(&views, &new, F::NUMBERS, "new", 200).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 1)]).await;
    // The old one is kept up to date meanwhile.
    write_row::<F>(&views, &old, F::NUMBERS, "row", 2).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 2)]).await;
    activated(&views, &new).await;
    shows::<F>(&views, F::NUMBERS, &[("new", 200), ("row", 100)]).await;
}

pub(super) async fn dropped_switch_leaves_the_old_generation<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let (old, new) = (generation::<F>(1), generation::<F>(2));
    prepared(&views, &old).await;
    activated(&views, &old).await;
    write_row::<F>(&views, &old, F::NUMBERS, "row", 1).await;
    let mut transaction = begin(&views).await;
    prepare(&views, &mut transaction, &new).await;
    activate(&views, &mut transaction, &new).await;
    drop(transaction);
    shows::<F>(&views, F::NUMBERS, &[("row", 1)]).await;
    // Nothing of it is left that would block a new one.
    prepared(&views, &new).await;
    activated(&views, &new).await;
    shows::<F>(&views, F::NUMBERS, &[]).await;
}

pub(super) async fn whole_life_of_a_generation_in_one_transaction<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let generation = generation::<F>(1);
    // As for a projection that has no events yet.
    let mut transaction = begin(&views).await;
    prepare(&views, &mut transaction, &generation).await;
    activate(&views, &mut transaction, &generation).await;
    put(&views, &mut transaction, "about", Some("1")).await;
    commit(&views, transaction).await;
    shows::<F>(&views, F::NUMBERS, &[]).await;
    shows::<F>(&views, F::OTHERS, &[]).await;
}

pub(super) async fn views_no_longer_listed_are_not_seen<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let both = generation::<F>(1);
    prepared(&views, &both).await;
    activated(&views, &both).await;
    write_row::<F>(&views, &both, F::OTHERS, "row", 1).await;
    let one = generation_of::<F>(both.projection, 2, &[F::NUMBERS]);
    prepared(&views, &one).await;
    shows::<F>(&views, F::OTHERS, &[("row", 1)]).await;
    activated(&views, &one).await;
    hides::<F>(&views, F::OTHERS).await;
    shows::<F>(&views, F::NUMBERS, &[]).await;
}

pub(super) async fn discarded_generation_leaves_the_active_one<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    for number in 1..=3 {
        let generation = generation::<F>(number);
        prepared(&views, &generation).await;
        write_row::<F>(&views, &generation, F::NUMBERS, "row", number).await;
        activated(&views, &generation).await;
        if let Some(old) = number.checked_sub(1).filter(|old| *old > 0) {
            discarded(&views, &self::generation::<F>(old)).await;
        }
        shows::<F>(&views, F::NUMBERS, &[("row", number)]).await;
    }
}

pub(super) async fn discard_of_many_rows_comes_to_an_end<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let (old, new) = (generation::<F>(1), generation::<F>(2));
    prepared(&views, &old).await;
    activated(&views, &old).await;
    let mut transaction = begin_on(&views, &old).await;
    for number in 0..12_000 {
        let key = format!("{number:06}");
        F::put_row(&mut transaction, &old, F::NUMBERS, &key, number).await;
    }
    commit(&views, transaction).await;
    prepared(&views, &new).await;
    write_row::<F>(&views, &new, F::NUMBERS, "row", 1).await;
    activated(&views, &new).await;
    discarded(&views, &old).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 1)]).await;
}

pub(super) async fn discard_of_a_generation_that_is_not_there_is_done<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let old = generation::<F>(1);
    discarded(&views, &old).await;
    prepared(&views, &old).await;
    discarded(&views, &old).await;
    // A worker that was killed after this step repeats it.
    discarded(&views, &old).await;
}

pub(super) async fn discard_of_a_generation_that_had_other_views<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let both = generation::<F>(1);
    prepared(&views, &both).await;
    activated(&views, &both).await;
    write_row::<F>(&views, &both, F::OTHERS, "row", 1).await;
    let one = |number| generation_of::<F>(both.projection, number, &[F::NUMBERS]);
    prepared(&views, &one(2)).await;
    write_row::<F>(&views, &one(2), F::NUMBERS, "row", 2).await;
    activated(&views, &one(2)).await;
    discarded(&views, &one(1)).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 2)]).await;
    hides::<F>(&views, F::OTHERS).await;
    // The view can come back, and begins empty.
    let again = generation::<F>(3);
    prepared(&views, &again).await;
    activated(&views, &again).await;
    shows::<F>(&views, F::OTHERS, &[]).await;
}

pub(super) async fn generation_that_was_never_active_can_be_discarded<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let (old, given_up, new) = (generation::<F>(1), generation::<F>(2), generation::<F>(3));
    prepared(&views, &old).await;
    activated(&views, &old).await;
    write_row::<F>(&views, &old, F::NUMBERS, "row", 1).await;
    prepared(&views, &given_up).await;
    write_row::<F>(&views, &given_up, F::NUMBERS, "row", 2).await;
    prepared(&views, &new).await;
    write_row::<F>(&views, &new, F::NUMBERS, "row", 3).await;
    discarded(&views, &given_up).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 1)]).await;
    activated(&views, &new).await;
    shows::<F>(&views, F::NUMBERS, &[("row", 3)]).await;
}

pub(super) async fn projections_are_apart<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let one = |number| generation_of::<F>("contract", number, &[F::NUMBERS]);
    let other = generation_of::<F>("contract other", 1, &[F::OTHERS]);
    prepared(&views, &one(1)).await;
    prepared(&views, &other).await;
    activated(&views, &other).await;
    activated(&views, &one(1)).await;
    write_row::<F>(&views, &one(1), F::NUMBERS, "row", 1).await;
    write_row::<F>(&views, &other, F::OTHERS, "row", 2).await;
    prepared(&views, &one(2)).await;
    activated(&views, &one(2)).await;
    discarded(&views, &one(1)).await;
    shows::<F>(&views, F::NUMBERS, &[]).await;
    shows::<F>(&views, F::OTHERS, &[("row", 2)]).await;
}
