//! Measures what the data path costs, and prints it for `cargo xtask bench`.
//!
//! It judges nothing: limits are xtask's. It is meant for `-icount shift=0`, where one cycle of
//! PMCCNTR is one instruction of the whole machine and a run can be repeated exactly.
//!
//! ```text
//!  metric <name> <value> <unit>      one number
//!  sample bandwidth_… <bytes> <MB/s> one point of a plot
//!  sample latency_… <ns> <count>     how many requests took so long
//! ```
//!
//! Arguments: `role=measure` for the first guest, `role=helper` for all others; `part=all` (the
//! default) or `part=cost`, which is what is repeated with many idle functions; `requests=N` for
//! the count of exits (default 1000000).
#![no_std]
#![no_main]

mod bandwidth;
mod bench;
mod cost;
mod exit_count;
mod fairness;
mod flow;
mod helper;
mod latency;
mod output;
mod storm;
mod task;

use unimux_guest_rt::{Guest, entry, println};
use unimux_programs::failure::Failure;

use bench::Bench;

entry!(main);

fn main(guest: Guest) -> i32 {
    let done = match guest.argument("role") {
        Some("measure") => measure(guest),
        Some("helper") => helper::serve(guest),
        _ => Err(Failure::Broken(
            "the arguments name no role measure or helper",
        )),
    };
    match done {
        Ok(()) => 0,
        Err(failure) => {
            println!("the bench failed: {failure}");
            1
        }
    }
}

fn measure(guest: Guest) -> Result<(), Failure> {
    let all = guest.argument("part") != Some("cost");
    let requests = guest.argument("requests").and_then(|it| it.parse().ok());
    let mut bench = Bench::begin(guest)?;
    cost::measure(&mut bench)?;
    if all {
        latency::measure(&mut bench)?;
        bandwidth::measure(&mut bench)?;
        fairness::measure(&mut bench)?;
        storm::measure(&mut bench)?;
        exit_count::measure(&mut bench, requests.unwrap_or(exit_count::REQUESTS))?;
    }
    bench.end()
}
