//! `Decimal`, whose value does not depend on how many zeros are behind it.

use crate::order::{assert_sorts_as_it_is, form};
use midgard::view::KeyBytes;
use rust_decimal::Decimal;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn decimals_sort_by_value() {
    let mut all: Vec<_> = [
        "0",
        "1",
        "-1",
        "0.1",
        "-0.1",
        "0.01",
        "1.05",
        "1.5",
        "9.99",
        "10",
        "100",
        "-100",
        "-99.99",
        "0.0000000000000000000000000001",
        "-0.0000000000000000000000000001",
        "7.9228162514264337593543950335",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551616",
        "1844674407.3709551616",
    ]
    .map(decimal)
    .into();
    all.extend([Decimal::MIN, Decimal::MAX]);
    assert_sorts_as_it_is(&all);
    assert_eq!(form::<Decimal>(), "decimal");
}

#[test]
fn random_decimals_sort_by_value() {
    let mut random = fastrand::Rng::with_seed(7);
    let all: Vec<_> = (0..300)
        .map(|_| {
            let digits = random.i128(..) >> random.u32(32..128);
            Decimal::from_i128_with_scale(digits, random.u32(..=Decimal::MAX_SCALE))
        })
        .collect();
    assert_sorts_as_it_is(&all);
}

#[test]
fn equal_values_are_one_key_and_zero_has_no_sign() {
    for equal in [
        &["1", "1.0", "1.00000"][..],
        &["0", "0.00", "-0", "-0.000"],
        &["-2.50", "-2.5"],
    ] {
        let keys: Vec<_> = equal
            .iter()
            .map(|text| KeyBytes::of(&decimal(text)))
            .collect();
        assert!(
            keys.iter().all(|key| *key == keys[0]),
            "{equal:?}: {keys:?}"
        );
    }
}

#[test]
fn the_bytes_are_these() {
    let mut one = [0; 24];
    one[0] = 0x80;
    let ten_to_the_28th = 10_u128.pow(28).to_be_bytes();
    one[8..].copy_from_slice(&ten_to_the_28th);
    assert_eq!(KeyBytes::of(&Decimal::ONE).as_bytes(), one);
}
