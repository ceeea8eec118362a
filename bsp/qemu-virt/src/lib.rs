//! QEMU's `virt` machine with GICv3 and EL2.
//!
//! Addresses are those of `hw/arm/virt.c` (table `base_memmap`), which QEMU keeps stable; what a
//! run can change (size of RAM, number of cores, virtio devices present) is read from the device
//! tree by others.
#![no_std]

mod pl011;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use pl011::Pl011;
use unimux_board::{Board, GicV3, Parts, Range, entry_table};

/// UART 0, the only one that the non-secure world has.
const UART: Range = Range::new(0x0900_0000, 0x1000);

/// The board.
#[derive(Debug)]
pub struct QemuVirt;

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Board for QemuVirt {
    type Console = Pl011;

    const NAME: &'static str = "qemu-virt";

    const ENTRY_TABLE: [u64; 512] = {
        let mut table = [0; 512];
        table[0] = entry_table::device(0);
        table[1] = entry_table::normal(1);
        table
    };

    const DEVICES: &'static [Range] = &[
        Self::GIC.distributor,
        Self::GIC.redistributors,
        UART,
        // 32 virtio MMIO transports of 512 bytes.
        Range::new(0x0a00_0000, 0x4000),
    ];

    const GIC: GicV3 = GicV3 {
        distributor: Range::new(0x0800_0000, 0x1_0000),
        redistributors: Range::new(0x080a_0000, 0xf6_0000),
    };

    const FALLBACK_DEVICE_TREE: Option<u64> = Some(0x4000_0000);

    fn take() -> Option<Parts<Pl011>> {
        // A load and a store: the boot core alone takes, before any other runs.
        if TAKEN.load(Relaxed) {
            return None;
        }
        TAKEN.store(true, Relaxed);
        Some(Parts {
            console: Pl011::at(UART.base),
        })
    }

    fn last_words() -> Pl011 {
        Pl011::at(UART.base)
    }

    #[cfg(target_os = "none")]
    fn end_run(code: u8, _simulator: bool) -> ! {
        semihosting::process::exit(i32::from(code))
    }

    #[cfg(not(target_os = "none"))]
    fn end_run(_code: u8, _simulator: bool) -> ! {
        unreachable!("the board exists only on its target")
    }
}
