//! Listings of purchases, one a line: customer, \[number in the sample\], date, CDs, dollars.

use super::customer::{CustomerId, Purchase};
use super::{Malformed, digits};
use std::io::{self, BufRead, Read};
use std::str::FromStr;

/// One line of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The customer.
    pub customer: CustomerId,
    /// The purchase.
    pub purchase: Purchase,
}

impl FromStr for Row {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let (customer, date, cds, total) = match columns[..] {
            [customer, date, cds, total] => (customer, date, cds, total),
            [customer, number, date, cds, total] => {
                digits(number)
                    .ok_or_else(|| Malformed::new("the customer's number in the sample", number))?;
                (customer, date, cds, total)
            }
            _ => {
                return Err(Malformed::new(
                    "4 or 5 columns (customer, [number in the sample], date, CDs, dollars)",
                    line.trim(),
                ));
            }
        };
        let count = || digits(cds).and_then(|cds| u32::try_from(cds).ok());
        Ok(Row {
            customer: customer.parse()?,
            purchase: Purchase {
                date: date.parse()?,
                cds: count()
                    .filter(|cds| *cds > 0)
                    .ok_or_else(|| Malformed::new("a number of CDs, 1 or more", cds))?,
                total: total.parse()?,
            },
        })
    }
}

/// The reason why a listing could not be read further. The earlier rows were valid.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// A line is not a row.
    #[error("{file}:{line}: {cause}")]
    Malformed {
        /// The name of the file.
        file: String,
        /// The number of the line, from 1.
        line: u64,
        /// The fault.
        cause: Malformed,
    },
    /// The file could not be read.
    #[error("{file}:{line}: the line could not be read: {cause}")]
    Read {
        /// The name of the file.
        file: String,
        /// The number of the line, from 1.
        line: u64,
        /// The reason.
        cause: io::Error,
    },
}

/// A longer line is not a row of any listing; it is not read to its end.
const LINE_BYTES: usize = 1024;

