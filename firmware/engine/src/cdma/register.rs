//! Registers of an AXI CDMA: offsets and bits (PG034, "Register Space").

/// Control: bits of [`cr`].
pub const CDMACR: usize = 0x00;
/// Status: bits of [`sr`].
pub const CDMASR: usize = 0x04;
/// First descriptor, low and high word of its address. Written while idle.
pub const CURDESC: [usize; 2] = [0x08, 0x0c];
/// Last descriptor, likewise. Writing it, its high word with more than 32 address bits, starts.
pub const TAILDESC: [usize; 2] = [0x10, 0x14];
/// Source in simple mode, likewise. Written while idle.
pub const SA: [usize; 2] = [0x18, 0x1c];
/// Destination in simple mode, likewise.
pub const DA: [usize; 2] = [0x20, 0x24];
/// Bytes to transfer. Writing it starts; 0 is an error. Written while idle.
pub const BTT: usize = 0x28;

/// Bits of [`CDMACR`].
pub mod cr {
    /// Resets the core; reads as 1 until that is done.
    pub const RESET: u32 = 1 << 2;
    /// Descriptors are in memory. Clearing it clears the descriptor pointers.
    pub const SG_MODE: u32 = 1 << 3;
    /// Interrupt on completion.
    pub const IOC_IRQ_EN: u32 = 1 << 12;
    /// Interrupt on error.
    pub const ERR_IRQ_EN: u32 = 1 << 14;
    /// Position of the number of descriptors after which there is an interrupt on completion, 1 to
    /// 255.
    pub const THRESHOLD: u32 = 16;
}

/// Bits of [`CDMASR`].
pub mod sr {
    /// Nothing is under way.
    pub const IDLE: u32 = 1 << 1;
    /// There is a scatter/gather engine.
    pub const SG_INCLUDED: u32 = 1 << 3;
    /// A length of 0, or the data mover failed.
    pub const DMA_INTERNAL: u32 = 1 << 4;
    /// Data: a slave answered with an error.
    pub const DMA_SLAVE: u32 = 1 << 5;
    /// Data: nobody is at that address.
    pub const DMA_DECODE: u32 = 1 << 6;
    /// A descriptor was fetched that is done already.
    pub const SG_INTERNAL: u32 = 1 << 8;
    /// Descriptors: a slave answered with an error.
    pub const SG_SLAVE: u32 = 1 << 9;
    /// Descriptors: nobody is at that address.
    pub const SG_DECODE: u32 = 1 << 10;
    /// Completion. Writing 1 clears it, as the two below.
    pub const IOC_IRQ: u32 = 1 << 12;
    /// Delay.
    pub const DLY_IRQ: u32 = 1 << 13;
    /// Error.
    pub const ERR_IRQ: u32 = 1 << 14;
    /// All errors. After one the core has to be reset.
    pub const ERRORS: u32 =
        DMA_INTERNAL | DMA_SLAVE | DMA_DECODE | SG_INTERNAL | SG_SLAVE | SG_DECODE;
    /// All that is cleared by writing 1.
    pub const INTERRUPTS: u32 = IOC_IRQ | DLY_IRQ | ERR_IRQ;
}

/// Bytes from one descriptor to the next, and their alignment.
pub const DESCRIPTOR_BYTES: usize = 64;
/// A descriptor's status, the upper half of its word 3: the transfer is complete.
pub const COMPLETE: u32 = 1 << 31;
