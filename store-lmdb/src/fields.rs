//! Fields of stored data, taken one after the other.

use midgard::varint;

/// The fields that have not been read yet.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Option<u64> {
        varint::take(&mut self.0)
    }

    /// Takes the bytes of this many numbers.
    #[inline]
    pub(crate) fn numbers(&mut self, count: u32) -> Option<&'a [u8]> {
        let before = self.0;
        for _ in 0..count {
            self.number()?;
        }
        before.get(..before.len() - self.0.len())
    }

    /// Takes as many bytes as the number before them gives.
    #[inline]
    pub(crate) fn run(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (run, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(run)
    }
}
