//! The ZCU102: a Zynq UltraScale+ ZU9EG, which is also the chip of the ExaNeSt QFDB.
//!
//! Addresses are those of the Zynq UltraScale+ technical reference manual UG1085 (system addresses)
//! and register reference UG1087. How much DDR is fitted, and what of it the firmware below keeps,
//! is read from the device tree by others. QEMU's `xlnx-zcu102` models the same chip.
#![no_std]

mod cadence_uart;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use cadence_uart::CadenceUart;
use unimux_board::{Board, GicV2, Parts, Range, entry_table};

/// UART 0, which the ZCU102 leads to the first port of its USB bridge.
const UART: Range = Range::new(0xff00_0000, 0x1000);

/// The board.
#[derive(Debug)]
pub struct Zcu102;

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Board for Zcu102 {
    type Console = CadenceUart;
    type Input = CadenceUart;
    type Gic = GicV2;

    const NAME: &'static str = "zcu102";

    const ENTRY_TABLE: [u64; 512] = {
        let mut table = [0; 512];
        // The low bank of the DDR: 2 GiB, where the image and the tree are.
        table[0] = entry_table::normal(0);
        table[1] = entry_table::normal(1);
        // The processing system's peripherals.
        table[3] = entry_table::device(3);
        table
    };

    const DEVICES: &'static [Range] = &[
        Self::GIC.distributor,
        Self::GIC.cpu_interface[0],
        Self::GIC.cpu_interface[1],
        Self::GIC.virtual_control,
        UART,
    ];

    /// A GIC-400 (DDI 0471) whose pages of 4 KiB lie 64 KiB apart, each repeated in between.
    const GIC: GicV2 = GicV2 {
        distributor: Range::new(0xf901_0000, 0x1000),
        cpu_interface: [
            Range::new(0xf902_0000, 0x1000),
            Range::new(0xf903_0000, 0x1000),
        ],
        virtual_control: Range::new(0xf904_0000, 0x1000),
        virtual_cpu_interface: [
            Range::new(0xf906_0000, 0x1000),
            Range::new(0xf907_0000, 0x1000),
        ],
    };

    /// UG1085, system interrupts: UART0 is SPI 21.
    const INPUT_INTID: u32 = 32 + 21;

    /// Between what firmware may keep and the image: for a debugger, which sets no registers.
    const FALLBACK_DEVICE_TREE: Option<u64> = Some(0x0010_0000);

    fn take() -> Option<Parts<CadenceUart, CadenceUart>> {
        // A load and a store: the boot core alone takes, before any other runs.
        if TAKEN.load(Relaxed) {
            return None;
        }
        TAKEN.store(true, Relaxed);
        Some(Parts {
            console: CadenceUart::at(UART.base),
            input: CadenceUart::at(UART.base),
        })
    }

    fn last_words() -> CadenceUart {
        CadenceUart::at(UART.base)
    }

    #[cfg(target_os = "none")]
    fn end_run(code: u8, simulator: bool) -> ! {
        CadenceUart::at(UART.base).drain();
        if simulator {
            semihosting::process::exit(i32::from(code))
        }
        if code == 0 {
            // If it fails, standing still is what is left.
            let _ = smccc::psci::system_off::<smccc::Smc>();
        }
        // Power stays on after a failure, for a debugger.
        loop {
            core::hint::spin_loop();
        }
    }

    #[cfg(not(target_os = "none"))]
    fn end_run(_code: u8, _simulator: bool) -> ! {
        unreachable!("the board exists only on its target")
    }
}
