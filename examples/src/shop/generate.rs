//! Listings of any size, for trying the shop with more than the sample.

use super::customer::{CustomerId, Purchase};
use super::{Cents, Date};
use std::io::{self, Write};

/// Writes a listing of this many customers, in the form of the full one: a header line, four columns, CRLF. The same
/// number always produces the same listing. On average a customer has three purchases, in date order; equal ones
/// occur.
///
/// # Errors
/// When `to` cannot be written.
pub fn listing(customers: u32, to: &mut impl Write) -> io::Result<()> {
    write!(to, "customer date cds dollars\r\n")?;
    let mut random = Random(u64::from(customers));
    for customer in (1..=customers).map(CustomerId) {
        let mut purchases = vec![random.purchase()];
        // Most buy once or twice, some very often.
        while random.below(3) > 0 {
            purchases.push(random.purchase());
            if random.below(20) == 0 {
                purchases.extend(purchases.last().copied());
            }
        }
        purchases.sort_by_key(|purchase| purchase.date);
        for Purchase { date, cds, total } in purchases {
            let total = total.to_string();
            write!(to, "{customer} {date} {cds:>2} {total:>7}\r\n")?;
        }
    }
    Ok(())
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u32) -> u32 {
        // The remainder is below `end`, and so fits.
        u32::try_from(self.next() % u64::from(end)).unwrap_or_default()
    }

    /// A day from January 1997 to June 1998.
    fn date(&mut self) -> Date {
        loop {
            let (month, day) = (self.below(18), self.below(31));
            // Not every month has 31 days: then draw again.
            if let Some(date) = Date::new(1997 + month / 12, month % 12 + 1, day + 1) {
                return date;
            }
        }
    }

    fn purchase(&mut self) -> Purchase {
        let cds = self.below(5) + 1;
        Purchase {
            date: self.date(),
            cds,
            total: Cents(u64::from(cds) * (899 + u64::from(self.below(1800)))),
        }
    }
}
