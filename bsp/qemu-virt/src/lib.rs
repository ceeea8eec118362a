//! QEMU's `virt` machine with EL2, as boards with either of its interrupt controllers.
//!
//! Addresses are those of `hw/arm/virt.c` (table `base_memmap`), which QEMU keeps stable; what a
//! run can change (size of RAM, number of cores, virtio devices present) is read from the device
//! tree by others.
#![no_std]

mod gic;
mod pl011;

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gic::{Model, V2, V3};
pub use pl011::Pl011;
use unimux_board::{Board, Parts, Range, entry_table};

/// UART 0, the only one that the non-secure world has.
const UART: Range = Range::new(0x0900_0000, 0x1000);

/// 32 virtio MMIO transports of 512 bytes.
const VIRTIO: Range = Range::new(0x0a00_0000, 0x4000);

/// The machine, by its interrupt controller.
#[derive(Debug)]
pub struct Virt<G>(PhantomData<G>);

/// The board with a GICv3.
pub type QemuVirt = Virt<V3>;

/// The board with a GICv2.
pub type QemuVirtGicV2 = Virt<V2>;

static TAKEN: AtomicBool = AtomicBool::new(false);

impl<G: Model> Board for Virt<G> {
    type Console = Pl011;
    type Input = Pl011;
    type Gic = G::Gic;

    const NAME: &'static str = G::NAME;

    const ENTRY_TABLE: [u64; 512] = {
        let mut table = [0; 512];
        table[0] = entry_table::device(0);
        table[1] = entry_table::normal(1);
        table
    };

    const DEVICES: &'static [Range] = G::DEVICES;

    const GIC: G::Gic = G::GIC;

    /// SPI 1 (`a15irqmap`).
    const INPUT_INTID: u32 = 32 + 1;

    const FALLBACK_DEVICE_TREE: Option<u64> = Some(0x4000_0000);

    fn take() -> Option<Parts<Pl011, Pl011>> {
        // A load and a store: the boot core alone takes, before any other runs.
        if TAKEN.load(Relaxed) {
            return None;
        }
        TAKEN.store(true, Relaxed);
        Some(Parts {
            console: Pl011::at(UART.base),
            input: Pl011::at(UART.base),
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
