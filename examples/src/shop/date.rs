//! Calendar dates.

use super::{Malformed, digits};
use midgard::ViewKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A day of the calendar, written as `19970131`.
///
/// ```
/// use midgard_examples::shop::Date;
///
/// let date: Date = "19970131".parse()?;
/// assert_eq!(date.month(), "19970101".parse::<Date>()?.month());
/// assert!("19970229".parse::<Date>().is_err()); // no leap year
/// # Ok::<_, midgard_examples::shop::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Date(u32);

/// A month of a year, printed as `1997-01`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ViewKey,
)]
#[serde(transparent)]
pub struct Month(u32);

impl Date {
    /// Returns a date, if there is such a day.
    #[must_use]
    pub fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let exists = year <= 9999 && (1..=days(year, month)).contains(&day);
        exists.then_some(Date(year * 10_000 + month * 100 + day))
    }

    /// Returns the month it is in.
    #[must_use]
    pub const fn month(self) -> Month {
        Month(self.0 / 100)
    }
}

/// Returns the number of days of a month; zero if there is no such month.
const fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

impl TryFrom<u32> for Date {
    type Error = Malformed;

    fn try_from(number: u32) -> Result<Self, Malformed> {
        Date::new(number / 10_000, number / 100 % 100, number % 100)
            .ok_or_else(|| Malformed::new("a date YYYYMMDD that exists", number.to_string()))
    }
}

impl From<Date> for u32 {
    fn from(date: Date) -> u32 {
        date.0
    }
}

impl FromStr for Date {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let number = digits(text).filter(|_| text.len() == 8);
        let number = number.and_then(|number| u32::try_from(number).ok());
        number
            .ok_or_else(|| Malformed::new("a date YYYYMMDD", text))?
            .try_into()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.0)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_exist_are_read_and_printed_alike() {
        for text in [
            "19970101", "19970131", "19980630", "20000229", "19960229", "00010101",
        ] {
            assert_eq!(
                text.parse::<Date>().map(|date| date.to_string()).as_deref(),
                Ok(text)
            );
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "19970001",
            "19971301",
            "19970100",
            "19970132",
            "19970431",
            "19970229",
            "19000229",
            "1997011",
            "199701011",
            "1997-1-1",
            "+9970101",
            "",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_month_ends_with_its_last_day() {
        let month = |text: &str| text.parse::<Date>().unwrap().month();
        assert_eq!(month("19970101"), month("19970131"));
        assert_ne!(month("19970131"), month("19970201"));
        assert_ne!(month("19970131"), month("19980131"));
        assert_eq!(month("19970131").to_string(), "1997-01");
    }
}
