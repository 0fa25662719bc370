//! Compares two texts regardless of order. A `HashMap` or a `HashSet` has another order each time it is built.
//!
//! A list in another order cannot be distinguished from a set: JSON has one form for both. Unordered members are
//! compared by the sum of their hashes, so that nothing is sorted and nothing is allocated.

use crate::fnv::fnv_1a;

/// The depth to which JSON is compared; below it, texts are compared letter by letter.
const DEEPEST: usize = 128;

/// Returns whether two valid JSON texts differ only in the order of members.
pub(crate) fn is_same_json(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && Rest(one).value(0) == Rest(other).value(0)
}

/// Returns whether two texts have the same words.
pub(super) fn have_same_words(one: &str, other: &str) -> bool {
    one.len() == other.len() && words(one) == words(other)
}

fn words(text: &str) -> u64 {
    let is_between = |c: char| matches!(c, ' ' | '\n' | ',' | '{' | '}' | '[' | ']');
    let words = text.split(is_between).filter(|word| !word.is_empty());
    words.fold(0, |sum, word| sum.wrapping_add(hash(word.as_bytes())))
}

/// Returns a mixed hash, as the hashes are added up.
fn hash(text: &[u8]) -> u64 {
    mix(fnv_1a(text))
}

/// Mixes a hash, as the last step of SplitMix64 does.
const fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The rest of the text.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Returns the hash of the next value.
    fn value(&mut self, depth: usize) -> u64 {
        match self.0.first() {
            Some(b'[') if depth < DEEPEST => {
                let members = self.members(|rest| rest.value(depth + 1));
                mix(members ^ u64::from(b'['))
            }
            Some(b'{') if depth < DEEPEST => {
                let members = self.members(|rest| {
                    let name = rest.value(depth + 1);
                    rest.pass(is_between);
                    mix(name ^ rest.value(depth + 1).rotate_left(32))
                });
                mix(members ^ u64::from(b'{'))
            }
            Some(b'[' | b'{') | None => hash(self.pass(|_| true)),
            Some(b'"') => {
                let (mut is_escaped, mut quotes) = (false, 0);
                hash(self.pass(|byte| {
                    let is_over = quotes == 2;
                    quotes += u8::from(byte == b'"' && !is_escaped);
                    is_escaped = byte == b'\\' && !is_escaped;
                    !is_over
                }))
            }
            Some(_) => hash(self.pass(|byte| !is_between(byte) && !matches!(byte, b']' | b'}'))),
        }
    }

    /// Returns the sum of the hashes of the members of the next brackets.
    fn members(&mut self, mut member: impl FnMut(&mut Self) -> u64) -> u64 {
        self.0 = &self.0[1..];
        let mut sum = 0_u64;
        loop {
            self.pass(is_between);
            match self.0.first() {
                Some(b']' | b'}') => {
                    self.0 = &self.0[1..];
                    return sum;
                }
                Some(_) => sum = sum.wrapping_add(member(self)),
                None => return sum,
            }
        }
    }

    /// Takes all bytes up to the first unwanted one.
    fn pass(&mut self, mut is_wanted: impl FnMut(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().take_while(|&&byte| is_wanted(byte)).count();
        let (passed, rest) = self.0.split_at(length);
        self.0 = rest;
        passed
    }
}

const fn is_between(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::{have_same_words, is_same_json};

    fn is_same(one: &str, other: &str) -> bool {
        is_same_json(one.as_bytes(), other.as_bytes())
    }

    #[test]
    fn the_order_of_members_is_of_no_matter() {
        assert!(is_same(
            r#"{"a":1,"b":[2,{"c":3,"d":4}]}"#,
            r#"{"b":[{"d":4,"c":3},2],"a":1}"#
        ));
        assert!(is_same(
            r#"{"a,]}":"\"\\","b":"}"}"#,
            r#"{"b":"}","a,]}":"\"\\"}"#
        ));
        assert!(is_same("{ \"a\" : [ 1 , 2 ] }", "{\"a\":   [2,  1 ]  }"));
    }

    #[test]
    fn anything_else_is() {
        for (one, other) in [
            (r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#),
            (r#"{"a":1}"#, r#"{"a":1.0}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":[1,1,2]}"#, r#"{"a":[1,2,2]}"#),
            (r#"{"a":[]}"#, r#"{"a":{}}"#),
            (r#"{"a":"b"}"#, r#"{"a":"b\\"}"#),
            ("12", "21"),
            ("null", "\"null\""),
            ("[1]", "1"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_too_deep_is_compared_letter_by_letter() {
        let deep = |levels: usize, inner: &str| {
            format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels))
        };
        assert!(is_same(&deep(100, "1,2"), &deep(100, "2,1")));
        assert!(is_same(&deep(100_000, "1,2"), &deep(100_000, "1,2")));
        assert!(!is_same(&deep(100_000, "1,2"), &deep(100_000, "2,1")));
    }

    #[test]
    fn words_are_whole() {
        assert!(have_same_words(
            "M { a: {1, 2}, b: -3 }",
            "M { a: {2, 1}, b: -3 }"
        ));
        for other in [
            "M { a: {1, 12}, b: -3 }",
            "M { a: {2, 1}, b: 3 }",
            "M { a: {1, 2} }",
        ] {
            assert!(!have_same_words("M { a: {1, 2}, b: -3 }", other), "{other}");
        }
    }
}
