//! Points in time.

use crate::serde_as_text::serde_as_text;
use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since 1970-01-01T00:00:00Z. It prints as RFC 3339 in UTC, with six decimals of a
/// second, and serde writes it as that text.
///
/// ```
/// use midgard::Timestamp;
///
/// let time = Timestamp::from_micros(1_000_000);
/// assert_eq!(time.to_string(), "1970-01-01T00:00:01.000000Z");
/// assert_eq!(serde_json::to_string(&time)?, r#""1970-01-01T00:00:01.000000Z""#);
/// assert_eq!("1970-01-01T01:00:01+01:00".parse(), Ok(time));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the current time of the system's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Creates a time from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Timestamp(micros)
    }

    /// Returns the microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    /// Converts a time before 1970 to 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Timestamp {
    /// Returns the same time for the standard library; `None` past what the platform can express.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_micros(self.0))
    }
}

impl Timestamp {
    /// Returns how much later this is than `earlier`; zero if it is not later.
    #[must_use]
    pub const fn duration_since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A sum past the last possible time is that last time.
///
/// ```
/// use midgard::Timestamp;
/// use std::time::Duration;
///
/// let noon: Timestamp = "2026-11-25T12:00:00Z".parse()?;
/// let later = noon + Duration::from_secs(90);
/// assert_eq!(later.to_string(), "2026-11-25T12:01:30.000000Z");
/// assert_eq!(later.duration_since(noon), Duration::from_secs(90));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, later: Duration) -> Timestamp {
        let later = u64::try_from(later.as_micros()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(later))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Parses RFC 3339, with any offset from UTC and any number of decimals of a second, of which six count; and the
    /// text that a time after the year 9999 prints as.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if let Some(micros) = text.strip_suffix(AFTER_1970) {
            let micros = micros.parse().ok().filter(|micros| *micros > LAST);
            return micros
                .map(Timestamp)
                .ok_or_else(|| TimestampError(text.to_owned()));
        }
        let refused = || TimestampError(text.to_owned());
        let (local, offset) = split_offset(text).ok_or_else(refused)?;
        let local = in_full(local).ok_or_else(refused)?;
        let time = humantime::parse_rfc3339(&local).map_err(|_| refused())?;
        let micros = Timestamp::from(time).0;
        let utc = micros.checked_add_signed(-offset * 1_000_000);
        utc.map(Timestamp).ok_or_else(refused)
    }
}

/// Returns a local time and its offset from UTC, in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local, 0));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |digits: &str, end: i64| {
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number: i64 = is_number.then(|| digits.parse().ok()).flatten()?;
        (number < end).then_some(number)
    };
    let seconds = number(hours, 24)? * 3600 + number(minutes, 60)? * 60;
    match offset.as_bytes().first()? {
        b'+' => Some((local, seconds)),
        b'-' => Some((local, -seconds)),
        _ => None,
    }
}

/// Returns a local time with at most six decimals of a second, and the zone of UTC.
fn in_full(local: &str) -> Option<String> {
    let (seconds, fraction) = local.split_once('.').unwrap_or((local, "0"));
    let form = b"0000-00-00T00:00:00";
    let fits = |(byte, form): (u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        form => byte == *form,
    };
    let is_time = seconds.len() == form.len() && seconds.bytes().zip(form).all(fits);
    let is_number = !fraction.is_empty() && fraction.bytes().all(|digit| digit.is_ascii_digit());
    (is_time && is_number).then(|| {
        let fraction = &fraction[..fraction.len().min(6)];
        format!("{}T{}.{fraction}Z", &seconds[..10], &seconds[11..])
    })
}

serde_as_text!(Timestamp, "a time as RFC 3339 writes it");

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time in RFC 3339, such as 2026-11-25T18:30:00Z, from 1970 on")]
pub struct TimestampError(String);

/// The last time that RFC 3339 can express: the end of the year 9999.
const LAST: u64 = 253_402_300_799_999_999;
/// The text that follows the number of a later time.
const AFTER_1970: &str = " microseconds after 1970";

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_system_time() {
            Some(time) if self.0 <= LAST => {
                fmt::Display::fmt(&humantime::format_rfc3339_micros(time), f)
            }
            _ => write!(f, "{}{AFTER_1970}", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_writes_them() {
        let same = [
            "2026-11-25T18:30:00.25Z",
            "2026-11-25t18:30:00.25z",
            "2026-11-25 18:30:00.250000999Z",
            "2026-11-25T20:30:00.25+02:00",
            "2026-11-25T12:00:00.25-06:30",
        ];
        for text in same {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), "2026-11-25T18:30:00.250000Z", "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let refused = [
            "",
            "Z",
            "2026-11-25T18:30:00",
            "2026-11-25T18:30:00ZZ",
            "2026-11-25T18:30:00Z+02:00",
            "2026-11-25T18:30:00+02:00Z",
            "2026-11-25T18:30:00.Z",
            "2026-11-25T18:30:00.1.2Z",
            "2026-11-25T18:30:00.-1Z",
            "2026-11-25T18:30:00++2:00",
            "2026-11-25T18:30:00+2:000",
            "2026-11-25T18:30:00+24:00",
            "2026-11-25T18:30:00+02:60",
            "2026-11-25T18:30:00 02:00",
            "2026-11-25T18:30Z",
            "2026-11-25Z",
            "2026-02-30T18:30:00Z",
            "2026-13-01T18:30:00Z",
            "2026-11-25T24:00:00Z",
            "+026-11-25T18:30:00Z",
            "2026-11-2\u{e4}T18:30:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            " 2026-11-25T18:30:00Z",
        ];
        for text in refused {
            let time = text.parse::<Timestamp>();
            let error = time.unwrap_err().to_string();
            assert!(error.contains("RFC 3339"), "{text}: {error}");
        }
    }
}
