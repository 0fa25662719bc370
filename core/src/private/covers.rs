//! The check of `covers(..)`, which runs while a program is compiled.

use crate::event::EventDescriptor;

/// Checks `covers(..)` of a projection: every event of the set is in one of the lists, and is handled in its newest
/// version.
///
/// # Panics
/// When one is not.
#[track_caller]
#[allow(clippy::panic)]
pub const fn assert_covered(
    projection: &str,
    name: &str,
    set: &[&'static EventDescriptor],
    handled: &[&[&'static EventDescriptor]],
    ignored: &[&[&'static EventDescriptor]],
) {
    let mut missing = Text::new();
    let mut old = Text::new();
    let (mut i, mut count) = (0, 0);
    while i < set.len() {
        let event = set[i];
        match find(event.name, handled) {
            // A newer version reads older ones.
            Some(listed) if listed.version >= event.version => {}
            Some(listed) => {
                old.push(if old.len == 0 { "`" } else { ", `" });
                old.push(last_segment(event.type_name));
                old.push("` instead of `");
                old.push(last_segment(listed.type_name));
                old.push("`");
            }
            // Ignored events are not read, whatever their version.
            None if find(event.name, ignored).is_some() => {}
            None => {
                missing.push(if count == 0 { "`" } else { ", `" });
                missing.push(last_segment(event.type_name));
                missing.push("`");
                count += 1;
            }
        }
        i += 1;
    }
    if count == 0 && old.len == 0 {
        return;
    }
    let mut message = Text::new();
    message.push("projection `");
    message.push(projection);
    message.push("` covers `");
    message.push(name);
    if count > 0 {
        message.push("`, but does not list ");
        message.push(missing.as_str());
        message.push(if count == 1 {
            ": add it to `events(..)` or to `ignore(..)`"
        } else {
            ": add each to `events(..)` or to `ignore(..)`"
        });
    }
    if old.len > 0 {
        message.push(if count == 0 { "`, but" } else { "; it" });
        message.push(" lists an old version, which cannot read current events: list ");
        message.push(old.as_str());
    }
    panic!("{}", message.as_str());
}

const fn find(
    name: &str,
    lists: &[&[&'static EventDescriptor]],
) -> Option<&'static EventDescriptor> {
    let mut i = 0;
    while i < lists.len() {
        let mut j = 0;
        while j < lists[i].len() {
            if crate::__private::str_eq(lists[i][j].name, name) {
                return Some(lists[i][j]);
            }
            j += 1;
        }
        i += 1;
    }
    None
}

/// Returns the part after the last `::`: the name by which a type is listed.
const fn last_segment(path: &str) -> &str {
    let mut start = path.len();
    while start > 0 && path.as_bytes()[start - 1] != b':' {
        start -= 1;
    }
    path.split_at(start).1
}

/// A text assembled while a program is compiled. Text that does not fit is left out.
pub(super) struct Text {
    bytes: [u8; 1024],
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Text {
            bytes: [0; 1024],
            len: 0,
        }
    }

    pub(super) const fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        if text.len() > self.bytes.len() - self.len {
            return;
        }
        let mut i = 0;
        while i < text.len() {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
    }

    pub(super) const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}
