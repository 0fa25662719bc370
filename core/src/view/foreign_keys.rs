//! Types of other crates that are keys, each with the feature that has the crate's name.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "rust_decimal"))]
use super::key::{KeyBytes, ViewKey};

/// Implements a key by the bytes of a value that is a key already.
#[cfg(any(feature = "chrono", feature = "jiff"))]
macro_rules! as_another {
    ($($(#[$docs:meta])* $type:ty as $form:ty: |$value:ident| $key:expr;)*) => {$(
        $(#[$docs])*
        impl ViewKey for $type {
            fn describe(form: &mut String) {
                <$form>::describe(form);
            }

            fn encode(&self, bytes: &mut KeyBytes) {
                let $value = self;
                <$form>::encode(&$key, bytes);
            }
        }
    )*};
}

#[cfg(any(feature = "chrono", feature = "jiff"))]
const NANOSECONDS: i128 = 1_000_000_000;

#[cfg(feature = "jiff")]
mod jiff {
    use super::{KeyBytes, NANOSECONDS, ViewKey};
    use ::jiff::civil::{Date, DateTime, Time};
    use ::jiff::{SignedDuration, Timestamp, ZonedDateTime};

    type Instant = (i64, u32);
    type Day = (i16, u8, u8);
    type Clock = (u8, u8, u8, u32);

    /// Returns whole seconds, rounded down, and the nanoseconds after them.
    fn instant(time: Timestamp) -> Instant {
        let nanoseconds = time.as_nanosecond();
        (
            nanoseconds.div_euclid(NANOSECONDS) as i64,
            nanoseconds.rem_euclid(NANOSECONDS) as u32,
        )
    }

    // None of the parts of a date or of a time of day is negative, but for the year.
    fn day(date: Date) -> Day {
        (date.year(), date.month() as u8, date.day() as u8)
    }

    fn clock(time: Time) -> Clock {
        (
            time.hour() as u8,
            time.minute() as u8,
            time.second() as u8,
            time.subsec_nanosecond() as u32,
        )
    }

    as_another! {
        /// Sorts by time, to the nanosecond.
        #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
        Timestamp as Instant: |time| instant(*time);
        /// Sorts by the instant: the same one in two time zones is one key, as they are equal.
        #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
        ZonedDateTime as Instant: |time| instant(time.timestamp());
        #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
        Date as Day: |date| day(*date);
        #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
        Time as Clock: |time| clock(*time);
        #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
        DateTime as (Day, Clock): |time| (day(time.date()), clock(time.time()));
        /// Sorts by length; negative ones come first.
        #[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
        SignedDuration as i128: |duration| duration.as_nanos();
    }
}

#[cfg(feature = "chrono")]
mod chrono {
    use super::{KeyBytes, NANOSECONDS, ViewKey};
    use ::chrono::{
        DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike,
    };

    type Instant = (i64, u32);

    /// Sorts by the instant: the same one at two offsets is one key, as they are equal.
    #[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
    impl<Z> ViewKey for DateTime<Z>
    where
        Z: TimeZone + 'static,
        Z::Offset: Send + Sync,
    {
        fn describe(form: &mut String) {
            Instant::describe(form);
        }

        fn encode(&self, bytes: &mut KeyBytes) {
            self.naive_utc().encode(bytes);
        }
    }

    as_another! {
        #[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
        NaiveDate as i32: |date| date.num_days_from_ce();
        /// Nanoseconds of 1,000,000,000 and more are those of a leap second.
        #[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
        NaiveTime as (u32, u32): |time| (time.num_seconds_from_midnight(), time.nanosecond());
        /// Sorts by time, to the nanosecond.
        #[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
        NaiveDateTime as Instant: |time| (time.and_utc().timestamp(), time.nanosecond());
        /// Sorts by length; negative ones come first.
        #[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
        TimeDelta as i128: |delta| {
            i128::from(delta.num_seconds()) * NANOSECONDS + i128::from(delta.subsec_nanos())
        };
    }
}

#[cfg(feature = "rust_decimal")]
mod rust_decimal {
    use super::{KeyBytes, ViewKey};
    use ::rust_decimal::Decimal;

    /// Sorts by value. `1.0` and `1.00` are one key, as they are equal.
    ///
    /// The value is written as a whole number of 10⁻²⁸, the smallest step of a `Decimal`, in 24 bytes.
    #[cfg_attr(docsrs, doc(cfg(feature = "rust_decimal")))]
    impl ViewKey for Decimal {
        fn describe(form: &mut String) {
            form.push_str("decimal");
        }

        fn encode(&self, bytes: &mut KeyBytes) {
            let (mut high, mut low) = widened(
                self.mantissa().unsigned_abs(),
                10_u128.pow(Decimal::MAX_SCALE - self.scale()),
            );
            if self.is_sign_negative() {
                // The complement of two: a zero with a sign is the other zero.
                let (negative, is_zero) = (!low).overflowing_add(1);
                low = negative;
                high = (!high).wrapping_add(u64::from(is_zero));
            }
            // The bit of the sign turned over: negative numbers come first.
            bytes.push_fixed(&(high ^ 1 << 63).to_be_bytes());
            bytes.push_fixed(&low.to_be_bytes());
        }
    }

    /// Returns the product of two numbers of less than 96 bits each: its bits above the 128th, and those below.
    const fn widened(one: u128, other: u128) -> (u64, u128) {
        const LOW: u128 = u64::MAX as u128;
        let (one_high, one_low) = (one >> 64, one & LOW);
        let (other_high, other_low) = (other >> 64, other & LOW);
        // Less than 2¹²⁸, 2⁹⁷ and 2⁶⁴.
        let lowest = one_low * other_low;
        let middle = one_low * other_high + one_high * other_low;
        let highest = one_high * other_high;
        let (low, carries) = lowest.overflowing_add(middle << 64);
        let high = highest + (middle >> 64) + carries as u128;
        (high as u64, low)
    }
}
