//! Results for people, as tables, or for programs, as JSON.

use std::fmt::Write as _;

use serde_json::Value;

/// Where results go: standard output, in one of two forms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Shows a result.
    pub(crate) fn show(self, value: &Value, text: impl FnOnce() -> String) {
        if self.json {
            println!("{value}");
        } else {
            println!("{}", text().trim_end());
        }
    }

    /// Says what happens meanwhile: for people only.
    pub(crate) fn say(self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }
}

/// Rows under a head, each column as wide as its widest cell; numbers to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head.get(column).map_or(0, |it| it.len()))
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let is_number = rows
                .iter()
                .filter_map(|row| row.get(column))
                .all(|cell| cell == "-" || cell.parse::<f64>().is_ok());
            let written = if is_number {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
            written.expect("strings take everything");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `bytes` in the largest unit that leaves a whole number, or two decimals.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
        if bytes >= 4 * unit {
            return format!("{:.2} {name}", bytes as f64 / unit as f64);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must() {
        let rows = [["web", "7"], ["database", "12"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            table(&["name", "no"], &rows),
            "name      no\nweb        7\ndatabase  12\n"
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(512 << 20), "512 MiB");
        assert_eq!(bytes(5 << 10 | 512), "5.50 KiB");
        assert_eq!(bytes(1500), "1500 B");
    }
}
