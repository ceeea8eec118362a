//! An engine that fails when a test says so, and can hold copies back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use unimux_engine::cpu::CpuEngine;
use unimux_engine::{Copy, Engine, EngineError, Full, Token};

/// What the test and the engine share.
#[derive(Debug, Default)]
struct Switches {
    fail_next: Cell<u32>,
    holding: Cell<bool>,
    held: RefCell<VecDeque<(Token, Copy)>>,
}

/// The cpu engine, with switches; clones are the same engine.
#[derive(Clone, Debug, Default)]
pub struct FailingEngine {
    cpu: Rc<RefCell<CpuEngine>>,
    switches: Rc<Switches>,
    failed: Rc<RefCell<VecDeque<Token>>>,
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
        self.switches.held.borrow_mut().reserve(self.depth());
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
            let mut cpu = self.cpu.borrow_mut();
            cpu.submit(token, copy).expect("no deeper than the engine");
        }
    }

    /// How many copies are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.switches.held.borrow().len()
    }
}

impl Engine for FailingEngine {
    fn depth(&self) -> usize {
        self.cpu.borrow().depth()
    }

    fn submit(&mut self, token: Token, copy: Copy) -> Result<(), Full> {
        let left = self.switches.fail_next.get();
        if left > 0 {
            self.switches.fail_next.set(left - 1);
            self.failed.borrow_mut().push_back(token);
            return Ok(());
        }
        if self.switches.holding.get() {
            self.switches.held.borrow_mut().push_back((token, copy));
            return Ok(());
        }
        self.cpu.borrow_mut().submit(token, copy)
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        if let Some(token) = self.failed.borrow_mut().pop_front() {
            return Some((token, Err(EngineError::Write)));
        }
        self.cpu.borrow_mut().reap()
    }
}
