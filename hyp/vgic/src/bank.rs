//! The state of 32 interrupts.
//!
//! It knows neither vCPUs nor routing; a redistributor has one bank, the distributor one per 32
//! shared interrupts.
//!
//! Where a pending state can be:
//!
//! ```text
//!   pulse, set pending ──▶ latch ──list──▶ moved (it travels in a list register)
//!                            ▲                │ acknowledged: gone
//!                            └────unlist──────┘ not acknowledged: back
//!   wire (level) ──────────▶ line   is pending for as long as it is high
//! ```

use crate::list::{ListState, Listing};
use crate::registers::BankRegister;

/// Priorities have five bits, as in a Cortex-A53's virtual interface (`ICH_VTR_EL2.PRIbits` = 4) and
/// in every GICv2's (IHI 0048B, 5.3.8).
const PRIORITY_MASK: u8 = 0xF8;

/// One bit per interrupt in every mask; see IHI 0069, 4.1, and IHI 0048B, 3.2.4, for the states.
#[derive(Clone, Debug)]
pub struct Bank {
    /// Group 1 rather than 0.
    group_1: u32,
    enabled: u32,
    /// Edge-triggered rather than level-sensitive.
    edge: u32,
    /// Whether the guest can change `edge`.
    configurable: bool,
    priority: [u8; 32],
    /// Pending by an edge or by software.
    latch: u32,
    /// The wire is high.
    line: u32,
    /// Active, as of the last unlisting.
    active: u32,
    /// In some vCPU's list registers.
    listed: u32,
    /// Listed, and the list register carries what was the latch.
    moved: u32,
    /// Listed, and the guest has written the active state meanwhile: `active` is right and the
    /// list register is not.
    overridden: u32,
    /// A physical interrupt of the same number is active, and it is up to us to end it.
    held: u32,
    /// Listed, and the list register carries what was held: the guest's end of the interrupt ends
    /// the physical one.
    linked: u32,
}

impl Bank {
    /// Private interrupts: SGIs are edges, PPIs are levels (IHI 0069, 12.11, GICR_ICFGR0 and 1; IHI
    /// 0048B, 4.3.13). Those of `group_1` are in that group, the others in group 0.
    pub(crate) const fn private(group_1: u32) -> Self {
        Self::new(0x0000_FFFF, false, group_1)
    }

    /// Shared interrupts, level-sensitive until the guest says otherwise.
    pub(crate) const fn shared(group_1: u32) -> Self {
        Self::new(0, true, group_1)
    }

    const fn new(edge: u32, configurable: bool, group_1: u32) -> Self {
        Self {
            group_1,
            enabled: 0,
            edge,
            configurable,
            priority: [0; 32],
            latch: 0,
            line: 0,
            active: 0,
            listed: 0,
            moved: 0,
            overridden: 0,
            held: 0,
            linked: 0,
        }
    }

    /// As `reset`, but for the physical interrupts that are still held.
    pub(crate) fn reset(&mut self, reset: Self) {
        *self = Self {
            held: self.held | self.linked,
            ..reset
        };
    }

    /// Interrupts that are pending, wherever that state is.
    pub(crate) const fn pending(&self) -> u32 {
        self.latch | self.moved | self.line & !self.edge
    }

    /// Interrupts not listed that should be: active, or pending and enabled in a group of
    /// `groups` (bit 0 for group 0, bit 1 for group 1).
    pub(crate) const fn wanting(&self, groups: u8) -> u32 {
        (self.active | self.signalled(groups)) & !self.listed
    }

    /// Interrupts that are pending, enabled, and in an enabled group.
    const fn signalled(&self, groups: u8) -> u32 {
        let group_0 = if groups & 1 != 0 { !self.group_1 } else { 0 };
        let group_1 = if groups & 2 != 0 { self.group_1 } else { 0 };
        self.pending() & self.enabled & (group_0 | group_1)
    }

    /// Interrupts not listed that a vCPU is to take: [`Self::wanting`], and not active already.
    pub(crate) const fn due(&self, groups: u8) -> u32 {
        self.signalled(groups) & !self.active & !self.listed
    }

    /// Whether a physical interrupt of the same number is active, and it is up to us to end it.
    pub(crate) const fn is_held(&self, bit: u32) -> bool {
        self.held & bit != 0
    }

    pub(crate) const fn active(&self) -> u32 {
        self.active
    }

    pub(crate) const fn listed(&self) -> u32 {
        self.listed
    }

    pub(crate) const fn is_group_1(&self, bit: u32) -> bool {
        self.group_1 & bit != 0
    }

    pub(crate) fn priority(&self, index: usize) -> u8 {
        self.priority[index]
    }

    pub(crate) fn set_priority(&mut self, index: usize, priority: u8) {
        self.priority[index] = priority & PRIORITY_MASK;
    }

    /// Enables the interrupts whose bits are set.
    pub(crate) const fn enable(&mut self, bits: u32) {
        self.enabled |= bits;
    }

    /// An edge: pending until acknowledged.
    pub(crate) const fn pulse(&mut self, bit: u32) {
        self.latch |= bit;
    }

    /// No edge any more, unless it is listed.
    pub(crate) const fn unlatch(&mut self, bit: u32) {
        self.latch &= !bit;
    }

    /// Whether the list register that it is in carries its edge.
    pub(crate) const fn is_moved(&self, bit: u32) -> bool {
        self.moved & bit != 0
    }

    /// The edge that is listed is not to be delivered any more. True if there was one.
    pub(crate) const fn withdraw(&mut self, bit: u32) -> bool {
        let moved = self.is_moved(bit);
        self.moved &= !bit;
        moved
    }

