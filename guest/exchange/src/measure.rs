//! How long requests take, and how many go through: the same loops for every kind of guest.

use unimux_driver::{Error, MAX_INLINE_BYTES, MemoryRegion, Platform, SendWr};

use crate::Connection;
use crate::failure::{Failure, succeeded};

/// Of how many requests one is signaled, at most.
const SIGNAL_EVERY: u64 = 16;
/// Requests before the first one that is timed, at most.
const WARM_UP: u64 = 100;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes to the peer's memory.
    Write,
    /// Reads from the peer's memory.
    Read,
    /// Goes to a receive that the peer has posted.
    Send,
}

/// A request of `len_bytes`, not signaled, between the beginnings of `region` and of the peer's
/// memory. With `inline` the data is in the request itself, if it fits.
///
/// # Errors
/// The driver's, for inline data.
pub fn request<P: Platform>(
    connection: &Connection<P>,
    region: &MemoryRegion,
    operation: Operation,
    len_bytes: u32,
    inline: bool,
) -> Result<SendWr, Error> {
    let (local, remote) = (region.segment(0, len_bytes), connection.remote);
    let data = [0x5a; MAX_INLINE_BYTES as usize];
    let data = data.get(..len_bytes as usize).filter(|_| inline);
    match (operation, data) {
        (Operation::Read, _) => Ok(SendWr::read(local, remote)),
        (Operation::Write, Some(data)) => SendWr::write_inline(data, remote),
        (Operation::Write, None) => Ok(SendWr::write(local, remote)),
        (Operation::Send, Some(data)) => SendWr::send_inline(data),
        (Operation::Send, None) => Ok(SendWr::send(local)),
    }
}

/// Carries `request` out `count` times, one at a time, and gives each one's nanoseconds, from post
/// to completion, to `each`.
///
/// # Errors
/// The first request that does not succeed, or the driver's.
pub fn one_by_one<P: Platform>(
    connection: &mut Connection<P>,
    request: &SendWr,
    count: u64,
    mut each: impl FnMut(u64),
) -> Result<(), Failure> {
    let request = request.signaled();
    for _ in 0..count.min(WARM_UP) {
        connection.carry_out(&request)?;
    }
    for _ in 0..count {
        let began = connection.platform().now_ns();
        connection.qp.post_send(&request)?;
        connection.next_success()?;
        each(connection.platform().now_ns() - began);
    }
    Ok(())
}

/// Keeps `depth` requests under way until `count` are complete; answers with the nanoseconds that
/// all of them took.
///
/// # Errors
/// The first request that does not succeed, or the driver's.
pub fn stream<P: Platform>(
    connection: &mut Connection<P>,
    request: &SendWr,
    count: u64,
    depth: u64,
) -> Result<u64, Failure> {
    let depth = depth.clamp(1, connection.qp.send_room().into());
    // So that the first ones are not those that pay for it.
    keep_going(connection, request, depth, depth)?;
    keep_going(connection, request, count, depth)
}

fn keep_going<P: Platform>(
    connection: &mut Connection<P>,
    request: &SendWr,
    count: u64,
    depth: u64,
) -> Result<u64, Failure> {
    let every = (depth / 4).clamp(1, SIGNAL_EVERY);
    let (mut posted, mut done) = (0, 0);
    let began = connection.platform().now_ns();
    while done < count {
        let before = posted;
        while posted < count && posted - done < depth {
            posted += 1;
            let request = request.id(posted);
            let is_signaled = posted % every == 0 || posted == count;
            let request = if is_signaled {
                request.signaled()
            } else {
                request
            };
            connection.qp.enqueue_send(&request)?;
        }
        if posted > before {
            connection.qp.ring();
        }
        // Requests of one queue pair complete in order: the id says how many.
        done = connection.next_success()?.id;
        while let Some(completion) = connection.poll()? {
            done = succeeded(completion)?.id;
        }
    }
    Ok(connection.platform().now_ns() - began)
}
