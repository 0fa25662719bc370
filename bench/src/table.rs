//! The table that is printed, in Markdown.

use crate::contest::{Samples, median};
use std::fmt;

/// The goal of a ratio in the performance budget.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    AtLeast(f64),
    AtMost(f64),
    /// None (yet): the line is there to explain another.
    Nothing,
}

impl Asked {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Asked::AtLeast(least) => ratio >= least,
            Asked::AtMost(most) => ratio <= most,
            Asked::Nothing => true,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::AtLeast(ratio) => write!(f, "at least {ratio:.2}"),
            Asked::AtMost(ratio) => write!(f, "at most {ratio:.2}"),
            Asked::Nothing => Ok(()),
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    row: String,
    unit: &'static str,
    measured: Measured,
    asked: Asked,
    note: String,
}

/// The subject of a line.
#[derive(Debug)]
enum Measured {
    /// Two contestants, with a sample of each for each round; the goal is for the ratio.
    Ratio { ours: Samples, raw: Samples },
    /// One number over all rounds, and one for each round; the goal is for the number.
    Alone { number: f64, rounds: Samples },
    /// One contestant of two, as the other has no figures.
    #[cfg(feature = "peers")]
    OneSided { ours: Samples },
}

impl Line {
    pub(crate) fn new(
        row: impl Into<String>,
        unit: &'static str,
        ours: &Samples,
        raw: &Samples,
        asked: Asked,
    ) -> Self {
        Line {
            row: row.into(),
            unit,
            measured: Measured::Ratio {
                ours: ours.clone(),
                raw: raw.clone(),
            },
            asked,
            note: String::new(),
        }
    }

    /// A number without a comparison.
    pub(crate) fn alone(
        row: impl Into<String>,
        unit: &'static str,
        number: f64,
        rounds: &Samples,
        asked: Asked,
    ) -> Self {
        Line {
            row: row.into(),
            unit,
            measured: Measured::Alone {
                number,
                rounds: rounds.clone(),
            },
            asked,
            note: String::new(),
        }
    }

    /// A row in which the other contestant has no figures; the note has to explain why.
    #[cfg(feature = "peers")]
    pub(crate) fn one_sided(row: impl Into<String>, unit: &'static str, ours: &Samples) -> Self {
        Line {
            row: row.into(),
            unit,
            measured: Measured::OneSided { ours: ours.clone() },
            asked: Asked::Nothing,
            note: String::new(),
        }
    }

    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// Prints the head of the table, with the name of the other side.
pub(crate) fn print_header(other: &str) {
    println!("| row | unit | ours | {other} | ratio | min..max | asked | met | note |");
    println!("|---|---|---|---|---|---|---|---|---|");
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | ", self.row, self.unit)?;
        let number = match &self.measured {
            Measured::Ratio { ours, raw } => {
                let ratios: Samples = ours.iter().zip(raw).map(|(a, b)| a / b).collect();
                let ratio = median(&ratios);
                let (least, most) = ends(&ratios);
                let (ours, raw) = (Short(median(ours)), Short(median(raw)));
                write!(f, "{ours} | {raw} | {ratio:.2} | {least:.2}..{most:.2}")?;
                ratio
            }
            Measured::Alone { number, rounds } => {
                let (least, most) = ends(rounds);
                let (least, most) = (Short(least), Short(most));
                write!(f, "{} | | | {least}..{most}", Short(*number))?;
                *number
            }
            #[cfg(feature = "peers")]
            Measured::OneSided { ours } => {
                let ours = median(ours);
                write!(f, "{} | | | ", Short(ours))?;
                ours
            }
        };
        let met = match self.asked {
            Asked::Nothing => "",
            asked if asked.is_met(number) => "yes",
            _ => "**no**",
        };
        write!(f, " | {} | {met} | {} |", self.asked, self.note)
    }
}

/// The least and the most.
fn ends(samples: &[f64]) -> (f64, f64) {
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    (least, samples.iter().copied().fold(0.0, f64::max))
}

/// A number with about three significant digits.
pub(crate) struct Short(pub(crate) f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1e6 => write!(f, "{:.2}M", n / 1e6),
            n if n >= 1e4 => write!(f, "{:.1}k", n / 1e3),
            n if n >= 100.0 => write!(f, "{n:.0}"),
            n => write!(f, "{n:.2}"),
        }
    }
}
