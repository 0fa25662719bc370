//! What holds of every key.

use midgard::ViewKey;
use midgard::view::KeyBytes;
use std::cmp::Ordering;
use std::fmt::Debug;

/// The bytes of each two compare as the values do, and none are the beginning of another's.
#[track_caller]
pub(crate) fn assert_sorts_as_it_is<K: ViewKey + Ord + Debug>(keys: &[K]) {
    let all: Vec<_> = keys.iter().map(KeyBytes::of).collect();
    for (one, bytes) in keys.iter().zip(&all) {
        for (other, others) in keys.iter().zip(&all) {
            assert_eq!(bytes.cmp(others), one.cmp(other), "{one:?}, {other:?}");
            let begins = others.as_bytes().starts_with(bytes.as_bytes());
            assert_eq!(
                begins,
                one.cmp(other) == Ordering::Equal,
                "{one:?}, {other:?}"
            );
        }
    }
}

/// What the bytes are described as: where it changes, views are rebuilt.
pub(crate) fn form<K: ViewKey>() -> String {
    let mut form = String::new();
    K::describe(&mut form);
    form
}
