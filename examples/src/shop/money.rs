//! Exact money.

use super::{Malformed, digits};
use midgard::ViewKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An amount of dollars, exact to the cent; written as `29.33`.
///
/// ```
/// use midgard_examples::shop::Cents;
///
/// let amount: Cents = "29.33".parse()?;
/// assert_eq!(amount.checked_add(Cents(67)), Some(Cents(3000)));
/// assert_eq!(Cents(3005).to_string(), "30.05");
/// assert!("29.3".parse::<Cents>().is_err());
/// # Ok::<_, midgard_examples::shop::Malformed>(())
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ViewKey,
)]
#[serde(transparent)]
pub struct Cents(pub u64);

impl Cents {
    /// No money.
    pub const ZERO: Cents = Cents(0);

    /// Returns the sum; `None` when it is too large.
    #[must_use]
    pub const fn checked_add(self, other: Cents) -> Option<Cents> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Cents(sum)),
            None => None,
        }
    }

    /// Returns the sum, or the largest amount.
    #[must_use]
    pub const fn saturating_add(self, other: Cents) -> Cents {
        Cents(self.0.saturating_add(other.0))
    }
}

/// Parses an amount from the command line, where `100` is as clear as `100.00`.
///
/// # Errors
/// [`Malformed`] when it is not an amount.
pub fn dollars(text: &str) -> Result<Cents, Malformed> {
    let exact = text.parse();
    exact.or_else(|error| format!("{text}.00").parse().map_err(|_| error))
}

impl FromStr for Cents {
    type Err = Malformed;

    /// Takes two decimals, no more and no fewer: a row that was cut off must not pass for a smaller
    /// amount.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parse = || {
            let (dollars, cents) = text.split_once('.')?;
            if dollars.is_empty() || cents.len() != 2 {
                return None;
            }
            let dollars = digits(dollars)?.checked_mul(100)?;
            dollars.checked_add(digits(cents)?).map(Cents)
        };
        parse().ok_or_else(|| Malformed::new("dollars and cents such as 29.33", text))
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        let parsed = |text: &str| text.parse::<Cents>().ok();
        assert_eq!(parsed("0.00"), Some(Cents(0)));
        assert_eq!(parsed("0.07"), Some(Cents(7)));
        assert_eq!(parsed("184467440737095516.15"), Some(Cents(u64::MAX)));
        assert_eq!(parsed("184467440737095516.16"), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", ".", "29", "29.", "29.3", "29.333", ".33", "-1.00", "+1.00", "1.+1", "1,00",
            "1.0.0", "1e2.00", "a", "²9.33",
        ] {
            assert!(text.parse::<Cents>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for amount in [0, 5, 10, 99, 100, 2933, u64::MAX].map(Cents) {
            assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
