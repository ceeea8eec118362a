//! Step 6: ranges become spans, and blocks go to the engine.
//!
//! A turn hands over one block, or some if nobody else has work. Where a range's bytes are was found
//! when it was admitted; it is looked up anew when a piece of memory ends, and whenever anything at
//! all was revoked since: a region, or a function. Three kinds of data never reach an engine: what
//! stands in the entry itself, the word of an atomic, and nothing.

use core::sync::atomic::Ordering;

use unimux_abi::completion::{Detail, Status};
use unimux_abi::limits::BLOCK_BYTES;
use unimux_abi::work::{MAX_INLINE_BYTES, Opcode};
use unimux_engine::{COPIES_MAX, Copy, Engine, Full, Way};
use unimux_memory::Span;

use crate::flight::Flights;
use crate::object::{Function, Pieces, Range, Request, Source};
use crate::turn::Step;
use crate::{Firmware, Platform};

/// Blocks of one request that are moved in one turn, when nobody else has work.
const BLOCKS_ALONE: u32 = 32;
/// How often an atomic is tried while others write the same word. A guest can make the exclusive
/// store of this core fail by writing next to it all the time; it must not keep the core.
const ATOMIC_TRIES: u32 = 1000;

/// Which end of a copy has no memory behind it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    Source,
    Destination,
}

impl<E: Engine> Firmware<E> {
    /// Moves the next block of a queue pair's request, and completes the request if that was all.
    /// `overhead_bytes` is charged beside what is moved.
    pub(crate) fn transfer(
        &mut self,
        index: usize,
        qp: u16,
        overhead_bytes: u64,
        platform: &mut impl Platform,
    ) -> Step {
        let request = &mut self.requests[index][usize::from(qp)];
        if request.revocations != self.revocations {
            request.forget_places(self.revocations);
        }
        let before = request.submitted_bytes;
        if !request.is_all_submitted() {
            let moved = match request.source {
                Source::Memory => self.move_blocks(index, qp),
                Source::Words => write_words(&self.functions, request),
                Source::Atomic => carry_out_atomic(&self.functions, request),
            };
            if let Err(failure) = moved {
                self.requests[index][usize::from(qp)].failure = Some(failure);
            }
        }
        let request = &self.requests[index][usize::from(qp)];
        let moved = request.submitted_bytes - before;
        self.schedule
            .charge(index, overhead_bytes + u64::from(moved));
        if request.is_over() {
            self.complete(index, qp, platform);
            return Step::Done;
        }
        match moved {
            0 if request.is_all_submitted() => Step::Nothing,
            0 => Step::EngineFull,
            _ => Step::Moved,
        }
    }

    /// Hands a block to the engine; some, as long as nobody else has work: a round for each would
    /// cost a tenth of the time that the block takes. Somebody who rings meanwhile waits for one
    /// block, as ever. Each block counts as a round.
    fn move_blocks(&mut self, index: usize, qp: u16) -> Result<(), (Status, Detail)> {
        let functions = &*self.functions;
        let request = &mut self.requests[index][usize::from(qp)];
        let is_alone = self.schedule.is_alone(index)
            && self.limited & 1 << index == 0
            && functions[index].attention.is_hot_alone(qp);
        for _ in 0..BLOCKS_ALONE {
            let has_room = move_block(&mut self.engine, &mut self.flights, functions, request)?;
            // All are known: one branch is less than four.
            let goes_on =
                is_alone & has_room & !request.is_all_submitted() & !self.control.is_due();
            if !goes_on {
                break;
            }
            self.watch.next_round();
            if self.watch.hears_another(functions, 1 << index) {
                break;
            }
        }
        Ok(())
    }
}

/// Hands up to a block of memory to the engine, the way it takes it. Whether it took any.
#[inline]
fn move_block<E: Engine>(
    engine: &mut E,
    flights: &mut Flights,
    functions: &[Function],
    request: &mut Request,
) -> Result<bool, (Status, Detail)> {
    match engine.way(request.total_bytes) {
        Way::Now => {
            move_now(engine, functions, request)?;
            Ok(true)
        }
        Way::Job { block_bytes } => start_job(engine, flights, functions, request, block_bytes),
        Way::Full => Ok(false),
    }
}

/// Has this core move a block.
#[inline]
fn move_now<E: Engine>(
    engine: &mut E,
    functions: &[Function],
    request: &mut Request,
) -> Result<(), (Status, Detail)> {
    let mut left = BLOCK_BYTES.min(u64::from(request.total_bytes - request.submitted_bytes));
    while left > 0 {
        let copy = next_copy(functions, request, left)?;
        engine.move_now(copy);
        let len_bytes = copy.len_bytes();
        request.submitted_bytes += len_bytes as u32;
        left -= len_bytes;
    }
    Ok(())
}

/// Starts a job of a block, or of as many copies as one can have. Whether there was room for it.
/// A block is in one piece or in pages; either way it ends as one.
fn start_job<E: Engine>(
    engine: &mut E,
    flights: &mut Flights,
    functions: &[Function],
    request: &mut Request,
    block_bytes: u32,
) -> Result<bool, (Status, Detail)> {
    let Some(token) = flights.token() else {
        return Ok(false);
    };
    let mut copies = heapless::Vec::<Copy, COPIES_MAX>::new();
    let block_bytes = block_bytes.min(request.total_bytes - request.submitted_bytes);
    let mut left = u64::from(block_bytes);
    while left > 0 && !copies.is_full() {
        let copy = next_copy(functions, request, left)?;
        left -= copy.len_bytes();
        // There was room, so this does nothing but to add it.
        let _ = copies.push(copy);
    }
    // An engine that said it has room, and has none, would lose what was passed.
    let started = engine.start(token, &copies);
    started.map_err(|Full| (Status::Fatal, Detail::Engine))?;
    flights.start(token, request.flight);
    request.in_flight += 1;
    request.submitted_bytes += block_bytes - left as u32;
    Ok(true)
}

