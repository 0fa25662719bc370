//! Checks that an encoded value comes back unchanged.
//!
//! Events have no `PartialEq`, so their JSON and their `Debug` output are compared. The JSON alone is not enough:
//! `Some(None)` and `None` write the same, and so may two variants of an untagged enum. The `Debug` output alone is
//! not enough either: a secret does not show itself.

use super::encode::{EncodeReason, Form};
use super::excerpt;
use super::unordered::{have_same_words, is_same_json};
use std::fmt::{self, Write as _};
use std::marker::PhantomData;

/// Reads the JSON of a value back, and compares it with the value.
///
/// # Errors
/// [`EncodeReason`] when it cannot be read, or has changed.
pub(super) fn check<F: Form<T>, T>(value: &T, written: &[u8]) -> Result<(), EncodeReason> {
    let decoded = F::read(value, written).map_err(EncodeReason::Unreadable)?;
    let mut again = Vec::with_capacity(written.len());
    F::write(&decoded, &mut again).map_err(EncodeReason::Payload)?;
    if again != written && !is_same_json(written, &again) {
        return Err(changed(
            &String::from_utf8_lossy(written),
            &String::from_utf8_lossy(&again),
        ));
    }
    let mut shown = String::with_capacity(4 * written.len());
    let Some(end) = show::<F, T>(value, &mut shown) else {
        return Ok(());
    };
    show::<F, T>(&decoded, &mut shown);
    let (before, after) = shown.split_at(end);
    let is_other = before != after && !have_same_words(before, after);
    if is_other && is_always_shown_so::<F, T>(value, written, after) {
        return Err(changed(before, after));
    }
    Ok(())
}

/// Appends the `Debug` output of a value, and returns its end; `None` when it cannot be shown.
fn show<F: Form<T>, T>(value: &T, shown: &mut String) -> Option<usize> {
    struct Shown<'a, F, T>(&'a T, PhantomData<F>);
    impl<F: Form<T>, T> fmt::Display for Shown<'_, F, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            F::fmt(self.0, f)
        }
    }
    write!(shown, "{}", Shown::<F, T>(value, PhantomData)).ok()?;
    Some(shown.len())
}

/// Returns whether a second decoding shows the same. If not, it shows addresses or the like, which prove nothing.
#[cold]
fn is_always_shown_so<F: Form<T>, T>(value: &T, written: &[u8], shown: &str) -> bool {
    let mut again = String::new();
    F::read(value, written).is_ok_and(|decoded| {
        show::<F, T>(&decoded, &mut again);
        have_same_words(shown, &again)
    })
}

#[cold]
fn changed(before: &str, after: &str) -> EncodeReason {
    let (before, after) = excerpt::of_difference(before, after);
    EncodeReason::Changed { before, after }
}
