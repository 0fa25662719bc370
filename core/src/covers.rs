//! The check of `covers(..)`, which runs while a program is compiled.

use crate::event::EventDescriptor;

/// What `covers(..)` of a projection asks for: every event of the set is in one of the lists.
///
/// # Panics
/// When one is not.
#[track_caller]
#[allow(clippy::panic)]
pub const fn assert_covered(
    projection: &str,
    name: &str,
    set: &[&'static EventDescriptor],
    lists: &[&[&'static EventDescriptor]],
) {
    let mut text = Text::new();
    let (mut i, mut missing) = (0, 0);
    while i < set.len() {
        if !is_listed(set[i].name, lists) {
            text.push(if missing == 0 { "`" } else { ", `" });
            text.push(last_segment(set[i].type_name));
            text.push("`");
            missing += 1;
        }
        i += 1;
    }
    if missing == 0 {
        return;
    }
    let mut message = Text::new();
    message.push("projection `");
    message.push(projection);
    message.push("` covers `");
    message.push(name);
    message.push("`, but does not list ");
    message.push(text.as_str());
    message.push(if missing == 1 {
        ": add it to `events(..)` or to `ignore(..)`"
    } else {
        ": add each to `events(..)` or to `ignore(..)`"
    });
    panic!("{}", message.as_str());
}

const fn is_listed(name: &str, lists: &[&[&'static EventDescriptor]]) -> bool {
    let mut i = 0;
    while i < lists.len() {
        let mut j = 0;
        while j < lists[i].len() {
            if crate::__private::str_eq(lists[i][j].name, name) {
                return true;
            }
            j += 1;
        }
        i += 1;
    }
    false
}

/// What is after the last `::`: the name by which a type is listed.
const fn last_segment(path: &str) -> &str {
    let mut start = path.len();
    while start > 0 && path.as_bytes()[start - 1] != b':' {
        start -= 1;
    }
    path.split_at(start).1
}

/// A text that is put together while a program is compiled. What finds no room is left out.
struct Text {
    bytes: [u8; 1024],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Text {
            bytes: [0; 1024],
            len: 0,
        }
    }

    const fn push(&mut self, text: &str) {
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

    const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}
