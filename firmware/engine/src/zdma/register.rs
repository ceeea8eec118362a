//! Registers of a ZDMA channel: offsets and bits (UG1087, module ZDMA).

/// Interrupt status: a bit stays until 1 is written to it. Bits are those of [`interrupt`].
pub const ISR: usize = 0x100;
/// Interrupt enable: 1 unmasks.
pub const IEN: usize = 0x108;
/// Interrupt disable: 1 masks.
pub const IDS: usize = 0x10c;
/// Control: bits of [`ctrl0`].
pub const CTRL0: usize = 0x110;
/// Control: transactions that may be outstanding.
pub const CTRL1: usize = 0x114;
/// Flow control by a peripheral.
pub const FCI: usize = 0x118;
/// State, see [`status`].
pub const STATUS: usize = 0x11c;
/// AXI attributes of data.
pub const DATA_ATTR: usize = 0x120;
/// AXI attributes of descriptor fetches.
pub const DSCR_ATTR: usize = 0x124;
/// Source in simple mode: a descriptor of four words, address low, address high, size, control.
pub const SRC_DSCR: [usize; 4] = [0x128, 0x12c, 0x130, 0x134];
/// Destination in simple mode, likewise.
pub const DST_DSCR: [usize; 4] = [0x138, 0x13c, 0x140, 0x144];
/// First source descriptor, low and high word of its address.
pub const SRC_START: [usize; 2] = [0x158, 0x15c];
/// First destination descriptor, likewise.
pub const DST_START: [usize; 2] = [0x160, 0x164];
/// Bytes moved, for whoever counts: writing ones clears it.
pub const TOTAL_BYTE: usize = 0x188;
/// Source descriptors that asked for an interrupt; reading clears it.
pub const IRQ_SRC_ACCT: usize = 0x190;
/// Destination descriptors that asked for an interrupt; reading clears it.
pub const IRQ_DST_ACCT: usize = 0x194;
/// Control: bit 0 enables the channel, which clears it when it is done.
pub const CTRL2: usize = 0x200;

/// Bits of [`ISR`], [`IEN`] and [`IDS`].
pub mod interrupt {
    /// An access to a register that is not there.
    pub const INV_APB: u32 = 1 << 0;
    /// The fetch of a source descriptor failed.
    pub const AXI_RD_SRC_DSCR: u32 = 1 << 6;
    /// The fetch of a destination descriptor failed.
    pub const AXI_RD_DST_DSCR: u32 = 1 << 7;
    /// Reading data failed.
    pub const AXI_RD_DATA: u32 = 1 << 8;
    /// Writing data failed.
    pub const AXI_WR_DATA: u32 = 1 << 9;
    /// The channel is done, with or without an error.
    pub const DMA_DONE: u32 = 1 << 10;
    /// All of them, and those of events that are none here: descriptors done, counters that
    /// overflowed, a pause.
    pub const ALL: u32 = 0xfff;
    /// Those that end a job.
    pub const ERRORS: u32 = INV_APB | AXI_RD_SRC_DSCR | AXI_RD_DST_DSCR | AXI_RD_DATA | AXI_WR_DATA;
}

/// Bits of [`CTRL0`].
pub mod ctrl0 {
    /// Leaves the paused state.
    pub const CONT: u32 = 1 << 1;
    /// Descriptors are in memory, not in registers.
    pub const POINT_TYPE: u32 = 1 << 6;
    /// The source may be read beyond its end. Out of reset it may; here it must not, as what lies
    /// there is somebody else's, or no memory.
    pub const OVR_FETCH: u32 = 1 << 7;
}

/// Values of [`STATUS`], bits 1:0.
pub mod status {
    /// Disabled, and no error.
    pub const DONE: u32 = 0;
    /// Disabled after an error.
    pub const ERROR: u32 = 3;
    /// The bits. The two other values are paused and busy; which is which does not matter here.
    pub const STATE: u32 = 3;
}

/// [`CTRL1`] out of reset: as many transactions outstanding as there can be.
pub const CTRL1_RESET: u32 = 0x3ff;
/// [`DATA_ATTR`] out of reset: incrementing bursts of 16 beats, not cacheable.
pub const DATA_ATTR_RESET: u32 = 0x0483_d20f;
/// ARCACHE and AWCACHE in [`DATA_ATTR`], all ones: write-back, allocating (AXI4, A4.4).
pub const DATA_ATTR_CACHEABLE: u32 = 0xf << 22 | 0xf << 8;
/// AXCOHRNT, and AXCACHE all ones, in [`DSCR_ATTR`].
pub const DSCR_ATTR_COHERENT: u32 = 1 << 8 | 0xf << 4;

/// Bits of a descriptor's control word, in memory and in registers.
pub mod control {
    /// The access is coherent.
    pub const COHRNT: u32 = 1 << 0;
    /// The descriptor is of 32 bytes and names the next one; otherwise of 16, and the next one
    /// follows.
    pub const LINKED: u32 = 1 << 1;
    /// The channel stops after this one (CMD, bits 4:3).
    pub const STOP: u32 = 2 << 3;
}

/// Bits of an address that descriptors and registers have: 32, and 17 above.
pub const ADDRESS_BITS: u32 = 49;
/// Most bytes of a descriptor that are a round number: its size has 30 bits.
pub const PIECE_BYTES: u32 = 1 << 29;
