//! An engine that moves now and tells later, fails when a test says so, and can hold copies back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use unimux_engine::cpu::copy_now;
use unimux_engine::{Copy, Engine, EngineError, Full, Submitted, Token};

/// Copies that it takes before they are reaped.
const DEPTH: usize = 8;

/// What the test and the engine share.
#[derive(Debug, Default)]
struct Switches {
    fail_next: Cell<u32>,
    holding: Cell<bool>,
    held: RefCell<VecDeque<(Token, Copy)>>,
}

/// Copies that can be reaped, and how they ended.
type Ended = VecDeque<(Token, Result<(), EngineError>)>;

/// This core, as an engine beside it would look like, with switches; clones are the same engine.
#[derive(Clone, Debug, Default)]
pub struct FailingEngine {
    switches: Rc<Switches>,
    ended: Rc<RefCell<Ended>>,
}

impl FailingEngine {
    /// Lets the next `copies` copies fail.
    pub fn fail_next(&self, copies: u32) {
        self.switches.fail_next.set(copies);
    }

    /// Starts or stops holding copies back: they are carried out when holding ends.
    ///
    /// # Panics
    ///
    /// If more copies were held than the engine takes.
    pub fn hold(&self, holding: bool) {
        self.switches.holding.set(holding);
        // So that a test which counts allocations counts none of these.
        self.switches.held.borrow_mut().reserve(DEPTH);
        if !holding {
            self.release(usize::MAX);
        }
    }

    /// Carries out the oldest `copies` of those that are held back; the others stay.
    ///
    /// # Panics
    ///
    /// If more copies are asked for than the engine takes.
    pub fn release(&self, copies: usize) {
        let mut held = self.switches.held.borrow_mut();
        let count = copies.min(held.len());
        for (token, copy) in held.drain(..count) {
            self.carry_out(token, copy);
        }
    }

    /// How many copies are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.switches.held.borrow().len()
    }

    fn carry_out(&self, token: Token, copy: Copy) {
        copy_now(copy);
        self.ended.borrow_mut().push_back((token, Ok(())));
    }
}

impl Engine for FailingEngine {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, token: Token, copy: Copy) -> Result<Submitted, Full> {
        let left = self.switches.fail_next.get();
        if self.ended.borrow().len() + self.held() == DEPTH {
            return Err(Full);
        }
        if left > 0 {
            self.switches.fail_next.set(left - 1);
            let failed = (token, Err(EngineError::Write));
            self.ended.borrow_mut().push_back(failed);
        } else if self.switches.holding.get() {
            self.switches.held.borrow_mut().push_back((token, copy));
        } else {
            self.carry_out(token, copy);
        }
        Ok(Submitted::InFlight)
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        self.ended.borrow_mut().pop_front()
    }
}
