//! A plot of approved and rejected amounts.

use super::views::{Decision, OrdersOfMonth};
use super::{Cents, Month};
use midgard::view::{Select, ViewError, ViewSnapshot};
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

/// Width and height of the drawing, in pixels.
const SIZE: (u32, u32) = (960, 480);
const APPROVED: RGBColor = RGBColor(0x2f, 0x7d, 0x4f);
const REJECTED: RGBColor = RGBColor(0xc4, 0x4e, 0x3a);

/// Draws the approved and the rejected dollars of each month as an SVG.
///
/// # Errors
/// When the view cannot be read, or the file cannot be written.
pub fn dollars_by_month(views: &ViewSnapshot, file: &Path) -> Result<(), Box<dyn Error>> {
    let months = months(views)?;
    let mut svg = String::new();
    draw(&months, &mut svg).map_err(|error| format!("the drawing failed: {error}"))?;
    fs::write(file, svg)
        .map_err(|error| format!("{} could not be written: {error}", file.display()))?;
    Ok(())
}

/// The approved and rejected amounts of each month.
fn months(views: &ViewSnapshot) -> Result<BTreeMap<Month, [Cents; 2]>, ViewError> {
    let mut months = BTreeMap::<_, [Cents; 2]>::new();
    for row in views.select(Select::<OrdersOfMonth>::all())? {
        let [approved, rejected] = months.entry(row.month).or_default();
        match row.decision {
            Decision::Approved => *approved = row.total,
            Decision::Rejected => *rejected = row.total,
        }
    }
    Ok(months)
}

fn draw(months: &BTreeMap<Month, [Cents; 2]>, svg: &mut String) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let totals = months.values();
    let highest = totals.map(|[approved, rejected]| dollars(*approved) + dollars(*rejected));
    let highest = highest.fold(100.0, f64::max) * 1.05;
    // Both ends of the range have a bar.
    let last = months.len().saturating_sub(1);
    let mut chart = ChartBuilder::on(&area)
        .caption("Dollars ordered on credit, by month", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(72)
        .build_cartesian_2d((0..last).into_segmented(), 0.0..highest)?;
    let names: Vec<_> = months.keys().map(ToString::to_string).collect();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .y_max_light_lines(0)
        .x_labels(months.len() + 1)
        .x_label_formatter(&|at| match at {
            SegmentValue::CenterOf(month) => names.get(*month).cloned().unwrap_or_default(),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        })
        .y_label_formatter(&|dollars| format!("{dollars:.0}"))
        .y_desc("dollars")
        .draw()?;
    // Rejected amounts are stacked on approved ones.
    for (series, name, color) in [(0, "approved", APPROVED), (1, "rejected", REJECTED)] {
        let bars = months
            .values()
            .enumerate()
            .map(|(month, [approved, rejected])| {
                let middle = dollars(*approved);
                let (bottom, top) = match series {
                    0 => (0.0, middle),
                    _ => (middle, middle + dollars(*rejected)),
                };
                let corners = [
                    (SegmentValue::Exact(month), bottom),
                    (SegmentValue::Exact(month + 1), top),
                ];
                let mut bar = Rectangle::new(corners, color.filled());
                bar.set_margin(0, 0, 6, 6);
                bar
            });
        chart
            .draw_series(bars)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

fn dollars(cents: Cents) -> f64 {
    cents.0 as f64 / 100.0
}
