//! The device tree that a guest is given.
//!
//! It describes what the guest really has and nothing of the machine below. Bindings: Devicetree
//! Specification 0.4, and Linux' arm,psci, arm,gic, arm,gic-v3, arm,armv8-timer, arm,pl011,
//! arm,cortex-a53, gpio-keys.

use alloc::{string::String, vec::Vec};

use unimux_paravirt::map;
use unimux_scenario::{Guest, GuestLayout};

use crate::{
    flat_tree::{
        FlatTree,
        Part::{self, Begin, Cells, End, Flag, Texts},
        pair, reg, unit,
    },
    gic::{GuestGic, Kind},
};

/// Phandles of the nodes that others point to.
const GIC: u32 = 1;
const CLOCK: u32 = 2;

/// Interrupt specifier cells of arm,gic and arm,gic-v3: kind, number, flags.
const SPI: u32 = 0;
const PPI: u32 = 1;
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;
const PPI_LEVEL: u32 = LEVEL_HIGH | Kind::PPI_FLAGS;

/// Of the root.
const ROOT: &[Part] = &[
    Texts("compatible", &["unimux,partition-guest"]),
    Cells("#address-cells", &[2]),
    Cells("#size-cells", &[2]),
    Cells("interrupt-parent", &[GIC]),
];

const CPUS: &[Part] = &[
    Begin("cpus"),
    Cells("#address-cells", &[1]),
    Cells("#size-cells", &[0]),
];

/// Of each core.
const CPU: &[Part] = &[
    Texts("device_type", &["cpu"]),
    Texts("compatible", &["arm,armv8"]),
    Texts("enable-method", &["psci"]),
];

/// Whole nodes.
const FIRMWARE_TIMER_CLOCK: &[Part] = &[
    Begin("psci"),
    Texts("compatible", &["arm,psci-1.0", "arm,psci-0.2"]),
    Texts("method", &["hvc"]),
    End,
    Begin("timer"),
    Texts("compatible", &["arm,armv8-timer"]),
    Flag("always-on"),
    Cells("interrupts", TIMERS.as_flattened()),
    End,
    Begin("clock"),
    Texts("compatible", &["fixed-clock"]),
    Cells("#clock-cells", &[0]),
    Cells("clock-frequency", &[24_000_000]),
    Cells("phandle", &[CLOCK]),
    End,
];

/// A guest has the physical and the virtual timer of EL1; the binding wants the list in its order: secure
/// physical, non-secure physical, virtual, hypervisor.
const TIMERS: &[[u32; 3]] = &[
    [PPI, 13, PPI_LEVEL],
    [PPI, map::PHYSICAL_TIMER_INTID - 16, PPI_LEVEL],
    [PPI, map::TIMER_INTID - 16, PPI_LEVEL],
    [PPI, 10, PPI_LEVEL],
];

/// Of the interrupt controller.
const INTERRUPT_CONTROLLER: &[Part] = &[
    Texts("compatible", Kind::COMPATIBLE),
    Cells("#interrupt-cells", &[3]),
    Flag("interrupt-controller"),
    Cells("phandle", &[GIC]),
];

/// Of the UART.
const UART: &[Part] = &[
    Texts("compatible", &["arm,pl011", "arm,primecell"]),
    Cells("reg", &reg(map::UART_BASE, map::UART_SIZE)),
    Cells("interrupts", &[SPI, map::UART_INTID - 32, LEVEL_HIGH]),
    Cells("clocks", &[CLOCK, CLOCK]),
    Texts("clock-names", &["uartclk", "apb_pclk"]),
    End,
];

/// Of the RDMA function.
const RDMA_FUNCTION: &[Part] = &[
    Texts("compatible", &["unimux,rdma-function"]),
    Cells("reg", FUNCTION_FRAMES.as_flattened()),
    Cells(
        "interrupts",
        &[SPI, map::COMPLETION_INTID - 32, EDGE_RISING],
    ),
];

/// The event interrupt, as a key of Linux' gpio-keys that has an interrupt and no GPIO: each edge is
/// pressed and released at once, and nothing is to be masked or acknowledged. It is what a stock
/// kernel has that gives an interrupt to a program without an access to the device.
const EVENT: &[Part] = &[
    Begin("unimux-events"),
    Texts("compatible", &["gpio-keys"]),
    Texts("label", &[map::EVENT_LABEL]),
    Begin("completion-event"),
    Texts("label", &[map::EVENT_LABEL]),
    Cells("linux,code", &[KEY_OF_NOBODY]),
    Cells("interrupts", &[SPI, map::EVENT_INTID - 32, EDGE_RISING]),
    Cells("debounce-interval", &[0]),
    End,
    End,
];

