//! What a guest that storms costs another: the victim's throughput against that beside a guest
//! that merely spins, so that the same cores are busy in both.

use unimux_abi::doorbell;
use unimux_driver::{Error, SendWr};
use unimux_guest_rt::{Doorbell, Function, barrier, clock};
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::letter::Letter;
use unimux_programs::session::PATIENCE_NS;
use unimux_programs::{Buffer, Session};

use crate::bench::{Bench, common_beginning, wait_for};
use crate::output::{Decimals, metric};
use crate::{flow, task};

/// Bytes of the victim's requests.
const BULK: u32 = 64 << 10;
/// Length of a storm's turn.
const TURN_CYCLES: u64 = 4000;

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    ensure(bench.helpers.len() >= 2, "a storm needs two helpers")?;
    let mut worst = 0;
    for (victim, names) in [
        (
            bulk as Victim,
            ["storm_doorbell_bulk_loss", "storm_commands_bulk_loss"],
        ),
        (
            small,
            ["storm_doorbell_small_loss", "storm_commands_small_loss"],
        ),
    ] {
        let calm = beside(bench, task::SPIN, victim)?;
        for (name, storm) in names
            .into_iter()
            .zip([task::STORM_DOORBELL, task::STORM_COMMANDS])
        {
            let stormy = beside(bench, storm, victim)?;
            let lost = u128::from(calm.saturating_sub(stormy));
            let loss = lost * 10_000 / u128::from(calm.max(1));
            metric(name, Decimals::<4>(loss), "ratio");
            worst = worst.max(loss);
        }
    }
    metric("storm_victim_loss", Decimals::<4>(worst), "ratio");
    Ok(())
}

/// What the victim does from a tick on; answers with how much it got done.
type Victim = fn(&mut Bench, u64) -> Result<u64, Failure>;

fn beside(bench: &mut Bench, number: u64, victim: Victim) -> Result<u64, Failure> {
    let begin = common_beginning();
    let stormer = bench.helpers[1].peer;
    bench.session.send(stormer, Letter::task(number, begin))?;
    let done = victim(bench, begin)?;
    bench.session.result(stormer)?;
    Ok(done)
}

/// Bytes written in large requests.
fn bulk(bench: &mut Bench, begin: u64) -> Result<u64, Failure> {
    flow::run(&mut bench.helpers[0], &bench.region, BULK, begin)
}

/// Requests of 8 bytes, one at a time.
fn small(bench: &mut Bench, begin: u64) -> Result<u64, Failure> {
    let helper = &mut bench.helpers[0];
    let write = SendWr::write_u64(7, helper.remote).signaled();
    let end = begin + clock::ns_to_ticks(task::DURATION_NS);
    let mut done = 0;
    wait_for(begin);
    while clock::ticks() < end {
        helper.qp.post_send(&write)?;
        helper.spin()?;
        done += 1;
    }
    Ok(done)
}

/// Stores to a word of this guest's own memory: the same loop as a doorbell storm, without one.
pub(crate) fn spin(page: Buffer, begin: u64) -> u64 {
    until_the_end(begin, |count| page.store(0, count))
}

/// Rings the doorbell for nothing.
pub(crate) fn ring(function: &Function, begin: u64) -> u64 {
    let page = Doorbell::of(function);
    until_the_end(begin, |count| {
        let value = doorbell::ring_value(u32::MAX, count as u32);
        page.store(doorbell::RING as usize, value);
    })
}

/// Keeps the command ring full of NOPs. With no time to wait every one times out at once, and the
/// driver drops its answer when it comes.
pub(crate) fn command(session: &mut Session, begin: u64) -> Result<u64, Failure> {
    let device = &mut session.device;
    let mut result = Ok(());
    device.set_timeout_ns(0);
    let count = until_the_end(begin, |_| match device.nop() {
        Ok(()) | Err(Error::Timeout) => {}
        // The next events are answers that nobody waits for.
        Err(Error::CommandRingFull) => drop(device.poll_event()),
        Err(error) => result = Err(error.into()),
    });
    device.set_timeout_ns(PATIENCE_NS);
    // The ring is full of commands whose answers are still to come.
    while device.nop() == Err(Error::CommandRingFull) {
        device.poll_event()?;
        barrier::relax();
    }
    result.map(|()| count)
}

/// Calls `each` for [`task::DURATION_NS`], and answers how often.
///
/// Under `-icount` the vCPUs take turns, and one that never yields would keep the machine to
/// itself; so it does, after a turn of the same length for all. What one turn takes too long, because
/// `each` does, the next is shorter.
fn until_the_end(begin: u64, mut each: impl FnMut(u64)) -> u64 {
    let end = begin + clock::ns_to_ticks(task::DURATION_NS);
    let (mut count, mut owed) = (0, 0);
    wait_for(begin);
    while clock::ticks() < end {
        let turn = clock::cycles();
        let mut used = owed;
        while used < TURN_CYCLES {
            for _ in 0..8 {
                count += 1;
                each(count);
            }
            used = owed + clock::cycles() - turn;
        }
        owed = used - TURN_CYCLES;
        barrier::relax();
    }
    count
}
