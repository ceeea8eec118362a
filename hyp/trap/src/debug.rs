//! A vCPU's debug registers: what its own kernel debugs with, and no external debugger.
//!
//! All of them trap (`MDCR_EL2.{TDA, TDOSA, TDRA}`), which costs little, as they are written when a
//! debugger sets something up and not while it waits. What a vCPU has written is here, and only here:
//! the core gets a copy, so nothing has to be saved when another vCPU comes, and what a debugger at
//! the core's JTAG port does and what a guest does stay apart.
//!
//! Whole: breakpoints, watchpoints, single steps, the OS lock. Not there, as their registers say: the
//! double lock, a ROM table. The debug communications channel and the claim tags are for an external
//! debugger and read as if none ever came.
//!
//! Source: DDI 0487, D2 (self-hosted debug), D24.3 (debug registers).

use crate::access::Direction;
use crate::sysreg::{SystemRegister, SystemRegisterAccess};

/// Most breakpoints, and most watchpoints, that a core can have (ID_AA64DFR0_EL1).
pub const COMPARATORS_MAX: usize = 16;

/// Bits of MDSCR_EL1 (D24.3): single step; EL0's access to the communications channel; debug
/// exceptions of EL1 itself; breakpoints and watchpoints. The others are of an external debugger.
const SINGLE_STEP: u64 = 1 << 0;
const CHANNEL_TRAPS: u64 = 1 << 12;
const KERNEL: u64 = 1 << 13;
const COMPARATORS: u64 = 1 << 15;

/// OSLSR_EL1: OSLM 0b10, the OS lock is there; OSLK.
const LOCK_IS_THERE: u64 = 1 << 3;
const LOCKED: u64 = 1 << 1;

/// A breakpoint or watchpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Comparator {
    /// DBGBVR or DBGWVR: with what is compared.
    pub value: u64,
    /// DBGBCR or DBGWCR: when and how.
    pub control: u64,
}

/// The debug registers of one vCPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugRegisters {
    control: u64,
    is_locked: bool,
    comparators: [[Comparator; COMPARATORS_MAX]; 2],
}

impl Default for DebugRegisters {
    /// As after reset: locked, and nothing set.
    fn default() -> Self {
        Self {
            control: 0,
            is_locked: true,
            comparators: Default::default(),
        }
    }
}

impl DebugRegisters {
    /// What MDSCR_EL1 of the core is to be: under the OS lock there are no steps, breakpoints and
    /// watchpoints (D2.5).
    #[must_use]
    pub const fn effective_control(&self) -> u64 {
        if self.is_locked {
            self.control & !(SINGLE_STEP | COMPARATORS)
        } else {
            self.control
        }
    }

    /// The breakpoints and the watchpoints, if they have any effect now.
    #[must_use]
    pub const fn effective_comparators(&self) -> Option<&[[Comparator; COMPARATORS_MAX]; 2]> {
        if self.effective_control() & COMPARATORS == 0 {
            return None;
        }
        Some(&self.comparators)
    }

