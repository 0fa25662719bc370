//! What each byte of a data file is, by the layout of LMDB: so that a test can say where it did damage.

use std::collections::BTreeMap;
use std::ops::Range;

const PAGE: usize = 4096;
const HEADER: usize = 16;
const META_DATABASES: usize = HEADER + 24;
const DATABASE: usize = 48;
const NO_PAGE: u64 = u64::MAX;

/// What a byte is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Use {
    /// Of the page that describes the last transaction.
    Meta,
    /// Of the page that describes the transaction before it.
    OlderMeta,
    /// The head of a page in a tree, and the places of its nodes.
    PageHeader,
    /// The head of a page or more that hold one long value.
    LongHeader,
    /// In an inner node: a page number and the length of a key.
    InnerNode,
    /// In an inner node: the key.
    InnerKey,
    /// In a leaf: the lengths of key and value.
    LeafNode,
    /// In a leaf: the key.
    Key,
    /// In a leaf: the value.
    Value,
    /// In a leaf: the number of the page where a long value begins.
    LongPlace,
    /// A value on pages of its own.
    LongValue,
    /// In a leaf: the root of a database.
    Root,
    /// Anything of the list of free pages.
    FreeList,
    /// Between nodes, behind values, and pages that nothing refers to.
    Unused,
}

impl Use {
    /// Whether the byte is what the store has written, and LMDB only keeps.
    pub(crate) const fn is_value(self) -> bool {
        matches!(self, Use::Value | Use::LongValue)
    }

    /// Whether nothing should depend on the byte.
    pub(crate) const fn is_idle(self) -> bool {
        matches!(self, Use::OlderMeta | Use::Unused)
    }
}

/// What a byte is for, and the number of the database that it is of.
pub(crate) type Place = (u8, Use);

/// The uses of all bytes of a file.
pub(crate) struct Pages<'a> {
    file: &'a [u8],
    uses: Vec<Place>,
    /// The names of databases, by number. The first one has the others in it; the bytes of none are its, too.
    databases: Vec<String>,
    /// Whose pages are being followed.
    database: u8,
}

impl<'a> Pages<'a> {
    /// Follows all trees of an intact file.
    pub(crate) fn of(file: &'a [u8]) -> Self {
        let mut pages = Pages {
            file,
            uses: vec![(0, Use::Unused); file.len()],
            databases: vec![String::new()],
            database: 0,
        };
        let transaction = |page: usize| pages.u64(page * PAGE + META_DATABASES + 2 * DATABASE + 8);
        let live = usize::from(transaction(1) > transaction(0));
        pages.mark(0..2 * PAGE, Use::OlderMeta);
        pages.mark(
            live * PAGE..live * PAGE + META_DATABASES + 2 * DATABASE + 16,
            Use::Meta,
        );
        let databases = live * PAGE + META_DATABASES;
        let main = pages.root(databases + DATABASE);
        pages.tree(main);
        let is_unused = |place: &Place| place.1 == Use::Unused;
        let before: Vec<_> = pages.uses.iter().map(is_unused).collect();
        let free = pages.root(databases);
        pages.tree(free);
        for (of, was_unused) in pages.uses.iter_mut().zip(before) {
            if was_unused && !is_unused(of) {
                of.1 = Use::FreeList;
            }
        }
        pages
    }

    pub(crate) fn of_byte(&self, at: usize) -> Place {
        self.uses[at]
    }

    /// The name of a place.
    pub(crate) fn name(&self, (database, of): Place) -> String {
        let name = format!("{} {of:?}", self.databases[usize::from(database)]);
        name.trim_start().to_owned()
    }

    /// The numbers of all bytes, by their places.
    pub(crate) fn by_place(&self) -> BTreeMap<Place, Vec<usize>> {
        let mut bytes = BTreeMap::<_, Vec<_>>::new();
        for (at, place) in self.uses.iter().enumerate() {
            bytes.entry(*place).or_default().push(at);
        }
        bytes
    }

    fn tree(&mut self, root: u64) {
        if root == NO_PAGE {
            return;
        }
        let start = root as usize * PAGE;
        let is_branch = self.u16(start + 10) & 1 != 0;
        let header = usize::from(self.u16(start + 12));
        self.mark(start..start + header, Use::PageHeader);
        for pointer in (start + HEADER..start + header).step_by(2) {
            let node = start + usize::from(self.u16(pointer));
            let key = node + 8;
            let value = key + usize::from(self.u16(node + 6));
            if is_branch {
                self.mark(node..key, Use::InnerNode);
                self.mark(key..value, Use::InnerKey);
                let low = u64::from(self.u32(node));
                self.tree(low | u64::from(self.u16(node + 4)) << 32);
                continue;
            }
            self.mark(node..key, Use::LeafNode);
            self.mark(key..value, Use::Key);
            let length = self.u32(node) as usize;
            match self.u16(node + 4) & 3 {
                0 => self.mark(value..value + length, Use::Value),
                1 => {
                    self.mark(value..value + 8, Use::LongPlace);
                    let long = self.u64(value) as usize * PAGE;
                    self.mark(long..long + HEADER, Use::LongHeader);
                    self.mark(long + HEADER..long + HEADER + length, Use::LongValue);
                }
                _ => {
                    self.mark(value..value + DATABASE, Use::Root);
                    let name = String::from_utf8_lossy(&self.file[key..value]);
                    self.databases.push(name.into_owned());
                    self.database = self.databases.len() as u8 - 1;
                    let root = self.root(value);
                    self.tree(root);
                    self.database = 0;
                }
            }
        }
    }

    fn root(&self, database: usize) -> u64 {
        self.u64(database + DATABASE - 8)
    }

    fn mark(&mut self, bytes: Range<usize>, of: Use) {
        self.uses[bytes].fill((self.database, of));
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.file[at..].first_chunk().unwrap()
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}
