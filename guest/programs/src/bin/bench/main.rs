//! Measures what the data path costs, and prints it for `cargo xtask bench`.
//!
//! It judges nothing: limits are xtask's.
//!
//! ```text
//!  metric <name> <value> <unit>      one number
//!  sample bandwidth_… <bytes> <MB/s> one point of a plot
//!  sample latency_… <ns> <count>     how many requests took so long
//! ```
//!
//! Arguments: `role=measure` for the first guest, `role=helper` for all others; `requests=N` for
//! the count of exits (default 1000000); and what to measure, the same for all guests:
//!
//! - `part=all` (the default): what can be counted, under `-icount shift=0`, where one cycle of
//!   PMCCNTR is one instruction of the whole machine and a run can be repeated exactly.
//! - `part=cost`: of that, what is repeated with many idle functions.
//! - `part=engine-cost`: of a machine with a DMA engine, what requests cost the engine core by size.
//! - `part=engine-time`: of such a machine, bandwidth by size, in the host's time.
//! - `part=time`: what only a clock can tell, on a machine whose cores run at the same time.
#![no_std]
#![no_main]

mod bandwidth;
mod bench;
mod cost;
mod engine;
mod exit_count;
mod fairness;
mod flow;
mod helper;
mod latency;
mod output;
mod sampling;
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
    let part = guest.argument("part").unwrap_or("all");
    let requests = guest.argument("requests").and_then(|it| it.parse().ok());
    let mut bench = Bench::begin(guest)?;
    match part {
        "time" => {
            latency::measure(&mut bench)?;
            bandwidth::measure(&mut bench)?;
        }
        "cost" => cost::measure(&mut bench)?,
        "engine-time" => engine::measure_time(&mut bench)?,
        "engine-cost" => engine::measure_cost(&mut bench)?,
        "all" => {
            cost::measure(&mut bench)?;
            fairness::measure(&mut bench)?;
            storm::measure(&mut bench)?;
            exit_count::measure(&mut bench, requests.unwrap_or(exit_count::REQUESTS))?;
            bench.print_held()?;
        }
        _ => return Err(Failure::Broken("the arguments name no part")),
    }
    bench.end()
}
