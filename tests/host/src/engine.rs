//! An engine that tells later what it moved: as it comes, when a test says so, or in any order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use unimux_engine::cpu::copy_now;
use unimux_engine::{COPIES_MAX, Copy, Engine, EngineError, Full, Token, Way};

/// Jobs that it takes before they are reaped.
const DEPTH: usize = 8;
/// Bytes of a job, if a test does not say otherwise: what the engine core moves at a time itself.
const BLOCK_BYTES: u32 = 16 * 1024;

/// A job as it was told. It allocates nothing, because there are tests that count.
type Job = (Token, heapless::Vec<Copy, COPIES_MAX>);

/// What the test and the engine share.
#[derive(Debug)]
struct Switches {
    fail_next: Cell<u32>,
    error: Cell<EngineError>,
    holding: Cell<bool>,
    held: RefCell<VecDeque<Job>>,
    block_bytes: Cell<u32>,
    crossover_bytes: Cell<u32>,
    /// What the order of jobs is drawn from, if it is.
    random: Cell<Option<u64>>,
    started: Cell<usize>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            fail_next: Cell::default(),
            error: Cell::new(EngineError::Write),
            holding: Cell::default(),
            held: RefCell::default(),
            block_bytes: Cell::new(BLOCK_BYTES),
            crossover_bytes: Cell::new(0),
            random: Cell::default(),
            started: Cell::default(),
        }
    }
}

/// Jobs that can be reaped, and how they ended.
type Ended = VecDeque<(Token, Result<(), EngineError>)>;

/// This core, as an engine beside it would look like, with switches; clones are the same engine.
#[derive(Clone, Debug, Default)]
pub struct FailingEngine {
    switches: Rc<Switches>,
    ended: Rc<RefCell<Ended>>,
}

impl FailingEngine {
    /// Lets the next `jobs` jobs fail.
    pub fn fail_next(&self, jobs: u32) {
        self.switches.fail_next.set(jobs);
    }

    /// What they fail by from now on.
    pub fn fail_by(&self, error: EngineError) {
        self.switches.error.set(error);
    }

    /// Starts or stops holding jobs back: they are carried out when holding ends.
    ///
    /// # Panics
    ///
    /// If more jobs were held than the engine takes.
    pub fn hold(&self, holding: bool) {
        self.switches.holding.set(holding);
        // So that a test which counts allocations counts none of these.
        self.switches.held.borrow_mut().reserve(DEPTH);
        if !holding {
            self.release(usize::MAX);
        }
    }

    /// Carries out the oldest `jobs` of those that are held back; the others stay.
    ///
    /// # Panics
    ///
    /// If more jobs are asked for than the engine takes.
    pub fn release(&self, jobs: usize) {
        for _ in 0..jobs.min(self.held()) {
            self.release_one(0);
        }
    }

    /// Carries out one of the jobs that are held back, by its age.
    ///
    /// # Panics
    ///
    /// If there is none of that age.
    pub fn release_one(&self, index: usize) {
        let job = self.switches.held.borrow_mut().remove(index);
        let (token, copies) = job.expect("a job of that age");
        self.carry_out(token, &copies);
    }

    /// How many jobs are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.switches.held.borrow().len()
    }

    /// How many jobs were started.
    #[must_use]
    pub fn started(&self) -> usize {
        self.switches.started.get()
    }

    /// From now on jobs are of so many bytes.
    pub fn set_block_bytes(&self, block_bytes: u32) {
        self.switches.block_bytes.set(block_bytes);
    }

    /// From now on shorter requests than that are moved by the core.
    pub fn set_crossover(&self, crossover_bytes: u32) {
        self.switches.crossover_bytes.set(crossover_bytes);
    }

    /// From now on jobs end some time and in any order, drawn from `seed`.
    pub fn shuffle(&self, seed: u64) {
        self.switches.random.set(Some(seed | 1));
    }

    /// Says of a job that it has ended, without carrying it out.
    pub fn end(&self, token: Token, result: Result<(), EngineError>) {
        self.ended.borrow_mut().push_back((token, result));
    }

    fn carry_out(&self, token: Token, copies: &[Copy]) {
        let left = self.switches.fail_next.get();
        let result = match left {
            0 => {
                copies.iter().copied().for_each(copy_now);
                Ok(())
            }
            _ => {
                self.switches.fail_next.set(left - 1);
                Err(self.switches.error.get())
            }
        };
        self.end(token, result);
    }

    /// A number below `below`, if the order is drawn.
    fn draw(&self, below: usize) -> Option<usize> {
        let mut state = self.switches.random.get()?;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.switches.random.set(Some(state));
        Some((state >> 33) as usize % below)
    }
}

impl Engine for FailingEngine {
    const HAS_JOBS: bool = true;

    fn depth(&self) -> usize {
        DEPTH
    }

    fn way(&self, request_bytes: u32) -> Way {
        if request_bytes < self.switches.crossover_bytes.get() {
            Way::Now
        } else if self.ended.borrow().len() + self.held() == DEPTH {
            Way::Full
        } else {
            Way::Job {
                block_bytes: self.switches.block_bytes.get(),
            }
        }
    }

    fn start(&mut self, token: Token, copies: &[Copy]) -> Result<(), Full> {
        if self.way(u32::MAX) == Way::Full {
            return Err(Full);
        }
        let total: u64 = copies.iter().map(|copy| copy.len_bytes()).sum();
        assert!(total > 0 && total <= u64::from(self.switches.block_bytes.get()));
        self.switches.started.set(self.started() + 1);
        if self.switches.holding.get() || self.switches.random.get().is_some() {
            let copies = heapless::Vec::from_slice(copies).expect("no more than a job can have");
            self.switches.held.borrow_mut().push_back((token, copies));
        } else {
            self.carry_out(token, copies);
        }
        Ok(())
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        let held = self.held();
        if held > 0 && self.draw(4) == Some(0) {
            let index = self.draw(held).unwrap_or(0);
            self.release_one(index);
        }
        self.ended.borrow_mut().pop_front()
    }
}
