//! Payloads are bytes of any size up to the limit, and come back byte for byte.

use super::kit::*;

/// Returns bytes that differ from place to place and from event to event.
fn payload(bytes: usize, seed: usize) -> NewEvent {
    let mut event = event();
    event.payload = (0..bytes)
        .map(|at| (at.wrapping_mul(31) ^ seed) as u8)
        .collect();
    event
}

async fn keeps<F: Fixture>(fixture: &F, sizes: impl IntoIterator<Item = usize>) {
    let store = fixture.open();
    let sizes = sizes.into_iter().enumerate();
    let all: Vec<_> = sizes.map(|(seed, bytes)| payload(bytes, seed)).collect();
    put(&store, to(STREAM, Any, all.clone())).await;
    holds(&store, STREAM, &all).await;
}

pub(super) async fn payload_of_no_bytes<F: Fixture>(fixture: &F) {
    keeps(fixture, [0, 0, 5, 0]).await;
}

pub(super) async fn payload_of_one_byte<F: Fixture>(fixture: &F) {
    keeps(fixture, [1; 256]).await;
}

pub(super) async fn payload_that_is_not_text<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut one = event();
    one.payload = (0..=255).rev().chain([0, 0, 0xff, 0xc3, 0x28]).collect();
    put(&store, to(STREAM, Any, [one.clone()])).await;
    holds(&store, STREAM, &[one]).await;
}

pub(super) async fn payloads_around_two_kibibytes<F: Fixture>(fixture: &F) {
    // LMDB moves a record to pages of its own near here.
    keeps(fixture, 2000..=2100).await;
}

pub(super) async fn payloads_around_the_size_of_a_page<F: Fixture>(fixture: &F) {
    let pages = [8191, 8192, 8193, 65_535, 65_536, 65_537];
    let near_one = (3900..=4200).step_by(7).chain([4095, 4096, 4097]);
    keeps(fixture, near_one.chain(pages)).await;
}

pub(super) async fn payload_of_a_mebibyte<F: Fixture>(fixture: &F) {
    keeps(fixture, [10, 1 << 20, 10]).await;
}

pub(super) async fn payload_at_the_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut one = event();
    one.payload = vec![b'x'; limits::PAYLOAD_BYTES];
    one.payload[limits::PAYLOAD_BYTES / 2] = b'y';
    put(&store, to(STREAM, Any, [event(), one.clone(), event()])).await;
    assert_same(&history(&store, STREAM).await[1..2], &[one]);
}

pub(super) async fn append_at_its_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all: Vec<_> = (0..4_u8)
        .map(|byte| {
            let mut changed = event();
            changed.payload = vec![byte; limits::PAYLOAD_BYTES];
            changed
        })
        .collect();
    put(&store, to(STREAM, Any, all.clone())).await;
    assert_same(&history(&store, STREAM).await, &all);
}

pub(super) async fn small_and_large_payloads_side_by_side<F: Fixture>(fixture: &F) {
    keeps(fixture, [0, 100_000, 1, 3000, 2, 50_000, 3, 2022, 2023, 0]).await;
}
