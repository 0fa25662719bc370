//! When an event was recorded.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339.
///
/// ```
/// use midgard::Timestamp;
///
/// assert_eq!(Timestamp::from_micros(1_000_000).to_string(), "1970-01-01T00:00:01.000000Z");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time now, by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Timestamp {
    /// The same time for the standard library; `None` past what the platform can express.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_micros(self.0))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339, with any offset from UTC.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refused = || TimestampError(text.to_owned());
        let (local, offset) = match text
            .len()
            .checked_sub(6)
            .map(|at| text.split_at_checked(at))
        {
            Some(Some((local, offset))) if offset.starts_with(['+', '-']) => {
                (format!("{local}Z"), seconds_of(offset).ok_or_else(refused)?)
            }
            _ => (text.to_owned(), 0),
        };
        let time = humantime::parse_rfc3339(&local).map_err(|_| refused())?;
        let micros = Timestamp::from(time).0;
        let utc = micros.checked_add_signed(offset.saturating_mul(-1_000_000));
        utc.map(Timestamp).ok_or_else(refused)
    }
}

/// `+02:00`, in seconds.
fn seconds_of(offset: &str) -> Option<i64> {
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = hours.abs() * 3600 + minutes * 60;
    Some(if offset.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time as RFC 3339 writes it, such as 2026-11-25T18:30:00Z, from 1970 on")]
pub struct TimestampError(String);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 ends with the year 9999.
        const LAST: u64 = 253_402_300_799_999_999;
        match self.to_system_time() {
            Some(time) if self.0 <= LAST => {
                fmt::Display::fmt(&humantime::format_rfc3339_micros(time), f)
            }
            _ => write!(f, "{} microseconds after 1970", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
