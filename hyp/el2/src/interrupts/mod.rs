//! The few interrupts that EL2 takes, and those it sends.
//!
//! Priority drop and deactivation are apart (EOImode 1): EL2 drops the priority of every interrupt
//! as soon as it has taken it, deactivates its own, and leaves the deactivation of the timer to the
//! guest, through the list register's link to the hardware. Not here: what guests see.

mod v2;
mod v3;

/// Why EL2 was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The engine core has something for the guest on this core.
    Engine,
    /// Another core of the same guest has.
    Peer,
    /// A list register event that EL2 asked for.
    Maintenance,
    /// The guest's virtual timer. It stays active until the guest deactivates it.
    VirtualTimer,
    /// The guest's physical timer, likewise.
    PhysicalTimer,
    /// The EL2 timer, see [`set_alarm`](crate::time::set_alarm). It fires again if it is not stopped.
    Alarm,
    /// Nothing that EL2 has use for, by number. It is finished already.
    Other(u32),
}

/// Who sends word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The engine core.
    Engine,
    /// A core of the same guest.
    Peer,
}

/// Why the interrupt controller cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptError {
    /// No controller of the kind that the board states is where it states.
    NotThere,
    /// It has no interface to this core.
    NoInterface,
}

/// What EL2 does with the controller.
pub trait Controller {
    /// What it takes to bring cores up.
    type Cores;

    /// Takes the controller of a machine with `cores` cores over, with no interrupt enabled that
    /// is not of one core alone.
    ///
    /// # Errors
    /// If there is no such controller.
    fn take_over(&self, cores: usize) -> Result<Self::Cores, InterruptError>;

    /// Readies this core to take and send EL2's interrupts.
    ///
    /// # Errors
    /// If the controller does not have this core.
    fn bring_up_core(&self, cores: &mut Self::Cores) -> Result<(), InterruptError>;

    /// Takes the next pending interrupt of this core, if any.
    fn take(&self) -> Option<Interrupt>;

    /// Deactivates a physical PPI of this core, for instance the timer's when the guest will not.
    fn deactivate(&self, intid: u32);

    /// Makes a physical PPI of this core active, as if it had been taken.
    fn activate(&self, intid: u32);

    /// Interrupts the core `affinity`, if it has been brought up. What was stored before is visible
    /// to it when it takes the interrupt, or when it has come up.
    fn send(&self, affinity: u64, sender: Sender);

    /// Has the SPI `intid` of a device of EL2's own, a level, interrupt the core `affinity` from now on,
    /// if it has been brought up. One call at a time.
    fn route(&self, intid: u32, affinity: u64);
}

/// SGI from the engine core.
const ENGINE: u32 = 0;
/// SGI from a core of the same guest.
const PEER: u32 = 1;
/// GIC maintenance interrupt: PPI 9 (Arm BSA, table of PPI assignments).
const MAINTENANCE: u32 = 16 + 9;
/// EL2 physical timer: PPI 10. It ends [`nap`](crate::time::nap), and turns on a shared core.
const HYPERVISOR_TIMER: u32 = 16 + 10;
/// EL1 virtual timer: PPI 11.
pub(crate) const VIRTUAL_TIMER: u32 = 16 + 11;
/// EL1 physical timer: PPI 14.
pub(crate) const PHYSICAL_TIMER: u32 = 16 + 14;

/// All that EL2 enables.
const OURS: [u32; 6] = [
    ENGINE,
    PEER,
    MAINTENANCE,
    HYPERVISOR_TIMER,
    VIRTUAL_TIMER,
    PHYSICAL_TIMER,
];

/// Their priority: half way, which is also one of those that a non-secure world has.
const PRIORITY: u8 = 0x80;

impl Interrupt {
    /// Whether it is the guest that deactivates it.
    const fn is_the_guests(self) -> bool {
        matches!(self, Self::VirtualTimer | Self::PhysicalTimer)
    }

    const fn of(intid: u32) -> Self {
        match intid {
            ENGINE => Self::Engine,
            PEER => Self::Peer,
            MAINTENANCE => Self::Maintenance,
            HYPERVISOR_TIMER => Self::Alarm,
            VIRTUAL_TIMER => Self::VirtualTimer,
            PHYSICAL_TIMER => Self::PhysicalTimer,
            _ => Self::Other(intid),
        }
    }
}
