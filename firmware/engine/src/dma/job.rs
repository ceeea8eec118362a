//! A job: what of its bytes the device moves, in lists as long as it takes them.
//!
//! The core moves what the device cannot: bytes whose source and destination are shifted against
//! each other, where the device does not shift; and, where the device does not see the caches, the
//! ends of a destination that share a cache line with memory that is not part of it. A line that a
//! device and a core write at the same time loses what one of them wrote.

use heapless::Vec;

use super::{Limits, Machine, Piece};
use crate::{COPIES_MAX, Copy, EngineError, Span, Token, cpu};

/// A part of a copy that the device moves.
#[derive(Clone, Copy, Debug)]
struct Run {
    source: u64,
    destination: u64,
    len_bytes: u64,
}

/// What a channel has to do. Every channel has the place for one, in which it stays.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) token: Token,
    runs: Vec<Run, COPIES_MAX>,
    /// The run that is next, and how much of it was handed out.
    next: usize,
    passed_bytes: u64,
    pub(super) total_bytes: u64,
}

impl Job {
    /// A place without a job.
    pub(super) const fn none() -> Self {
        Self {
            token: Token(0),
            runs: Vec::new(),
            next: 0,
            passed_bytes: 0,
            total_bytes: 0,
        }
    }

    /// Takes `copies` over. What the device cannot move is moved now. With `lines`, caches are
    /// maintained, and that is the length of a line.
    pub(super) fn begin(
        &mut self,
        token: Token,
        copies: &[Copy],
        limits: Limits,
        lines: Option<u64>,
    ) -> Result<(), EngineError> {
        self.token = token;
        self.runs.clear();
        (self.next, self.passed_bytes, self.total_bytes) = (0, 0, 0);
        for &copy in copies {
            let end = |span: Span| span.pa().get() + span.len_bytes();
            if end(copy.source()).max(end(copy.destination())) > limits.reach {
                return Err(EngineError::OutOfReach);
            }
            self.add(copy, limits, lines)?;
        }
        Ok(())
    }

    fn add(&mut self, copy: Copy, limits: Limits, lines: Option<u64>) -> Result<(), EngineError> {
        let shift = copy.source().pa().get() ^ copy.destination().pa().get();
        let mut middle = copy;
        if shift & (limits.lane_bytes - 1) != 0 {
            cpu::copy_now(copy);
            return Ok(());
        }
        if let Some(line_bytes) = lines {
            let to = copy.destination().pa().get();
            let head_bytes = to.next_multiple_of(line_bytes) - to;
            let (head, rest) = copy.split_at(head_bytes);
            let (whole, tail) = rest.split_at(rest.len_bytes() & !(line_bytes - 1));
            for end in [head, tail] {
                if end.len_bytes() > 0 {
                    cpu::copy_now(end);
                }
            }
            middle = whole;
        }
        if middle.len_bytes() > 0 {
            self.total_bytes += middle.len_bytes();
            let run = Run {
                source: middle.source().pa().get(),
                destination: middle.destination().pa().get(),
                len_bytes: middle.len_bytes(),
            };
            self.runs.push(run).map_err(|_| EngineError::Internal)?;
        }
        Ok(())
    }

    /// Whether the device has nothing left to begin with.
    pub(super) fn is_all_handed_out(&self) -> bool {
        self.next == self.runs.len()
    }

    /// The next list for a channel with these limits.
    pub(super) fn next_list(&mut self, limits: Limits) -> Vec<Piece, COPIES_MAX> {
        let mut list = Vec::new();
        while let Some(run) = self.runs.get(self.next)
            && list.len() < limits.pieces.min(COPIES_MAX)
        {
            let left = run.len_bytes - self.passed_bytes;
            let len_bytes = left.min(u64::from(limits.piece_bytes));
            let piece = Piece {
                source: run.source + self.passed_bytes,
                destination: run.destination + self.passed_bytes,
                len_bytes: len_bytes as u32,
            };
            let pushed = list.push(piece);
            debug_assert!(pushed.is_ok(), "no longer than asked for");
            self.passed_bytes += len_bytes;
            if len_bytes == left {
                (self.next, self.passed_bytes) = (self.next + 1, 0);
            }
        }
        list
    }

    /// Before a device that does not see the caches: sources are in memory, and no line of a
    /// destination can be written back over what the device writes.
    pub(super) fn hand_over(&self, machine: &impl Machine) {
        for run in &self.runs {
            machine.clean(run.source..run.source + run.len_bytes);
            machine.clean_and_invalidate(run.destination..run.destination + run.len_bytes);
        }
    }

    /// After it: lines of a destination that a core has fetched meanwhile are forgotten.
    pub(super) fn take_back(&self, machine: &impl Machine) {
        for run in &self.runs {
            machine.invalidate(run.destination..run.destination + run.len_bytes);
        }
        machine.to_engine();
    }
}
