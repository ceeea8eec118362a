//! A guest that dies again and again, and a peer that is connected to it in every life.
//!
//! ```text
//!  mortal                              peer
//!  connects            ◀───────────▶   connects
//!                      ◀───────────    writes, and reads it back
//!                      ◀───────────    "die" (or "it is enough")
//!  posts large writes  ───────────▶
//!  dies                ◀───────────    writes on, until a completion is an error
//!                                      gives its queues back
//! ```

use unimux_driver::{Access, SendWr};
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_guest_rt::{Guest, words};
use unimux_programs::connection::register;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::{Buffer, Connection, Session};

use crate::Checks;

/// What the peer saw of one life.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// What it wrote into the other's memory was there when it read it back.
    pub arrived: bool,
}

const DIE: u64 = 1;
const ENOUGH: u64 = 2;

/// Bytes of the mortal's buffer, and of the writes in which it dies.
const BUFFER_BYTES: usize = 1 << 20;
/// Writes that it leaves in flight.
const IN_FLIGHT: usize = 8;
/// Writes that the peer tries before it says that nothing breaks.
const TRIES: usize = 1_000_000;

/// The one who dies: lives once, up to `die` or to the peer's word that it is enough. Returns the
/// exit code.
pub fn of_the_mortal(guest: &mut Guest, die: impl FnOnce()) -> i32 {
    match live(guest, die) {
        Ok(()) => 0,
        Err(failure) => {
            unimux_guest_rt::println!("FAILED: {failure}");
            1
        }
    }
}

/// As [`of_the_mortal`], who dies by a store past the end of its memory.
#[expect(unsafe_code, reason = "writes where it must not")]
fn of_one_that_faults(guest: &mut Guest) -> i32 {
    let end = guest.ram().end;
    // SAFETY: past the end of RAM there is nothing of this program.
    of_the_mortal(guest, || unsafe { words::store(end + 0x10_0000, 1) })
}

/// Role a dies by a fault as often as the other wants, who checks that every life was as good as the
/// first. Returns the exit code.
pub fn by_faults(mut guest: Guest, deaths: u64) -> i32 {
    if guest.argument("role") == Some("a") {
        return of_one_that_faults(&mut guest);
    }
    let mut checks = Checks::new();
    seen_as_good(&mut guest, deaths, &mut checks);
    checks.code()
}

fn live(guest: &mut Guest, die: impl FnOnce()) -> Result<(), Failure> {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let mut session = Session::open(&function, &mut guest.memory)?;
    let buffer = Buffer::take(&mut guest.memory, BUFFER_BYTES)?;
    let region = register(&mut session, buffer)?;
    let mut connection = Connection::open(&mut session, &mut guest.memory, peer, &region)?;
    if session.wait(peer, Subject::Task)?.number() == ENOUGH {
        return Ok(());
    }
    let bulk = SendWr::write(region.segment(0, BUFFER_BYTES as u32), connection.remote);
    for _ in 0..IN_FLIGHT {
        connection.qp.post_send(&bulk)?;
    }
    die();
    Err(Failure::Broken("it did not die"))
}

/// The one who stays: goes through `deaths` lives of the mortal and tells `each` what it saw and
/// whether its requests ended in an error afterwards.
///
/// # Errors
/// Whatever in a new life is not as in the first.
pub fn seen_by_the_peer(
    guest: &mut Guest,
    deaths: u64,
    mut each: impl FnMut(Life, bool),
) -> Result<(), Failure> {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let mut session = Session::open(&function, &mut guest.memory)?;
    // The mortal's writes land in the first part, what is read back in the second.
    let buffer = Buffer::take(&mut guest.memory, BUFFER_BYTES)?;
    let region = register(&mut session, buffer)?;
    let own = Buffer::take(&mut guest.memory, PAGE_BYTES)?;
    let (ipa, len_bytes) = (own.address(), own.len_bytes());
    let own_region =
        session
            .device
            .register_range(session.pd, ipa, len_bytes, ipa, Access::LOCAL_WRITE)?;
    for life in 0..=deaths {
        let mut connection = Connection::open(&mut session, &mut guest.memory, peer, &region)?;
        own.store(0, 0);
        let write = SendWr::write_u64(life + 1, connection.remote).signaled();
        connection.carry_out(&write)?;
        let read = SendWr::read(own_region.segment(0, 8), connection.remote);
        connection.carry_out(&read.signaled())?;
        let arrived = own.load(0) == life + 1;
        if life == deaths {
            session.send(peer, Letter::task(ENOUGH, 0))?;
            return ensure(arrived, "a write arrives in the last life");
        }
        session.send(peer, Letter::task(DIE, 0))?;
        let broken = writes_break(&mut connection, &write)?;
        each(Life { arrived }, broken);
        connection.close(&mut session)?;
    }
    Ok(())
}

/// As [`seen_by_the_peer`], and checks that every life was as good as the first.
fn seen_as_good(guest: &mut Guest, deaths: u64, checks: &mut Checks) {
    let result = seen_by_the_peer(guest, deaths, |life, broken| {
        checks.equal("a write arrives in this life", life.arrived, true);
        checks.holds("then the peer is gone", broken);
    });
    checks.equal("every life was as good as the first", result, Ok(()));
}

/// Writes until a completion is an error.
fn writes_break(connection: &mut Connection, write: &SendWr) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        connection.qp.post_send(write)?;
        if !connection.wait()?.is_success() {
            return Ok(true);
        }
    }
    Ok(false)
}
