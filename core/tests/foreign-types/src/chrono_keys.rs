//! Times of `chrono`.

use crate::order::{assert_sorts_as_it_is, form};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

fn dates() -> [NaiveDate; 6] {
    let date = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
    [
        NaiveDate::MIN,
        date(-1, 12, 31),
        date(0, 1, 1),
        date(1969, 12, 31),
        date(2024, 2, 29),
        NaiveDate::MAX,
    ]
}

fn times() -> [NaiveTime; 5] {
    let time = |second, nanosecond| {
        NaiveTime::from_num_seconds_from_midnight_opt(second, nanosecond).unwrap()
    };
    [
        NaiveTime::MIN,
        time(0, 1),
        time(59, 999_999_999),
        // A leap second.
        time(86_399, 1_500_000_000),
        time(86_399, 999_999_999),
    ]
}

fn both() -> Vec<NaiveDateTime> {
    let dates = dates().into_iter();
    dates
        .flat_map(|date| times().map(|time| date.and_time(time)))
        .collect()
}

#[test]
fn dates_and_times_of_day_sort_by_the_calendar() {
    assert_sorts_as_it_is(&dates());
    assert_sorts_as_it_is(&times());
    assert_sorts_as_it_is(&both());
    assert_eq!(form::<NaiveDate>(), "i32");
    assert_eq!(form::<NaiveTime>(), "(u32, u32)");
    assert_eq!(form::<NaiveDateTime>(), "(i64, u32)");
}

#[test]
fn one_instant_at_two_offsets_is_one_key() {
    let utc: Vec<DateTime<Utc>> = both().into_iter().map(|time| time.and_utc()).collect();
    assert_sorts_as_it_is(&utc);
    let hour = |hours: i32| FixedOffset::east_opt(hours * 3600).unwrap();
    // Those at the ends have no local time elsewhere.
    let inner = utc
        .iter()
        .filter(|time| (1_i32..=9_999).contains(&chrono::Datelike::year(*time)));
    let elsewhere: Vec<DateTime<FixedOffset>> = inner
        .flat_map(|time| [-11, 0, 9].map(|hours| time.with_timezone(&hour(hours))))
        .collect();
    assert!(!elsewhere.is_empty());
    assert_sorts_as_it_is(&elsewhere);
    assert_eq!(form::<DateTime<FixedOffset>>(), form::<DateTime<Utc>>());
}

#[test]
fn durations_sort_by_length_and_negative_ones_come_first() {
    let some = [
        -1_000_000_001,
        -1_000_000_000,
        -1,
        0,
        1,
        999_999_999,
        1_000_000_001,
    ];
    let some = some.map(TimeDelta::nanoseconds);
    let all: Vec<_> = [TimeDelta::MIN, TimeDelta::MAX]
        .into_iter()
        .chain(some)
        .collect();
    assert_sorts_as_it_is(&all);
    assert_eq!(form::<TimeDelta>(), "i128");
}
