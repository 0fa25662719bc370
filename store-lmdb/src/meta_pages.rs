//! Checks the pages at the beginning of a data file before LMDB reads them: it trusts their contents, and a damaged
//! one may end the process.
//!
//! There are two, which transactions write in turn. LMDB uses the newer one. The other may hold anything, such as the
//! remains of a write that was cut short, and the next transaction overwrites it.

use crate::fields::Fields;
use midgard::store::StoreError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;

/// What LMDB reads of a page to find out the size of pages.
const BEGINNING: usize = 152;
/// The sizes of pages that LMDB makes; where those of the system are larger, it takes the largest.
const PAGE_SIZES: RangeInclusive<u32> = 512..=0x8000;
const MAGIC: u32 = 0xbeef_c0de;
/// The two lowest flags of this kind of page.
const META: u16 = 8;
/// The root where there is no tree.
const NO_PAGE: u64 = u64::MAX;
/// The most levels that a cursor can go down.
const DEEPEST: u16 = 32;
/// The least space that an entry takes on a page: its header, and its place.
const SMALLEST_NODE: u64 = 8 + 2;
/// The largest sound difference between the numbers of the two transactions: far more transactions than a system
/// leaves unflushed.
const LARGEST_STEP: u64 = 1 << 40;
/// The flag for keys that are numbers, as in the list of free pages.
const INTEGER_KEYS: u16 = 8;
/// The flag of a file without a directory of its own. LMDB keeps it among the flags of the list of free pages.
const NO_DIRECTORY: u16 = 0x4000;

/// Checks that LMDB can open the data file in a directory, as far as its meta pages show. What LMDB itself refuses is
/// left to LMDB: a file that is too short, or that is not its own.
pub(crate) fn check(directory: &Path) -> Result<(), StoreError> {
    // Whatever prevents reading it prevents LMDB from reading it, too.
    let Ok(mut file) = File::open(directory.join("data.mdb")) else {
        return Ok(());
    };
    let mut before = None;
    while let Ok(Some(pages)) = MetaPages::read(&mut file) {
        let Err(reason) = pages.check() else {
            return Ok(());
        };
        // Another process may have been writing them at this moment; then they have changed by now.
        if before.replace(pages) == Some(pages) {
            return Err(StoreError::Backend {
                action: "open its LMDB environment",
                cause: format!(
                    "{}: the page that data.mdb begins with is damaged: {reason}; restore the store from a backup",
                    directory.display()
                )
                .into(),
            });
        }
    }
    Ok(())
}

/// Both meta pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MetaPages([Meta; 2]);

/// The contents of a meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    page_size: u32,
    free: Tree,
    main: Tree,
    last_page: u64,
    transaction: u64,
}

/// The description of a tree of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tree {
    flags: u16,
    depth: u16,
    /// The numbers of inner pages, leaves, and pages of long values.
    pages: [u64; 3],
    entries: u64,
    root: u64,
}

impl MetaPages {
    /// Reads them as LMDB does; `None` where LMDB refuses the file.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let Some(first) = Meta::read(file, 0)? else {
            return Ok(None);
        };
        // The second one is behind the first. If the size of pages is zero, LMDB reads the first one twice.
        let second = Meta::read(file, u64::from(first.page_size))?;
        Ok(second.map(|second| MetaPages([first, second])))
    }

    fn check(&self) -> Result<(), String> {
        let MetaPages([first, second]) = *self;
        let (number, newer) = match first.transaction < second.transaction {
            true => (1, second),
            false => (0, first),
        };
        if newer.page_size != first.page_size {
            return Err(format!(
                "the first one says that pages have {} bytes, and the newer one says {}",
                first.page_size, newer.page_size
            ));
        }
        if newer.transaction % 2 != number
            || first.transaction.abs_diff(second.transaction) > LARGEST_STEP
        {
            return Err(format!(
                "transaction {} cannot stand in it, where {} stands in the first and {} in the second",
                newer.transaction, first.transaction, second.transaction
            ));
        }
        newer.check()
    }
}