    /// The wire goes to `level`.
    pub(crate) const fn assert(&mut self, bit: u32, level: bool) {
        let rises = level && self.line & bit == 0;
        if rises && self.edge & bit != 0 {
            self.latch |= bit;
        }
        if level {
            self.line |= bit;
        } else {
            self.line &= !bit;
        }
    }

    /// A physical interrupt that EL2 has acknowledged becomes pending here and is held.
    pub(crate) const fn forward(&mut self, bit: u32) {
        self.latch |= bit;
        self.held |= bit;
    }

    /// Takes the held physical interrupts that no guest will deactivate any more.
    pub(crate) const fn take_orphans(&mut self) -> u32 {
        let orphans = self.held & !(self.latch | self.active | self.listed);
        self.held &= !orphans;
        orphans
    }

    /// Puts interrupt `index` into a list register. It must be one that is [`Self::wanting`].
    /// `number` is its INTID. `eager` asks to hear of its end, so that others get the list register.
    pub(crate) fn list(&mut self, index: usize, number: u32, groups: u8, eager: bool) -> Listing {
        // An active level is sampled again at its end, not before; and the architecture forbids
        // pending and active for hardware interrupts.
        let bit = 1 << index;
        let edge = self.edge & bit != 0;
        let may_be_both = self.held & bit == 0 && edge;
        self.list_as(index, number, groups, eager, may_be_both)
    }

    /// As [`Self::list`]. What is active is listed as pending too only if it `may_be_both`.
    pub(crate) fn list_as(
        &mut self,
        index: usize,
        number: u32,
        groups: u8,
        eager: bool,
        may_be_both: bool,
    ) -> Listing {
        let bit = 1 << index;
        let held = self.held & bit != 0;
        let level = self.edge & bit == 0;
        let active = self.active & bit != 0;
        let pending = self.signalled(groups) & bit != 0 && (!active || may_be_both);

        self.listed |= bit;
        self.overridden &= !bit;
        self.linked |= self.held & bit;
        self.held &= !bit;
        if pending {
            self.moved |= self.latch & bit;
            self.latch &= !bit;
        }
        Listing {
            intid: number,
            sender: 0,
            priority: self.priority[index],
            group_1: self.is_group_1(bit),
            state: ListState::new(pending, active),
            hardware: held,
            eoi: !held && (level || eager),
        }
    }

    /// Takes interrupt `index` back out of its list register, which says `state`.
    pub(crate) const fn unlist(&mut self, index: usize, state: ListState) {
        let bit = 1 << index;
        if state.is_pending() {
            self.latch |= self.moved & bit;
        }
        self.moved &= !bit;
        // Acknowledged and ended, the physical interrupt was ended with it. A new one may have been
        // forwarded since and is held already.
        if !matches!(state, ListState::Inactive) {
            self.held |= self.linked & bit;
        }
        self.linked &= !bit;
        if self.overridden & bit == 0 {
            self.active = if state.is_active() {
                self.active | bit
            } else {
                self.active & !bit
            };
        }
        self.overridden &= !bit;
        self.listed &= !bit;
    }

    /// What the guest reads.
    pub(crate) fn read(&self, register: BankRegister) -> u32 {
        match register {
            BankRegister::Group => self.group_1,
            BankRegister::SetEnable | BankRegister::ClearEnable => self.enabled,
            BankRegister::SetPending | BankRegister::ClearPending => self.pending(),
            BankRegister::SetActive | BankRegister::ClearActive => self.active,
            BankRegister::Priority(word) => {
                let bytes = [0, 1, 2, 3].map(|byte| self.priority[word * 4 + byte]);
                u32::from_le_bytes(bytes)
            }
            BankRegister::Configuration(half) => {
                // Bit 1 of each pair is "edge"; bit 0 is reserved.
                let edge = self.edge >> (16 * half);
                (0..16).fold(0, |word, index| {
                    word | (edge >> index & 1) << (2 * index + 1)
                })
            }
        }
    }

    /// What the guest writes. Returns the listed interrupts whose list register is no longer what
    /// the guest wants, so that their vCPU has to come out.
    pub(crate) fn write(&mut self, register: BankRegister, value: u32) -> u32 {
        match register {
            BankRegister::Group => {
                let changed = self.group_1 ^ value;
                self.group_1 = value;
                changed & self.listed
            }
            BankRegister::SetEnable => {
                self.enable(value);
                0
            }
            BankRegister::ClearEnable => {
                self.enabled &= !value;
                value & self.listed
            }
            BankRegister::SetPending => {
                self.latch |= value;
                value & self.listed
            }
            BankRegister::ClearPending => {
                self.latch &= !value;
                self.moved &= !value;
                value & self.listed
            }
            BankRegister::SetActive => {
                self.active |= value;
                self.override_listed(value)
            }
            BankRegister::ClearActive => {
                self.active &= !value;
                self.override_listed(value)
            }
            BankRegister::Priority(word) => {
                for (byte, priority) in value.to_le_bytes().into_iter().enumerate() {
                    self.set_priority(word * 4 + byte, priority);
                }
                0
            }
            BankRegister::Configuration(half) => {
                if self.configurable {
                    let edge = (0..16).fold(0, |edge, index| {
                        edge | (value >> (2 * index + 1) & 1) << index
                    });
                    self.edge = self.edge & !(0xFFFF << (16 * half)) | edge << (16 * half);
                }
                0
            }
        }
    }

    const fn override_listed(&mut self, value: u32) -> u32 {
        self.overridden |= value & self.listed;
        value & self.listed
    }
}
