//! Whether two texts say the same in another order. A `HashMap` or a `HashSet` has another order whenever it is made anew.
//!
//! A list that comes back in another order is not told from a set: JSON has one form for both.

/// How deep JSON is looked into; what is deeper is compared letter by letter.
const DEEPEST: usize = 128;

/// Whether two texts of sound JSON differ in nothing but the order of members.
pub(super) fn is_same_json(one: &[u8], other: &[u8]) -> bool {
    Rest(one).value(0) == Rest(other).value(0)
}

/// Whether two texts have the same words.
pub(super) fn have_same_words(one: &str, other: &str) -> bool {
    words(one) == words(other)
}

fn words(text: &str) -> Vec<&str> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '[' | ']');
    let mut words: Vec<_> = text
        .split(is_between)
        .filter(|word| !word.is_empty())
        .collect();
    words.sort_unstable();
    words
}

/// JSON whose members are sorted. Names may come twice.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Json<'a> {
    /// As it is written: a number, a string, a word, or what is too deep.
    Text(&'a [u8]),
    Array(Vec<Json<'a>>),
    Object(Vec<(Json<'a>, Json<'a>)>),
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn value(&mut self, depth: usize) -> Json<'a> {
        match self.0.first() {
            Some(b'[') if depth < DEEPEST => {
                let mut members = self.members(depth);
                members.sort_unstable();
                Json::Array(members)
            }
            Some(b'{') if depth < DEEPEST => {
                let mut members = self.members(depth).into_iter();
                let mut pairs = Vec::new();
                while let (Some(name), Some(value)) = (members.next(), members.next()) {
                    pairs.push((name, value));
                }
                pairs.sort_unstable();
                Json::Object(pairs)
            }
            Some(b'[' | b'{') | None => self.take(self.0.len()),
            Some(b'"') => {
                let mut is_escaped = false;
                let inner = self.0[1..].iter().take_while(|&&byte| {
                    let is_end = byte == b'"' && !is_escaped;
                    is_escaped = byte == b'\\' && !is_escaped;
                    !is_end
                });
                let length = inner.count() + 2;
                self.take(length)
            }
            Some(_) => {
                let is_inside = |&&byte: &&u8| !is_between(byte) && byte != b']' && byte != b'}';
                self.take(self.0.iter().take_while(is_inside).count())
            }
        }
    }

    /// What is within the brackets that come next: the names of an object too.
    fn members(&mut self, depth: usize) -> Vec<Json<'a>> {
        self.take(1);
        let mut members = Vec::new();
        loop {
            let between = self.0.iter().take_while(|&&byte| is_between(byte)).count();
            self.take(between);
            match self.0.first() {
                Some(b']' | b'}') => {
                    self.take(1);
                    return members;
                }
                Some(_) => members.push(self.value(depth + 1)),
                None => return members,
            }
        }
    }

    fn take(&mut self, length: usize) -> Json<'a> {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Json::Text(taken)
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
        assert!(is_same("{ \"a\" : [ 1 , 2 ] }", r#"{"a":[2,1]}"#));
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
