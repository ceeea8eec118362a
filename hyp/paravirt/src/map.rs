//! The intermediate physical addresses of a partition guest.
//!
//! It is the map of QEMU's `virt` machine wherever the two have the same device, so that a guest
//! program can be tried on the bare machine too; the interrupt controller is of the board's kind. A
//! guest should still read its device tree; these constants are for early consoles and for EL2, which
//! builds that tree.
//!
//! ```text
//! 0x0800_0000  GICD      64 KiB   emulated, every access exits
//! 0x0801_0000  GICC       8 KiB   of a GICv2: mapped, accesses do not exit
//! 0x080a_0000  GICR     128 KiB   of a GICv3: per vCPU, emulated
//! 0x0900_0000  PL011      4 KiB   emulated
//! 0x0a00_0000  doorbell   4 KiB   mapped RW: stores do not exit; with the next page BAR 0 of the
//! 0x0a00_1000  info       4 KiB   mapped RO                      function on the PCI bus
//! 0x0a00_2000  counters   4 KiB   mapped RO: loads do not exit
//! 0x1000_0000  PCI ECAM   1 MiB   emulated: configuration space of one bus
//! 0x4000_0000  RAM       device tree at +0, arm64 Image at +2 MiB, payload at the end
//! ```

/// Width of a guest's physical addresses: stage 2 starts at level 1 with 39 bits.
pub const IPA_BITS: u32 = 39;

/// Distributor frame.
pub const GICD_BASE: u64 = 0x0800_0000;
/// Bytes of the distributor frame.
pub const GICD_SIZE: u64 = 0x1_0000;

/// GICv2 CPU interface: two pages.
pub const GICC_BASE: u64 = 0x0801_0000;
/// Bytes of the CPU interface.
pub const GICC_SIZE: u64 = 0x2000;

/// First GICv3 redistributor: the RD_base frame of vCPU 0.
pub const GICR_BASE: u64 = 0x080a_0000;
/// Bytes from one vCPU's redistributor to the next: RD_base and SGI_base frames (GICv3, no VLPI).
pub const GICR_STRIDE: u64 = 0x2_0000;

/// The PL011.
pub const UART_BASE: u64 = 0x0900_0000;
/// Bytes of the PL011's frame.
pub const UART_SIZE: u64 = 0x1000;

/// The RDMA function's doorbell page.
pub const DOORBELL_BASE: u64 = 0x0a00_0000;
/// Bytes of the doorbell page.
pub const DOORBELL_SIZE: u64 = 0x1000;

/// The page that says who the function is: [`crate::info`].
pub const INFO_BASE: u64 = DOORBELL_BASE + crate::info::OFFSET_BYTES;
/// Bytes of the info page.
pub const INFO_SIZE: u64 = 0x1000;
/// BAR 0 of the function, and all of the window behind the host bridge.
pub const BAR_SIZE: u64 = DOORBELL_SIZE + INFO_SIZE;

/// Configuration space of the PCI bus.
pub const ECAM_BASE: u64 = 0x1000_0000;
/// Bytes of it: one bus.
pub const ECAM_SIZE: u64 = 0x10_0000;

/// The page of [`crate::ExitCounters`].
pub const COUNTERS_BASE: u64 = 0x0a00_2000;
/// Bytes of the counter page.
pub const COUNTERS_SIZE: u64 = 0x1000;

/// First byte of RAM; the guest's device tree lies here when it is entered.
pub const RAM_BASE: u64 = 0x4000_0000;
/// Bytes kept for the device tree at the start of RAM.
pub const DTB_SIZE_MAX: u64 = 0x20_0000;
/// Where in RAM the arm64 `Image` is copied; its first byte is the entry point.
pub const IMAGE_OFFSET: u64 = 0x20_0000;

/// Largest number of vCPUs of one guest (the counter page has a block for each).
pub const VCPUS_MAX: usize = 8;

/// Number of SPIs a guest's distributor has (INTID 32 to 95).
pub const SPIS: u32 = 64;
/// INTID of the PL011: SPI 1.
pub const UART_INTID: u32 = 33;
/// INTID of the interrupt that an armed completion queue raises: SPI 16.
pub const COMPLETION_INTID: u32 = 48;
/// INTID of the same as an event: an edge that no register of the function masks. SPI 17.
pub const EVENT_INTID: u32 = 49;
/// What the guest's device tree calls it, and Linux the input device that it becomes.
pub const EVENT_LABEL: &str = "unimux-completions";
/// INTID of the virtual timer: PPI 11.
pub const TIMER_INTID: u32 = 27;
/// INTID of the physical timer: PPI 14.
pub const PHYSICAL_TIMER_INTID: u32 = 30;
