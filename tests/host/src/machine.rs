//! The machine that the firmware believes to run on: a clock, and interrupts that are counted.

use unimux_firmware::{FunctionId, Host, Platform};

use crate::host::HostMemory;

/// Time that a test moves, and interrupts by function.
#[derive(Debug, Default)]
pub struct Machine {
    /// Now, in nanoseconds.
    pub now_ns: u64,
    cycles: std::cell::Cell<u64>,
    interrupts: Vec<u64>,
    /// The memory of a host of virtual machines, if there is one.
    pub host: Option<HostMemory>,
}

impl Machine {
    /// Interrupts that `function`'s guest got.
    #[must_use]
    pub fn interrupts(&self, function: FunctionId) -> u64 {
        self.interrupts
            .get(usize::from(function.get()))
            .copied()
            .unwrap_or(0)
    }
}

impl Platform for Machine {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn cycles(&self) -> u64 {
        // Every look at the counter takes as long: rounds cost the same whatever the host does.
        self.cycles.set(self.cycles.get() + 100);
        self.cycles.get()
    }

    fn interrupt(&mut self, function: FunctionId) {
        let index = usize::from(function.get());
        if self.interrupts.len() <= index {
            self.interrupts.resize(index + 1, 0);
        }
        self.interrupts[index] += 1;
    }

    fn host(&mut self) -> Option<&mut dyn Host> {
        self.host.as_mut().map(|host| host as &mut dyn Host)
    }
}
