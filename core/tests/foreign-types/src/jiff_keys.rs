//! Times of `jiff`.

use crate::order::{assert_sorts_as_it_is, form};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, offset};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use midgard::view::KeyBytes;

const NANOSECONDS: [i128; 9] = [
    -1_000_000_001,
    -1_000_000_000,
    -999_999_999,
    -1,
    0,
    1,
    999_999_999,
    1_000_000_000,
    1_732_975_200_123_456_789,
];

fn timestamps() -> Vec<Timestamp> {
    let some = NANOSECONDS.map(|time| Timestamp::from_nanosecond(time).unwrap());
    [Timestamp::MIN, Timestamp::MAX]
        .into_iter()
        .chain(some)
        .collect()
}

#[test]
fn timestamps_sort_by_time_before_1970_too() {
    assert_sorts_as_it_is(&timestamps());
    assert_eq!(form::<Timestamp>(), "(i64, u32)");
    assert_eq!(
        KeyBytes::of(&Timestamp::from_nanosecond(-1).unwrap()).as_bytes(),
        [
            0x7f, 255, 255, 255, 255, 255, 255, 255, 0x3b, 0x9a, 0xc9, 0xff
        ]
    );
}

#[test]
fn one_instant_in_two_zones_is_one_key() {
    let zones = [
        TimeZone::UTC,
        offset(-11).to_time_zone(),
        offset(9).to_time_zone(),
    ];
    let zoned: Vec<ZonedDateTime> = timestamps()
        .into_iter()
        .flat_map(|time| {
            zones
                .iter()
                .map(move |zone| time.to_zoned_datetime(zone.clone()))
        })
        .collect();
    assert_sorts_as_it_is(&zoned);
}

#[test]
fn dates_and_times_of_day_sort_by_the_calendar() {
    let dates = [
        Date::MIN,
        Date::constant(-1, 12, 31),
        Date::ZERO,
        Date::constant(1969, 12, 31),
        Date::constant(2024, 2, 29),
        Date::constant(2024, 12, 1),
        Date::MAX,
    ];
    let times = [
        Time::MIN,
        Time::constant(0, 0, 0, 1),
        Time::constant(0, 0, 59, 999_999_999),
        Time::constant(0, 1, 0, 0),
        Time::constant(13, 0, 0, 0),
        Time::MAX,
    ];
    assert_sorts_as_it_is(&dates);
    assert_sorts_as_it_is(&times);
    let both = dates
        .iter()
        .flat_map(|date| times.map(|time| DateTime::from_parts(*date, time)));
    assert_sorts_as_it_is(&both.collect::<Vec<_>>());
    assert_eq!(form::<Date>(), "(i16, u8, u8)");
    assert_eq!(form::<Time>(), "(u8, u8, u8, u32)");
    assert_eq!(form::<DateTime>(), "((i16, u8, u8), (u8, u8, u8, u32))");
}

#[test]
fn durations_sort_by_length_and_negative_ones_come_first() {
    let some = NANOSECONDS.map(|length| SignedDuration::from_nanos(length as i64));
    let all: Vec<_> = [SignedDuration::MIN, SignedDuration::MAX]
        .into_iter()
        .chain(some)
        .collect();
    assert_sorts_as_it_is(&all);
    assert_eq!(form::<SignedDuration>(), "i128");
}
