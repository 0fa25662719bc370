//! Topics as subjects of NATS.

use midgard::bus::Topic;
use std::fmt::Write as _;

/// Returns the subject of a topic: `event.order.placed` becomes `midgard.event.order.placed`. Invalid characters are
/// percent-encoded, and an empty part between dots becomes a percent sign.
pub(crate) fn subject(prefix: &str, topic: &Topic) -> String {
    let topic = topic.as_str();
    let mut subject = String::with_capacity(prefix.len() + 1 + topic.len());
    subject.push_str(prefix);
    for part in topic.split('.') {
        subject.push('.');
        if part.is_empty() {
            subject.push('%');
        }
        for character in part.chars() {
            let is_plain = character.is_ascii_graphic() && !matches!(character, '*' | '>' | '%');
            if is_plain {
                subject.push(character);
                continue;
            }
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(subject, "%{byte:02X}");
            }
        }
    }
    subject
}

/// Returns whether a filter, which may have `*` for one part and `>` for the rest, matches a subject.
pub(crate) fn matches(filter: &str, subject: &str) -> bool {
    let mut parts = subject.split('.');
    for wanted in filter.split('.') {
        match (wanted, parts.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{matches, subject};
    use midgard::bus::Topic;

    #[test]
    fn names_that_a_subject_cannot_have_are_encoded() {
        let of = |name| subject("midgard", &Topic::event(name));
        assert_eq!(of("order.placed"), "midgard.event.order.placed");
        assert_eq!(of("größe > *"), "midgard.event.gr%C3%B6%C3%9Fe%20%3E%20%2A");
        assert_eq!(of("a..b"), "midgard.event.a.%.b");
        assert_ne!(of("a.%.b"), of("a..b"));
    }

    #[test]
    fn filters_match_as_the_server_does_it() {
        assert!(matches("midgard.event.a", "midgard.event.a"));
        assert!(matches("midgard.>", "midgard.event.a"));
        assert!(matches("midgard.*.a", "midgard.event.a"));
        assert!(!matches("midgard.event", "midgard.event.a"));
        assert!(!matches("midgard.event.a.>", "midgard.event.a"));
        assert!(!matches("midgard.*", "midgard.event.a"));
    }
}