/// BTN_TRIGGER_HAPPY1 of Linux' input-event-codes.h: no keyboard has it, so no console reads it.
const KEY_OF_NOBODY: u32 = 0x2c0;

/// The PCI bus: Linux' pci-host-ecam-generic, with one 32-bit window, which is as large as the
/// function's BAR. INTA of any device is the completion interrupt.
const PCI: &[Part] = &[
    Texts("compatible", &["pci-host-ecam-generic"]),
    Texts("device_type", &["pci"]),
    Cells("reg", &reg(map::ECAM_BASE, map::ECAM_SIZE)),
    Cells("bus-range", &[0, 0]),
    Cells("#address-cells", &[3]),
    Cells("#size-cells", &[2]),
    Cells("#interrupt-cells", &[1]),
    Cells("ranges", PCI_WINDOW.as_flattened()),
    Cells("interrupt-map-mask", &[0, 0, 0, 7]),
    Cells(
        "interrupt-map",
        &[
            0,
            0,
            0,
            1,
            GIC,
            SPI,
            map::COMPLETION_INTID - 32,
            EDGE_RISING,
        ],
    ),
    Flag("dma-coherent"),
    End,
];

/// Not prefetchable, of 32 bits (Open Firmware PCI bus binding, 2.2.1.1); the same address on both sides.
const PCI_WINDOW: &[[u32; 7]] = &[[
    0x0200_0000,
    0,
    map::DOORBELL_BASE as u32,
    0,
    map::DOORBELL_BASE as u32,
    0,
    map::BAR_SIZE as u32,
]];

const FUNCTION_FRAMES: &[[u32; 4]] = &[
    reg(map::DOORBELL_BASE, map::DOORBELL_SIZE),
    reg(map::COUNTERS_BASE, map::COUNTERS_SIZE),
];

/// Makes the tree of the guest whose function is `function`.
pub(crate) fn make(guest: &Guest, place: &GuestLayout, function: u32, peers: &[u32]) -> Vec<u8> {
    let vcpus = guest.cores.len();
    let mut tree = FlatTree::default();
    tree.begin("");
    tree.texts("model", &[&(String::from("Unimux guest ") + &guest.name)]);
    tree.add(ROOT);
    chosen(&mut tree, guest, place);
    tree.begin(&unit("memory", map::RAM_BASE));
    tree.texts("device_type", &["memory"]);
    tree.cells("reg", &reg(map::RAM_BASE, place.ram.len_bytes()));
    tree.end();
    cpus(&mut tree, vcpus as u32);
    tree.add(FIRMWARE_TIMER_CLOCK);
    interrupt_controller(&mut tree, vcpus);
    tree.begin(&unit("pl011", map::UART_BASE));
    tree.add(UART);
    tree.begin(&unit("pcie", map::ECAM_BASE));
    tree.add(PCI);
    tree.begin(&unit("unimux", map::DOORBELL_BASE));
    tree.add(RDMA_FUNCTION);
    tree.cells("function-id", &[function]);
    tree.cells("peers", peers);
    tree.end();
    tree.add(EVENT);
    tree.end();
    tree.finish()
}

fn chosen(tree: &mut FlatTree, guest: &Guest, place: &GuestLayout) {
    tree.begin("chosen");
    tree.texts("stdout-path", &[&unit("/pl011", map::UART_BASE)]);
    tree.texts("bootargs", &[&guest.arguments]);
    if let (Some(offset), Some(payload)) = (place.payload_offset, guest.payload) {
        let start = map::RAM_BASE + offset;
        tree.cells("linux,initrd-start", &pair(start));
        tree.cells("linux,initrd-end", &pair(start + payload.len_bytes));
    }
    tree.end();
}

fn cpus(tree: &mut FlatTree, count: u32) {
    tree.add(CPUS);
    for index in 0..count {
        tree.begin(&unit("cpu", u64::from(index)));
        tree.add(CPU);
        tree.cells("reg", &[index]);
        tree.end();
    }
    tree.end();
}

fn interrupt_controller(tree: &mut FlatTree, vcpus: usize) {
    let frames = Kind::frames(vcpus).map(|(base, len_bytes)| reg(base, len_bytes));
    tree.begin(&unit("intc", map::GICD_BASE));
    tree.add(INTERRUPT_CONTROLLER);
    tree.cells("reg", frames.as_flattened());
    tree.end();
}
