//! Types of other crates in events, as tags, and as keys of views: their bytes sort as they do.

#[cfg(test)]
mod chrono_keys;
#[cfg(test)]
mod decimal_keys;
#[cfg(test)]
mod events_and_rows;
#[cfg(test)]
mod jiff_keys;
#[cfg(test)]
mod order;