    /// Carries out `access`, with `stored` if it is a write, on a core with `counts` breakpoints and
    /// watchpoints. Gives what a read reads; `None` if there is no such register, or not that way.
    pub fn access(
        &mut self,
        access: &SystemRegisterAccess,
        stored: u64,
        counts: [usize; 2],
    ) -> Option<u64> {
        let SystemRegister {
            op0: 2,
            op1,
            crn,
            crm,
            op2,
        } = access.register
        else {
            return None;
        };
        let is_write = matches!(access.direction, Direction::Write);
        let register = match (op1, crn, crm, op2) {
            // MDSCR_EL1.
            (0, 0, 2, 2) => {
                if is_write {
                    self.control = stored & (SINGLE_STEP | CHANNEL_TRAPS | KERNEL | COMPARATORS);
                }
                return Some(self.control);
            }
            // DBGBVR, DBGBCR, DBGWVR, DBGWCR of number CRm.
            (0, 0, number, 4..=7) => {
                let (kind, number) = (usize::from(op2 >> 1 & 1), usize::from(number));
                if number >= counts[kind] {
                    return None;
                }
                let comparator = self.comparators[kind].get_mut(number)?;
                if op2 & 1 == 0 {
                    &mut comparator.value
                } else {
                    &mut comparator.control
                }
            }
            // OSLAR_EL1: bit 0 locks. OSLSR_EL1.
            (0, 1, 0, 4) if is_write => {
                self.is_locked = stored & 1 != 0;
                return Some(0);
            }
            (0, 1, 1, 4) if !is_write => {
                return Some(LOCK_IS_THERE | if self.is_locked { LOCKED } else { 0 });
            }
            // MDRAR_EL1 (no ROM table), DBGAUTHSTATUS_EL1, MDCCSR_EL0: read-only, zero.
            (0, 1, 0, 0) | (0, 7, 14, 6) | (3, 0, 1, 0) => return (!is_write).then_some(0),
            // OSDTRRX_EL1, MDCCINT_EL1, OSDTRTX_EL1, OSECCR_EL1; OSDLR_EL1, DBGPRCR_EL1;
            // DBGCLAIMSET_EL1, DBGCLAIMCLR_EL1; DBGDTR_EL0, DBGDTRRX_EL0 and DBGDTRTX_EL0: zero, and
            // writes are lost.
            (0, 0, 0 | 3 | 6, 2)
            | (0, 0, 2, 0)
            | (0, 1, 3 | 4, 4)
            | (0, 7, 8 | 9, 6)
            | (3, 0, 4 | 5, 0) => return Some(0),
            _ => return None,
        };
        if is_write {
            *register = stored;
        }
        Some(*register)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MDSCR_EL1: SystemRegister = SystemRegister::new(2, 0, 0, 2, 2);
    const OSLAR_EL1: SystemRegister = SystemRegister::new(2, 0, 1, 0, 4);
    const OSLSR_EL1: SystemRegister = SystemRegister::new(2, 0, 1, 1, 4);
    const DBGBVR1_EL1: SystemRegister = SystemRegister::new(2, 0, 0, 1, 4);
    const DBGWCR3_EL1: SystemRegister = SystemRegister::new(2, 0, 0, 3, 7);
    /// A Cortex-A53's.
    const COUNTS: [usize; 2] = [6, 4];

    fn access(register: SystemRegister, direction: Direction) -> SystemRegisterAccess {
        SystemRegisterAccess {
            register,
            direction,
            rt: 0,
        }
    }

    fn read(debug: &mut DebugRegisters, register: SystemRegister) -> Option<u64> {
        debug.access(&access(register, Direction::Read), 0, COUNTS)
    }

    fn write(debug: &mut DebugRegisters, register: SystemRegister, value: u64) -> Option<u64> {
        debug.access(&access(register, Direction::Write), value, COUNTS)
    }

    #[test]
    fn nothing_stops_before_the_os_lock_is_open() {
        let mut debug = DebugRegisters::default();
        assert_eq!(read(&mut debug, OSLSR_EL1), Some(0b1010));
        write(&mut debug, DBGBVR1_EL1, 0x1000);
        write(&mut debug, DBGWCR3_EL1, 0x1f);
        write(&mut debug, MDSCR_EL1, COMPARATORS | KERNEL | SINGLE_STEP);
        assert_eq!(debug.effective_control(), KERNEL);
        assert_eq!(debug.effective_comparators(), None);
        write(&mut debug, OSLAR_EL1, 0);
        assert_eq!(read(&mut debug, OSLSR_EL1), Some(0b1000));
        assert_eq!(
            debug.effective_control(),
            COMPARATORS | KERNEL | SINGLE_STEP
        );
        let [breakpoints, watchpoints] = debug.effective_comparators().expect("they are on");
        assert_eq!(breakpoints[1].value, 0x1000);
        assert_eq!(watchpoints[3].control, 0x1f);
        write(&mut debug, OSLAR_EL1, 1);
        assert_eq!(debug.effective_comparators(), None);
    }

    #[test]
    fn what_is_of_an_external_debugger_stays_zero() {
        let mut debug = DebugRegisters::default();
        write(&mut debug, MDSCR_EL1, u64::MAX);
        assert_eq!(read(&mut debug, MDSCR_EL1), Some(0xb001));
        for register in [
            SystemRegister::new(2, 0, 0, 3, 2),
            SystemRegister::new(2, 0, 1, 3, 4),
            SystemRegister::new(2, 3, 0, 5, 0),
        ] {
            assert_eq!(write(&mut debug, register, u64::MAX), Some(0));
            assert_eq!(read(&mut debug, register), Some(0), "{register:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_undefined() {
        let mut debug = DebugRegisters::default();
        let breakpoint_6 = SystemRegister::new(2, 0, 0, 6, 4);
        let watchpoint_4 = SystemRegister::new(2, 0, 0, 4, 6);
        assert_eq!(read(&mut debug, breakpoint_6), None);
        assert_eq!(write(&mut debug, watchpoint_4, 1), None);
        assert_eq!(read(&mut debug, OSLAR_EL1), None, "write-only");
        assert_eq!(write(&mut debug, OSLSR_EL1, 0), None, "read-only");
        // A trace register, and the PMU's control.
        assert_eq!(read(&mut debug, SystemRegister::new(2, 1, 0, 0, 0)), None);
        assert_eq!(read(&mut debug, SystemRegister::new(3, 3, 9, 12, 0)), None);
    }

    proptest! {
        #[test]
        fn any_access_has_an_answer(
            op1 in 0_u8..8, crn in 0_u8..16, crm in 0_u8..16, op2 in 0_u8..8, stored: u64,
            breakpoints in 2_usize..=16, watchpoints in 2_usize..=16,
        ) {
            let mut debug = DebugRegisters::default();
            let register = SystemRegister::new(2, op1, crn, crm, op2);
            let counts = [breakpoints, watchpoints];
            for direction in [Direction::Write, Direction::Read] {
                let _ = debug.access(&access(register, direction), stored, counts);
            }
            // Comparators keep what was written, and only those that are there.
            if (op1, crn) == (0, 0) && op2 >= 4 {
                let read = debug.access(&access(register, Direction::Read), 0, counts);
                let is_there = usize::from(crm) < counts[usize::from(op2 >= 6)];
                prop_assert_eq!(read, is_there.then_some(stored));
            }
        }
    }
}
