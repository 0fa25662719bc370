//! Versions of streams, one for each part of an append.

use crate::place::Version;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Versions of streams, one for each part of an append: a slice that allocates nothing for a single part, which
/// nearly all appends have.
///
/// ```
/// use midgard::Version;
/// use midgard::store::Versions;
///
/// let versions: Versions = [Version(3), Version(1)].into_iter().collect();
/// assert_eq!(versions.last(), Some(&Version(1)));
/// assert_eq!(versions, [Version(3), Version(1)]);
/// ```
#[derive(Clone)]
pub struct Versions(Held);

#[derive(Clone)]
enum Held {
    One([Version; 1]),
    Some(Vec<Version>),
}

impl Versions {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Versions(Held::Some(Vec::new()))
    }

    /// Creates an empty list with room for the versions of this many parts.
    pub(crate) fn with_capacity(parts: usize) -> Self {
        match parts {
            0 | 1 => Versions::new(),
            parts => Versions(Held::Some(Vec::with_capacity(parts))),
        }
    }

    /// Adds a version.
    pub fn push(&mut self, version: Version) {
        match &mut self.0 {
            Held::Some(some) if some.capacity() == 0 => self.0 = Held::One([version]),
            Held::Some(some) => some.push(version),
            Held::One([first]) => self.0 = Held::Some(vec![*first, version]),
        }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Versions::new()
    }
}

impl Deref for Versions {
    type Target = [Version];

    fn deref(&self) -> &[Version] {
        match &self.0 {
            Held::One(one) => one,
            Held::Some(some) => some,
        }
    }
}

impl DerefMut for Versions {
    fn deref_mut(&mut self) -> &mut [Version] {
        match &mut self.0 {
            Held::One(one) => one,
            Held::Some(some) => some,
        }
    }
}

impl From<Version> for Versions {
    fn from(version: Version) -> Self {
        Versions(Held::One([version]))
    }
}

impl From<Vec<Version>> for Versions {
    fn from(versions: Vec<Version>) -> Self {
        Versions(Held::Some(versions))
    }
}

impl Extend<Version> for Versions {
    fn extend<I: IntoIterator<Item = Version>>(&mut self, versions: I) {
        versions.into_iter().for_each(|version| self.push(version));
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut collected = Versions::new();
        collected.extend(versions);
        collected
    }
}

impl<'a> IntoIterator for &'a Versions {
    type Item = &'a Version;
    type IntoIter = std::slice::Iter<'a, Version>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Versions {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Versions {}

impl<const N: usize> PartialEq<[Version; N]> for Versions {
    fn eq(&self, other: &[Version; N]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