/// The next piece of a request that is in one piece on both sides, at most `len_bytes` long. It is
/// passed.
#[inline]
fn next_copy(
    functions: &[Function],
    request: &mut Request,
    len_bytes: u64,
) -> Result<Copy, (Status, Detail)> {
    let gone = |gone| failure(request.opcode, gone);
    let from = next_range(functions, &mut request.from).ok_or(gone(Gone::Source))?;
    let to = next_range(functions, &mut request.destination).ok_or(gone(Gone::Destination))?;
    let len_bytes = from
        .here
        .len_bytes()
        .min(to.here.len_bytes())
        .min(len_bytes);
    let copy = Copy::new(
        from.here.split_at(len_bytes).0,
        to.here.split_at(len_bytes).0,
    );
    let copy = copy.expect("both spans are at least this long");
    let over = [from, to].map(|range| range.advance(len_bytes as u32));
    request.from.pass(over[0]);
    request.destination.pass(over[1]);
    Ok(copy)
}

/// Changes the peer's word and writes its old value to the request's destination.
///
/// The word is changed by an atomic of this core, so it is atomic with the guests' own atomics as
/// well (IBTA 9.4.5 promises less).
fn carry_out_atomic(functions: &[Function], request: &mut Request) -> Result<(), (Status, Detail)> {
    let [_, _, operand, compare] = request.words;
    let gone = (Status::RemoteAccess, Detail::Key);
    let word = next_span(functions, &mut request.from).and_then(|span| span.word(0));
    let word = word.ok_or(gone)?;
    let mut old = word.load(Ordering::Acquire);
    let mut tries = 0;
    loop {
        let new = match request.opcode {
            Opcode::CompareSwap if old != compare => break,
            Opcode::CompareSwap => operand,
            _ => old.wrapping_add(operand),
        };
        match word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => break,
            Err(seen) => old = seen,
        }
        tries += 1;
        if tries == ATOMIC_TRIES {
            return Err((Status::RemoteOperation, Detail::Contended));
        }
    }
    request.words[0] = old;
    write_words(functions, request)
}

/// The memory behind the beginning of a range: as much as is in one piece. `None` if the region
/// or its function is gone.
#[inline]
fn place(functions: &[Function], range: &mut Range) -> Option<Span> {
    if range.here.is_empty() {
        range.here = look_up(functions, range)?;
    }
    Some(range.here)
}

/// Looks up where a range begins, by its region.
fn look_up(functions: &[Function], range: &Range) -> Option<Span> {
    let function = &functions[usize::from(range.function)];
    if !function.is_attached() {
        return None;
    }
    let region = function.regions.by_serial(range.key, range.serial)?;
    let len_bytes = u64::from(range.len_bytes);
    region.piece(range.offset, len_bytes, &function.pages, &function.windows)
}

/// The next range of `pieces`, with the memory behind its beginning looked up.
#[inline]
fn next_range<'p>(functions: &[Function], pieces: &'p mut Pieces) -> Option<&'p mut Range> {
    let range = pieces.next()?;
    place(functions, range)?;
    Some(range)
}

/// Where the next bytes of `pieces` are, as many as are in one piece.
#[inline]
fn next_span(functions: &[Function], pieces: &mut Pieces) -> Option<Span> {
    place(functions, pieces.next()?)
}

/// Writes the request's words, cut to its length, to its destination.
#[inline]
fn write_words(functions: &[Function], request: &mut Request) -> Result<(), (Status, Detail)> {
    if request.total_bytes == 8
        && let Some(to) = next_span(functions, &mut request.destination)
        && let Some(to) = to.word(0)
    {
        // One word to where a word can be is what flags, counters and atomics are.
        to.store(request.words[0], Ordering::Relaxed);
        request.submitted_bytes = 8;
        return Ok(());
    }
    write_bytes(functions, request)
}

/// As [`write_words`], of any length to anywhere.
fn write_bytes(functions: &[Function], request: &mut Request) -> Result<(), (Status, Detail)> {
    let gone = failure(request.opcode, Gone::Destination);
    let mut data = [0; MAX_INLINE_BYTES as usize];
    for (bytes, word) in data.chunks_exact_mut(8).zip(request.words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut data = data.get(..request.total_bytes as usize).ok_or(gone)?;
    while !data.is_empty() {
        let span = next_span(functions, &mut request.destination).ok_or(gone)?;
        let now_bytes = data.len().min(span.len_bytes() as usize);
        let (now, later) = data.split_at(now_bytes);
        span.write_bytes(now).ok_or(gone)?;
        request.destination.advance(now.len() as u32);
        data = later;
    }
    request.submitted_bytes = request.total_bytes;
    Ok(())
}

/// How a request ends when one end of it has no memory any more.
fn failure(opcode: Opcode, gone: Gone) -> (Status, Detail) {
    match (opcode, gone) {
        (Opcode::Read, Gone::Source) => (Status::RemoteAccess, Detail::Key),
        (Opcode::Write | Opcode::WriteImm, Gone::Destination) => {
            (Status::RemoteAccess, Detail::Key)
        }
        (Opcode::Send | Opcode::SendImm, Gone::Destination) => {
            (Status::RemoteOperation, Detail::ReceiveProtection)
        }
        _ => (Status::LocalProtection, Detail::Key),
    }
}