/// The rows of a listing, in constant memory.
///
/// Blank lines are passed over, and so are header lines: those before the first row that neither begin
/// with a digit nor end with dollars. After the first row every line is a row.
///
/// ```
/// use midgard_examples::shop::listing::Rows;
///
/// let text = "customer date cds dollars\r\n\r\n00004 19970101 2 29.33\r\nSmith 19970118 2 29.73\r\n";
/// let mut rows = Rows::new(text.as_bytes(), "all.txt");
/// assert_eq!(rows.next().unwrap()?.purchase.cds, 2);
/// let error = rows.next().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), r#"all.txt:4: expected the number of a customer, found "Smith""#);
/// # Ok::<_, midgard_examples::shop::listing::ListingError>(())
/// ```
#[derive(Debug)]
pub struct Rows<R> {
    source: R,
    file: String,
    line: u64,
    bytes: Vec<u8>,
    /// Whether the first row was seen.
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Rows<R> {
    /// Returns the rows of `source`; `file` is its name in errors.
    pub fn new(source: R, file: impl Into<String>) -> Self {
        Rows {
            source,
            file: file.into(),
            line: 0,
            bytes: Vec::new(),
            begun: false,
            ended: false,
        }
    }

    /// Returns the next row; `None` at the end of the listing.
    fn read(&mut self) -> Result<Option<Row>, ListingError> {
        let begun = self.begun;
        while let Some(line) = self.next_line()? {
            if line.is_empty() || (!begun && is_header(line)) {
                continue;
            }
            let row = line.parse();
            self.begun = true;
            return row.map(Some).map_err(|cause| self.malformed(cause));
        }
        Ok(None)
    }

    /// Returns the next line without the surrounding blanks; `None` at the end of the listing.
    fn next_line(&mut self) -> Result<Option<&str>, ListingError> {
        self.line += 1;
        self.bytes.clear();
        let mut bounded = self.source.by_ref().take(LINE_BYTES as u64 + 1);
        if let Err(cause) = bounded.read_until(b'\n', &mut self.bytes) {
            let file = self.file.clone();
            return Err(ListingError::Read {
                file,
                line: self.line,
                cause,
            });
        }
        if self.bytes.is_empty() {
            return Ok(None);
        }
        if self.bytes.len() > LINE_BYTES {
            let found = "a longer one";
            return Err(self.malformed(Malformed::new("a line of at most 1024 bytes", found)));
        }
        match std::str::from_utf8(&self.bytes) {
            // Some editors begin a file with a byte order mark.
            Ok(line) => Ok(Some(line.trim_start_matches('\u{feff}').trim())),
            Err(_) => {
                let found = self.bytes.escape_ascii().to_string();
                Err(self.malformed(Malformed::new("text in UTF-8", found)))
            }
        }
    }

    fn malformed(&self, cause: Malformed) -> ListingError {
        ListingError::Malformed {
            file: self.file.clone(),
            line: self.line,
            cause,
        }
    }
}

/// Ends after the first error.
impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, ListingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.read().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

/// Returns whether a line before the first row is a header. A line that ends with dollars is a row, even if its
/// customer cannot be read.
fn is_header(line: &str) -> bool {
    let ends_with_dollars = line
        .split_whitespace()
        .next_back()
        .is_some_and(|last| last.parse::<super::Cents>().is_ok());
    !line.starts_with(|first: char| first.is_ascii_digit()) && !ends_with_dollars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Cents;

    fn rows(listing: &[u8]) -> (Vec<Row>, Option<String>) {
        let mut read = Vec::new();
        for row in Rows::new(listing, "f") {
            match row {
                Ok(row) => read.push(row),
                Err(error) => return (read, Some(error.to_string())),
            }
        }
        (read, None)
    }

    fn error(line: &str) -> String {
        let (before, error) = rows(format!("00004 19970101 2 29.33\n{line}\n").as_bytes());
        assert_eq!(before.len(), 1);
        error.unwrap_or_else(|| panic!("{line:?} was read"))
    }

    #[test]
    fn both_listings_are_read_alike() {
        let sample = rows(b" 00004 0001 19970101  2   29.33\r\n");
        let full = rows(b"00004 19970101  2   29.33\n");
        assert_eq!(sample, full);
        let purchase = Purchase {
            date: "19970101".parse().unwrap(),
            cds: 2,
            total: Cents(2933),
        };
        let customer = CustomerId(4);
        assert_eq!(full, (vec![Row { customer, purchase }], None));
    }

    #[test]
    fn headers_blank_lines_and_a_missing_last_line_end_are_fine() {
        let listing = b"\xef\xbb\xbfCDNOW, all customers\r\ncustomer date cds dollars\r\n\r\n\
            00004 19970101 2 29.33\r\n \t\r\n\n00004 19970118 2 29.73";
        let (read, error) = rows(listing);
        assert_eq!((read.len(), error), (2, None));
        assert_eq!(rows(b""), (vec![], None));
    }

    #[test]
    fn a_row_after_a_byte_order_mark_is_no_header() {
        assert_eq!(rows(b"\xef\xbb\xbf00004 19970101 2 29.33\n").0.len(), 1);
    }

    #[test]
    fn a_first_row_with_a_wrong_customer_is_no_header() {
        let (read, error) = rows(b"customer date cds dollars\nSmith 19970101 2 29.33\n");
        assert_eq!(read, []);
        assert_eq!(
            error.unwrap(),
            r#"f:2: expected the number of a customer, found "Smith""#
        );
    }

    #[test]
    fn a_malformed_row_is_named_with_what_was_expected() {
        for (line, expected) in [
            (
                "00004 19970101 2",
                r#"4 or 5 columns (customer, [number in the sample], date, CDs, dollars), found "00004 19970101 2""#,
            ),
            (
                "00004 0001 19970101 2 29.33 x",
                r#"4 or 5 columns (customer, [number in the sample], date, CDs, dollars), found "00004 0001 19970101 2 29.33 x""#,
            ),
            (
                "4a 19970101 2 29.33",
                r#"the number of a customer, found "4a""#,
            ),
            (
                "00004 x 19970101 2 29.33",
                r#"the customer's number in the sample, found "x""#,
            ),
            (
                "00004 1997-01-01 2 29.33",
                r#"a date YYYYMMDD, found "1997-01-01""#,
            ),
            (
                "00004 19970229 2 29.33",
                r#"a date YYYYMMDD that exists, found "19970229""#,
            ),
            (
                "00004 19970101 0 29.33",
                r#"a number of CDs, 1 or more, found "0""#,
            ),
            (
                "00004 19970101 -2 29.33",
                r#"a number of CDs, 1 or more, found "-2""#,
            ),
            (
                "00004 19970101 2 29.3",
                r#"dollars and cents such as 29.33, found "29.3""#,
            ),
            (
                "total",
                r#"4 or 5 columns (customer, [number in the sample], date, CDs, dollars), found "total""#,
            ),
        ] {
            assert_eq!(error(line), format!("f:2: expected {expected}"));
        }
    }

    #[test]
    fn what_is_no_text_is_malformed_too() {
        let (_, error) = rows(b"\n4 19970101 2 29.33\n5 \xff\n");
        let expected = r#"f:3: expected text in UTF-8, found "5 \\xff\\n""#;
        assert_eq!(error.as_deref(), Some(expected));
        let (_, error) = rows(&vec![b'4'; 1 << 20]);
        let expected = r#"f:1: expected a line of at most 1024 bytes, found "a longer one""#;
        assert_eq!(error.as_deref(), Some(expected));
    }

    #[test]
    fn nothing_is_read_after_an_error() {
        let mut rows = Rows::new(&b"4\n4 19970101 2 29.33\n"[..], "f");
        assert!(rows.next().is_some_and(|row| row.is_err()));
        assert!(rows.next().is_none());
    }
}