impl Meta {
    fn read(file: &mut File, at: u64) -> io::Result<Option<Self>> {
        let mut bytes = [0; BEGINNING];
        file.seek(SeekFrom::Start(at))?;
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(Meta::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the contents of the page; `None` when it is not a meta page.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Fields(bytes);
        let _number_and_padding = rest.chunk::<10>()?;
        let flags = u16::from_le_bytes(*rest.chunk()?);
        let _space = rest.chunk::<4>()?;
        let magic = u32::from_le_bytes(*rest.chunk()?);
        if flags & META == 0 || magic != MAGIC {
            return None;
        }
        let _version_address_and_size_of_map = rest.chunk::<20>()?;
        let (page_size, free) = Tree::parse(&mut rest)?;
        let (_, main) = Tree::parse(&mut rest)?;
        Some(Meta {
            page_size,
            free,
            main,
            last_page: u64::from_le_bytes(*rest.chunk()?),
            transaction: u64::from_le_bytes(*rest.chunk()?),
        })
    }

    fn check(&self) -> Result<(), String> {
        let size = self.page_size;
        if !size.is_power_of_two() || !PAGE_SIZES.contains(&size) {
            return Err(format!("it says that pages have {size} bytes"));
        }
        let bytes = self.last_page.checked_add(1);
        let bytes = bytes.and_then(|pages| pages.checked_mul(u64::from(size)));
        if self.last_page < 1 || bytes.is_none_or(|bytes| i64::try_from(bytes).is_err()) {
            let last = self.last_page;
            return Err(format!("it says that page {last} is the last one"));
        }
        // LMDB does not read what is not there, and ends the process when it meets keys of another kind than its own.
        let trees = [
            ("list of free pages", self.free, INTEGER_KEYS, NO_DIRECTORY),
            ("list of databases", self.main, 0, 0),
        ];
        trees
            .into_iter()
            .try_for_each(|(name, tree, flags, or_flags)| {
                if tree.flags & !or_flags != flags {
                    let found = tree.flags;
                    return Err(format!(
                        "it says that the {name} has the flags {found:#06x}"
                    ));
                }
                tree.check(self)
                    .map_err(|reason| format!("it says that the {name} has {reason}"))
            })
    }
}

impl Tree {
    fn parse(rest: &mut Fields<'_>) -> Option<(u32, Self)> {
        let padding = u32::from_le_bytes(*rest.chunk()?);
        let flags = u16::from_le_bytes(*rest.chunk()?);
        let depth = u16::from_le_bytes(*rest.chunk()?);
        let mut number = || Some(u64::from_le_bytes(*rest.chunk()?));
        let tree = Tree {
            flags,
            depth,
            pages: [number()?, number()?, number()?],
            entries: number()?,
            root: number()?,
        };
        Some((padding, tree))
    }

    fn check(&self, of: &Meta) -> Result<(), String> {
        let Tree {
            depth,
            pages,
            entries,
            root,
            ..
        } = *self;
        let is_empty = root == NO_PAGE;
        if !is_empty && (root < 2 || root > of.last_page) {
            let last = of.last_page;
            return Err(format!(
                "its root at page {root}, of which the last is {last}"
            ));
        }
        if depth > DEEPEST || is_empty != (depth == 0) {
            let root = if is_empty { "without a root" } else { "" };
            return Err(format!("{depth} levels {root}").trim_end().to_owned());
        }
        let sum = pages.into_iter().try_fold(0_u64, u64::checked_add);
        if sum.is_none_or(|sum| sum > of.last_page) {
            let [inner, leaves, long] = pages;
            return Err(format!(
                "{inner} inner pages, {leaves} leaves and {long} pages of long values"
            ));
        }
        // This does not overflow: the pages of the file were multiplied already.
        if entries > of.last_page * u64::from(of.page_size) / SMALLEST_NODE {
            return Err(format!("{entries} entries"));
        }
        Ok(())
    }
}
