//! The bench's samples as SVG plots.
//!
//! Series whose names have the same first word share a plot: `bandwidth_write` and `bandwidth_read`
//! make `<board>-bandwidth.svg`. A bandwidth is drawn over the size (both in powers), a latency as
//! the share of requests that took no longer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::metrics::Series;

type Points = Vec<(f64, f64)>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (900, 560);

/// Draws all plots into `folder`; returns the files.
pub(crate) fn draw(series: &Series, folder: &Path, board: &str) -> Result<Vec<PathBuf>> {
    let mut groups: BTreeMap<&str, BTreeMap<&str, Points>> = BTreeMap::new();
    for (name, points) in series {
        let group = name.split('_').next().unwrap_or(name);
        groups
            .entry(group)
            .or_default()
            .insert(name, points.clone());
    }
    let mut files = Vec::new();
    for (group, lines) in groups {
        let file = folder.join(format!("{board}-{group}.svg"));
        let canvas = SVGBackend::new(&file, SIZE).into_drawing_area();
        // The backend's error type borrows the canvas and says little more than its text.
        chart(&canvas, group, lines).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        canvas
            .present()
            .map_err(|error| anyhow!("{}: {error}", file.display()))?;
        drop(canvas);
        files.push(file);
    }
    Ok(files)
}

fn chart(
    canvas: &Canvas<'_>,
    group: &str,
    mut lines: BTreeMap<&str, Points>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (title, x_label, y_label) = match group {
        "bandwidth" => ("Bandwidth by size", "bytes", "MB/s"),
        "latency" => ("Latency", "ns", "share of requests"),
        _ => (group, "x", "y"),
    };
    for points in lines.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if group == "latency" {
            accumulate(points);
        }
    }
    let all: Points = lines
        .values()
        .flatten()
        .copied()
        .filter(|it| it.0 > 0.0)
        .collect();
    let [(x_low, x_high), (_, y_high)] = [
        bounds(all.iter().map(|it| it.0)),
        bounds(all.iter().map(|it| it.1)),
    ];
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(canvas)
        .caption(title, ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d((x_low..x_high).log_scale(), 0.0..y_high * 1.05)?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc(y_label)
        .draw()?;
    for (index, (name, points)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points: Points = points.into_iter().filter(|it| it.0 > 0.0).collect();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(2))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Counts by value become shares of requests that took at most so long.
fn accumulate(points: &mut Points) {
    let total: f64 = points.iter().map(|it| it.1).sum();
    let mut sum = 0.0;
    for (_, y) in points {
        sum += *y;
        *y = if total > 0.0 { sum / total } else { 0.0 };
    }
}

/// Least and greatest, apart even if there is only one value.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|it| it.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
            (low.min(it), high.max(it))
        });
    match low < high {
        true => (low, high),
        false if low.is_finite() => (low / 2.0, low.max(0.5) * 2.0),
        false => (1.0, 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_kind_share_a_plot() {
        let folder = tempfile::tempdir().unwrap();
        let mut series = Series::new();
        series.insert("bandwidth_write".into(), vec![(8.0, 1.0), (1024.0, 90.0)]);
        series.insert("bandwidth_read".into(), vec![(8.0, 1.0)]);
        series.insert(
            "latency_write".into(),
            vec![(300.0, 3.0), (200.0, 1.0), (0.0, 1.0)],
        );
        series.insert("other".into(), vec![]);
        let files = draw(&series, folder.path(), "b").unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|it| it.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["b-bandwidth.svg", "b-latency.svg", "b-other.svg"]);
        let svg = std::fs::read_to_string(&files[0]).unwrap();
        assert!(svg.contains("bandwidth_read") && svg.contains("</svg>"));
    }

    #[test]
    fn counts_become_shares() {
        let mut points = vec![(1.0, 1.0), (2.0, 3.0)];
        accumulate(&mut points);
        assert_eq!(points, [(1.0, 0.25), (2.0, 1.0)]);
    }

    #[test]
    fn bounds_are_never_empty() {
        assert_eq!(bounds([3.0, 1.0].into_iter()), (1.0, 3.0));
        assert_eq!(bounds([4.0].into_iter()), (2.0, 8.0));
        assert_eq!(bounds([].into_iter()), (1.0, 2.0));
    }
}
