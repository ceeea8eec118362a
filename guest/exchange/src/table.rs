//! The table at the end of a program: one row per kind of operation.

use core::fmt;

use crate::latency::Percentiles;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What was done.
    pub operation: &'static str,
    /// How often.
    pub operations: u64,
    /// Bytes moved by all of them.
    pub bytes: u64,
    /// How long all of them took together, in nanoseconds.
    pub elapsed_ns: u64,
    /// Post to completion of each; none where they were not timed one by one.
    pub latency: Option<Percentiles>,
}

/// The rows, with a head.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<16} {:>8} {:>12} {:>9}   {:>8} {:>8} {:>8} {:>8}",
            "operation", "count", "bytes", "MB/s", "p50 us", "p90 us", "p99 us", "max us"
        )?;
        self.0.iter().try_for_each(|row| writeln!(f, "  {row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bytes per microsecond are megabytes per second; one decimal, in integers.
        let tenths = self.bytes * 10_000 / self.elapsed_ns.max(1);
        write!(
            f,
            "{:<16} {:>8} {:>12} {:>7}.{}  ",
            self.operation,
            self.operations,
            self.bytes,
            tenths / 10,
            tenths % 10,
        )?;
        let Some(latency) = self.latency else {
            return write!(f, " {0:>8} {0:>8} {0:>8} {0:>8}", "-");
        };
        [latency.p50, latency.p90, latency.p99, latency.max]
            .into_iter()
            .try_for_each(|ns| write!(f, " {}", Microseconds(ns)))
    }
}

/// Nanoseconds shown as microseconds with one decimal, eight characters wide.
struct Microseconds(u32);

impl fmt::Display for Microseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}.{}", self.0 / 1000, self.0 / 100 % 10)
    }
}
