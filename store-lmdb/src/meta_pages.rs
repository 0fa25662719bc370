//! The pages that a data file begins with, looked at before LMDB does: it believes what they say, and one that is damaged
//! may end the process.
//!
//! There are two, of which transactions write one in turn. LMDB goes by the newer one. The other may be anything: it is
//! what a write that was cut short has left, and is written anew by the next transaction.

use crate::fields::Fields;
use midgard::store::StoreError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;

/// What LMDB reads of a page to find out how large pages are.
const BEGINNING: usize = 152;
/// How large LMDB makes pages; where those of the system are larger, it takes the largest.
const PAGE_SIZES: RangeInclusive<u32> = 512..=0x8000;
const MAGIC: u32 = 0xbeef_c0de;
/// What the two lowest flags of a page say of this kind of page.
const META: u16 = 8;
/// Where there is no tree.
const NO_PAGE: u64 = u64::MAX;
/// The most levels that a cursor can go down.
const DEEPEST: u16 = 32;
/// The least that an entry takes of a page: its head, and where it is.
const SMALLEST_NODE: u64 = 8 + 2;
/// How the numbers of the two transactions may differ at most: far more than transactions that a system has not flushed yet.
const LARGEST_STEP: u64 = 1 << 40;
/// That keys are numbers, as those of the list of free pages are.
const INTEGER_KEYS: u16 = 8;
/// What says that the file has no directory of its own. LMDB keeps it among the flags of the list of free pages.
const NO_DIRECTORY: u16 = 0x4000;

/// Makes sure that LMDB can open the data file in a directory, as far as its meta pages tell. What LMDB refuses by itself is
/// left to it: a file that is too short, or none of its own.
pub(crate) fn check(directory: &Path) -> Result<(), StoreError> {
    // What stands in the way of reading it stands in LMDB's way, too.
    let Ok(mut file) = File::open(directory.join("data.mdb")) else {
        return Ok(());
    };
    let mut before = None;
    while let Ok(Some(pages)) = MetaPages::read(&mut file) {
        let Err(reason) = pages.check() else {
            return Ok(());
        };
        // Somebody may have been writing them at this moment; then they are others now.
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

/// Both of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MetaPages([Meta; 2]);

/// What stands in a meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    page_size: u32,
    free: Tree,
    main: Tree,
    last_page: u64,
    transaction: u64,
}

/// What stands there of a tree of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tree {
    flags: u16,
    depth: u16,
    /// Inner pages, leaves, and those of long values.
    pages: [u64; 3],
    entries: u64,
    root: u64,
}

impl MetaPages {
    /// As LMDB finds them; `None` where it refuses the file.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let Some(first) = Meta::read(file, 0)? else {
            return Ok(None);
        };
        // The other one is behind it. Of no size at all, LMDB takes the first one twice.
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

    /// What stands in the page; `None` when it is none of this kind.
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
        // LMDB does not read what is not there, and ends the process where it meets keys of another kind than its own.
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
        // No overflow: the pages of the file were multiplied already.
        if entries > of.last_page * u64::from(of.page_size) / SMALLEST_NODE {
            return Err(format!("{entries} entries"));
        }
        Ok(())
    }
}
