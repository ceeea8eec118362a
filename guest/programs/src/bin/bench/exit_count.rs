//! How often guests exit to EL2 while a million requests are carried out in polling mode.

use unimux_driver::SendWr;
use unimux_guest_rt::paravirt::ExitReason;
use unimux_guest_rt::{exits, println};
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::letter::Letter;

use crate::bench::Bench;
use crate::output::metric;
use crate::task;

/// Requests, unless the arguments say otherwise.
pub(crate) const REQUESTS: u64 = 1_000_000;
/// Requests per ring of the doorbell, of which the last is signaled.
const BATCH: u64 = 32;

pub(crate) fn measure(bench: &mut Bench, requests: u64) -> Result<(), Failure> {
    // The helpers poll as well: their exits count.
    for helper in &bench.helpers {
        bench
            .session
            .send(helper.peer, Letter::task(task::POLL, 0))?;
    }
    let before = exits::snapshot(&bench.function);
    let helper = &mut bench.helpers[0];
    let mut left = requests;
    while left > 0 {
        let batch = left.min(BATCH);
        for number in (1..=batch).rev() {
            let write = SendWr::write_u64(left, helper.remote);
            let write = if number == 1 { write.signaled() } else { write };
            helper.qp.enqueue_send(&write)?;
        }
        helper.qp.ring();
        helper.spin()?;
        left -= batch;
    }
    let mine = exits::snapshot(&bench.function).since(before);

    let mut total = mine.total();
    for helper in &bench.helpers {
        bench.session.send(helper.peer, Letter::reached(0))?;
        total += bench.session.result(helper.peer)?;
    }
    ensure(requests > 0, "there are requests to count for")?;
    metric("data_path_exits", total, "exits");
    metric("data_path_work_requests", requests, "WRs");
    for reason in ExitReason::ALL {
        if mine.of(reason) != 0 {
            println!(
                "exits of the requester: {} {}",
                mine.of(reason),
                reason.name()
            );
        }
    }
    Ok(())
}
