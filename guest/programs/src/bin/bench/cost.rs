//! What one 8-byte WRITE costs the guest, the engine core, and all cores together.
//!
//! One request at a time: pipelining would hide what a request costs behind its neighbours.

use unimux_driver::{Counter, SendWr};
use unimux_guest_rt::{barrier, clock};
use unimux_programs::failure::{Failure, succeeded};
use unimux_programs::latencies;

use crate::bench::Bench;
use crate::output::{mean, metric};

const WARM_UP: u64 = 100;
const REQUESTS: u64 = 2000;

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let remote = bench.helpers[0].remote;
    let write = SendWr::write_u64(7, remote).signaled();
    for _ in 0..WARM_UP {
        bench.helpers[0].qp.post_send(&write)?;
        bench.helpers[0].spin()?;
    }

    // Post, and the one poll that finds the completion: what the guest itself must execute.
    let mut posts = latencies(&mut bench.guest.memory, REQUESTS as usize);
    let mut polls = latencies(&mut bench.guest.memory, REQUESTS as usize);
    for _ in 0..REQUESTS {
        let helper = &mut bench.helpers[0];
        let before = clock::cycles();
        helper.qp.post_send(&write)?;
        posts.add(clock::cycles() - before - bench.reading_cycles);
        loop {
            let before = clock::cycles();
            let polled = helper.poll()?;
            let after = clock::cycles();
            if let Some(completion) = polled {
                succeeded(completion)?;
                polls.add(after - before - bench.reading_cycles);
                break;
            }
            barrier::relax();
        }
    }
    let (post, poll) = (posts.percentiles().p50, polls.percentiles().p50);

    let before = bench.counters()?;
    let began = clock::cycles();
    for _ in 0..REQUESTS {
        bench.helpers[0].qp.post_send(&write)?;
        bench.helpers[0].spin()?;
    }
    let machine = clock::cycles() - began;
    let after = bench.counters()?;
    let spent = |counter| after.get(counter) - before.get(counter);

    metric("guest_instructions_8b", post + poll, "instructions");
    metric("guest_post_instructions_8b", post, "instructions");
    metric("guest_poll_instructions_8b", poll, "instructions");
    let engine = mean(spent(Counter::EngineBusyCycles), REQUESTS);
    metric("engine_instructions_8b", engine, "instructions");
    let machine = mean(machine, REQUESTS);
    metric("machine_instructions_8b", machine, "instructions");
    Ok(())
}
