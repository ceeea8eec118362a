//! A flow: requests of one size, always a few under way, for a given time.

use unimux_driver::{MemoryRegion, SendWr};
use unimux_guest_rt::{barrier, clock};
use unimux_programs::Connection;
use unimux_programs::failure::{Failure, succeeded};

use crate::bench::wait_for;
use crate::task;

/// Requests under way.
const DEPTH: u64 = 8;

/// Keeps writing the first `len_bytes` of `region` to the peer, from the tick `begin` for
/// [`task::DURATION_NS`]. Answers with the bytes that were complete by then.
pub(crate) fn run(
    connection: &mut Connection,
    region: &MemoryRegion,
    len_bytes: u32,
    begin: u64,
) -> Result<u64, Failure> {
    let write = SendWr::write(region.segment(0, len_bytes), connection.remote).signaled();
    let end = begin + clock::ns_to_ticks(task::DURATION_NS);
    let (mut posted, mut done) = (0, 0);
    wait_for(begin);
    while clock::ticks() < end {
        while posted - done < DEPTH {
            connection.qp.enqueue_send(&write)?;
            posted += 1;
            connection.qp.ring();
        }
        match connection.poll()? {
            Some(completion) => {
                succeeded(completion)?;
                done += 1;
            }
            None => barrier::relax(),
        }
    }
    let in_time = done;
    while done < posted {
        connection.spin()?;
        done += 1;
    }
    Ok(in_time * u64::from(len_bytes))
}
