//! Excerpts of long texts.

/// The length of an excerpt.
const LENGTH: usize = 80;
/// The length shown before the first difference.
const BEFORE: usize = 30;

/// Returns excerpts of two texts from where they begin to differ.
pub(super) fn of_difference(one: &str, other: &str) -> (String, String) {
    let pairs = one.char_indices().zip(other.chars());
    let same: Vec<usize> = pairs
        .take_while(|((_, a), b)| a == b)
        .map(|((at, _), _)| at)
        .collect();
    let start = same.len().saturating_sub(BEFORE);
    // A short beginning is shown, if it is all that would be left out.
    let start = if start < BEFORE { 0 } else { same[start] };
    (part(one, start), part(other, start))
}

/// Returns the text from `start` on, with dots for the omitted parts.
fn part(text: &str, start: usize) -> String {
    let rest = text.get(start..).unwrap_or_default();
    let end = rest
        .char_indices()
        .nth(LENGTH)
        .map_or(rest.len(), |(at, _)| at);
    let before = if start > 0 { "\u{2026}" } else { "" };
    let after = if end < rest.len() { "\u{2026}" } else { "" };
    format!("`{before}{}{after}`", &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::of_difference;

    #[test]
    fn short_texts_are_shown_whole() {
        let (one, other) = of_difference("{\"a\":1}", "{\"a\":2}");
        assert_eq!((&*one, &*other), ("`{\"a\":1}`", "`{\"a\":2}`"));
        let (one, other) = of_difference("", "a");
        assert_eq!((&*one, &*other), ("``", "`a`"));
    }

    #[test]
    fn of_long_texts_the_difference_is_shown() {
        let (one, other) = (
            "\u{e9}".repeat(500) + "a" + &"b".repeat(500),
            "\u{e9}".repeat(500),
        );
        let (one, other) = of_difference(&one, &other);
        let begin = format!("`\u{2026}{}", "\u{e9}".repeat(30));
        assert_eq!(one, format!("{begin}a{}\u{2026}`", "b".repeat(49)));
        assert_eq!(other, format!("{begin}`"));
    }
}
