//! Calls of users' code: a panic is a failure like any other, and error texts have a bounded length.

use futures_timer::Delay;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use futures_util::poll;
use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

/// How many bytes of an error's text are kept, in notes and traces.
const LONGEST: usize = 16 << 10;

/// Drives a future. When it panics, the error says so: `panicked: ..`.
// Not an `async fn`, which would hold its argument twice: futures of consumers are large.
pub(crate) fn guarded<T>(
    future: impl Future<Output = T>,
) -> impl Future<Output = Result<T, String>> {
    let guarded = AssertUnwindSafe(future).catch_unwind();
    guarded.map(|outcome| outcome.map_err(|panic| panicked(&*panic)))
}

/// Drives a future in the same way, with a time limit, after which the future is dropped and the error says so.
pub(crate) fn guarded_within<T>(
    limit: Option<Duration>,
    future: impl Future<Output = T>,
) -> impl Future<Output = Result<T, String>> {
    let guarded = guarded(future);
    let Some(limit) = limit else {
        return Either::Left(guarded);
    };
    let mut guarded = Box::pin(guarded);
    Either::Right(async move {
        // A timer costs more than work that completes at once.
        if let Poll::Ready(outcome) = poll!(&mut guarded) {
            return outcome;
        }
        if let Either::Left((outcome, _)) = select(&mut guarded, Delay::new(limit)).await {
            return outcome;
        }
        let dropped = guarded_call(move || drop(guarded)).err();
        let dropped = dropped.map_or_else(String::new, |panic| format!("; its future {panic}"));
        Err(format!(
            "had not ended after {limit:?}, and was given up{dropped}"
        ))
    })
}

/// Calls a function. When it panics, the error says so: `panicked: ..`.
pub(crate) fn guarded_call<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panicked(&*panic))
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    cut(format!("panicked: {}", text.unwrap_or("without a message")))
}

/// Returns the text of an error, which is also made by users' code.
pub(crate) fn text_of(error: &impl Display) -> String {
    match guarded_call(|| error.to_string()) {
        Ok(text) => cut(text),
        Err(panic) => format!("an error whose text could not be made, as that {panic}"),
    }
}

/// Returns the beginning of a text that is too long for a note. A text that was cut before stays as it is.
pub(crate) fn cut(text: String) -> String {
    /// The length of the words that give the original length.
    const WORDS: usize = 40;
    if text.len() <= LONGEST + WORDS {
        return text;
    }
    let kept = &text[..text.floor_char_boundary(LONGEST)];
    format!("{kept}.. ({} bytes in all)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    struct Odd;

    impl Display for Odd {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words for it")
        }
    }

    #[test]
    fn a_text_has_a_bound_and_ends_between_characters() {
        let long = text_of(&"ä".repeat(LONGEST));
        assert!(long.len() < LONGEST + 40, "{}", long.len());
        assert!(long.ends_with("ä.. (32768 bytes in all)"), "{long}");
        assert_eq!(text_of(&long), long, "it is cut once");
        assert_eq!(text_of(&"short"), "short");
    }

    #[test]
    fn a_text_that_panics_is_told_of() {
        let text = text_of(&Odd);
        assert!(text.ends_with("panicked: no words for it"), "{text}");
    }
}
