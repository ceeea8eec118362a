//! Which interrupt controller a board has, and where.

use crate::Range;

/// A GICv2, for instance a GIC-400 (IHI 0048B; memory map in chapter 4.1.2). Guests get the virtual
/// CPU interface by stage 2, so it must lie in pages that hold nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GicV2 {
    /// Distributor, GICD.
    pub distributor: Range,
    /// CPU interface, GICC: its two pages of 4 KiB, which lie together or 64 KiB apart. The second
    /// has GICC_DIR.
    pub cpu_interface: [Range; 2],
    /// Virtual interface control, GICH, of the core that looks there.
    pub virtual_control: Range,
    /// Virtual CPU interface, GICV: two pages as those of GICC.
    pub virtual_cpu_interface: [Range; 2],
}

/// A GICv3 (IHI 0069).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GicV3 {
    /// Distributor frame.
    pub distributor: Range,
    /// Redistributor frames of all cores, contiguous, in the order of their affinity.
    pub redistributors: Range,
}
