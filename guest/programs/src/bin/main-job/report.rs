//! What a guest shows at the end.

use core::fmt;

use unimux_driver::Counter;
use unimux_guest_rt::exits::Exits;
use unimux_guest_rt::println;
use unimux_programs::job::Outcome;
use unimux_programs::table::Table;

/// One role's results. There is none unless everything was right, exits apart.
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) exits: Exits,
    pub(crate) digest_of: &'static str,
    pub(crate) counters: unimux_driver::Counters,
}

impl Report {
    /// Shows the results; returns the exit code that they mean.
    pub(crate) fn conclude(&self) -> i32 {
        println!("{self}");
        i32::from(self.exits.total() != 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Table(&self.outcome.rows))?;
        writeln!(f, "  file     {} bytes", self.outcome.file_bytes)?;
        writeln!(
            f,
            "  SHA-256  {}  ({})",
            self.outcome.digest, self.digest_of
        )?;
        let count = |counter| self.counters.get(counter);
        writeln!(
            f,
            "  engine   {} requests completed, {} failed, {} bytes moved for this function",
            count(Counter::Completed),
            count(Counter::Failed),
            count(Counter::Bytes)
        )?;
        let verdict = if self.exits.total() == 0 {
            "as it must be"
        } else {
            "MUST BE 0"
        };
        write!(
            f,
            "  exits    {} during the data phase, {verdict}",
            self.exits
        )
    }
}
