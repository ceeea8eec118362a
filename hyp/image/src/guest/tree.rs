//! The device tree that a guest is given.
//!
//! It describes what the guest really has and nothing of the machine below. Bindings: Devicetree
//! Specification 0.4, and Linux' arm,psci, arm,gic-v3, arm,armv8-timer, arm,pl011, arm,cortex-a53.

use alloc::{string::String, vec::Vec};

use unimux_paravirt::map;
use unimux_scenario::{Guest, GuestLayout};

use crate::flat_tree::{FlatTree, pair, reg, unit};

/// Phandles of the nodes that others point to.
const GIC: u32 = 1;
const CLOCK: u32 = 2;

/// Interrupt specifier cells of arm,gic-v3: kind, number, flags.
const SPI: u32 = 0;
const PPI: u32 = 1;
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;

/// Makes the tree of the guest whose function is `function`.
pub(crate) fn make(guest: &Guest, place: &GuestLayout, function: u32, peers: &[u32]) -> Vec<u8> {
    let vcpus = guest.cores.len();
    let mut tree = FlatTree::default();
    tree.begin("");
    tree.texts("compatible", &["unimux,partition-guest"]);
    tree.texts("model", &[&(String::from("Unimux guest ") + &guest.name)]);
    tree.cells("#address-cells", &[2]);
    tree.cells("#size-cells", &[2]);
    tree.cells("interrupt-parent", &[GIC]);
    chosen(&mut tree, guest, place);
    tree.begin(&unit("memory", map::RAM_BASE));
    tree.texts("device_type", &["memory"]);
    tree.cells("reg", &reg(map::RAM_BASE, place.ram.len_bytes()));
    tree.end();
    cpus(&mut tree, vcpus as u32);
    tree.begin("psci");
    tree.texts("compatible", &["arm,psci-1.0", "arm,psci-0.2"]);
    tree.texts("method", &["hvc"]);
    tree.end();
    timer(&mut tree);
    interrupt_controller(&mut tree, vcpus as u64);
    tree.begin("clock");
    tree.texts("compatible", &["fixed-clock"]);
    tree.cells("#clock-cells", &[0]);
    tree.cells("clock-frequency", &[24_000_000]);
    tree.cells("phandle", &[CLOCK]);
    tree.end();
    uart(&mut tree);
    rdma_function(&mut tree, function, peers);
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
    tree.begin("cpus");
    tree.cells("#address-cells", &[1]);
    tree.cells("#size-cells", &[0]);
    for index in 0..count {
        tree.begin(&unit("cpu", u64::from(index)));
        tree.texts("device_type", &["cpu"]);
        tree.texts("compatible", &["arm,armv8"]);
        tree.texts("enable-method", &["psci"]);
        tree.cells("reg", &[index]);
        tree.end();
    }
    tree.end();
}

/// Only the virtual timer has an interrupt here, but the binding wants the list in its order:
/// secure physical, non-secure physical, virtual, hypervisor.
fn timer(tree: &mut FlatTree) {
    let ppis = [13, 14, map::TIMER_INTID - 16, 10];
    let interrupts = ppis.map(|ppi| [PPI, ppi, LEVEL_HIGH]);
    tree.begin("timer");
    tree.texts("compatible", &["arm,armv8-timer"]);
    tree.bytes("always-on", &[]);
    tree.cells("interrupts", interrupts.as_flattened());
    tree.end();
}

fn interrupt_controller(tree: &mut FlatTree, vcpus: u64) {
    let frames = [
        reg(map::GICD_BASE, map::GICD_SIZE),
        reg(map::GICR_BASE, map::GICR_STRIDE * vcpus),
    ];
    tree.begin(&unit("intc", map::GICD_BASE));
    tree.texts("compatible", &["arm,gic-v3"]);
    tree.cells("#interrupt-cells", &[3]);
    tree.bytes("interrupt-controller", &[]);
    tree.cells("reg", frames.as_flattened());
    tree.cells("phandle", &[GIC]);
    tree.end();
}

fn uart(tree: &mut FlatTree) {
    tree.begin(&unit("pl011", map::UART_BASE));
    tree.texts("compatible", &["arm,pl011", "arm,primecell"]);
    tree.cells("reg", &reg(map::UART_BASE, map::UART_SIZE));
    tree.cells("interrupts", &[SPI, 1, LEVEL_HIGH]);
    tree.cells("clocks", &[CLOCK, CLOCK]);
    tree.texts("clock-names", &["uartclk", "apb_pclk"]);
    tree.end();
}

fn rdma_function(tree: &mut FlatTree, function: u32, peers: &[u32]) {
    let frames = [
        reg(map::DOORBELL_BASE, map::DOORBELL_SIZE),
        reg(map::COUNTERS_BASE, map::COUNTERS_SIZE),
    ];
    tree.begin(&unit("unimux", map::DOORBELL_BASE));
    tree.texts("compatible", &["unimux,rdma-function"]);
    tree.cells("reg", frames.as_flattened());
    let interrupt = [SPI, map::COMPLETION_INTID - 32, EDGE_RISING];
    tree.cells("interrupts", &interrupt);
    tree.cells("function-id", &[function]);
    tree.cells("peers", peers);
    tree.end();
}
