//! The device tree that a guest is given.
//!
//! It describes what the guest really has and nothing of the machine below. Bindings: Devicetree
//! Specification 0.4, and Linux' arm,psci, arm,gic-v3, arm,armv8-timer, arm,pl011, arm,cortex-a53.

use alloc::{format, vec, vec::Vec};

use dtoolkit::{
    ToPropertyValue,
    error::ModelError,
    model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty},
};
use unimux_paravirt::map;
use unimux_scenario::{Guest, GuestLayout};

/// Phandles of the nodes that others point to.
const GIC: u32 = 1;
const CLOCK: u32 = 2;

/// Interrupt specifier cells of arm,gic-v3: kind, number, flags.
const SPI: u32 = 0;
const PPI: u32 = 1;
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;

/// Builds nodes without a word too much.
struct NodeMaker(DeviceTreeNode);

impl NodeMaker {
    fn new(name: &str) -> Result<Self, ModelError> {
        Ok(Self(DeviceTreeNode::new(name)?))
    }

    fn with(mut self, name: &str, value: impl ToPropertyValue) -> Result<Self, ModelError> {
        self.0.add_property(DeviceTreeProperty::new(name, value)?);
        Ok(self)
    }

    fn child(mut self, child: Self) -> Self {
        self.0.add_child(child.0);
        self
    }
}

fn pair(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, value as u32]
}

fn reg(base: u64, len_bytes: u64) -> [u32; 4] {
    let ([a, b], [c, d]) = (pair(base), pair(len_bytes));
    [a, b, c, d]
}

/// Makes the tree of the guest whose function is `function`.
///
/// # Errors
/// If a name is not one that a tree can have, which would be a mistake here.
pub(crate) fn make(
    guest: &Guest,
    place: &GuestLayout,
    function: u32,
    peers: &[u32],
) -> Result<Vec<u8>, ModelError> {
    let mut tree = DeviceTree::new();
    let root = NodeMaker(core::mem::replace(
        &mut tree.root,
        DeviceTreeNode::new("root")?,
    ))
    .with("compatible", "unimux,partition-guest")?
    .with("model", format!("Unimux guest {}", guest.name).as_str())?
    .with("#address-cells", 2_u32)?
    .with("#size-cells", 2_u32)?
    .with("interrupt-parent", GIC)?
    .child(chosen(guest, place)?)
    .child(
        NodeMaker::new(&format!("memory@{:x}", map::RAM_BASE))?
            .with("device_type", "memory")?
            .with("reg", reg(map::RAM_BASE, place.ram.len_bytes()))?,
    )
    .child(cpus(guest.cores.len())?)
    .child(
        NodeMaker::new("psci")?
            .with("compatible", &["arm,psci-1.0", "arm,psci-0.2"][..])?
            .with("method", "hvc")?,
    )
    .child(timer()?)
    .child(interrupt_controller(guest.cores.len() as u64)?)
    .child(
        NodeMaker::new("clock")?
            .with("compatible", "fixed-clock")?
            .with("#clock-cells", 0_u32)?
            .with("clock-frequency", 24_000_000_u32)?
            .with("phandle", CLOCK)?,
    )
    .child(uart()?)
    .child(rdma_function(function, peers)?);
    tree.root = root.0;
    Ok(tree.to_dtb())
}

fn chosen(guest: &Guest, place: &GuestLayout) -> Result<NodeMaker, ModelError> {
    let mut chosen = NodeMaker::new("chosen")?
        .with(
            "stdout-path",
            format!("/pl011@{:x}", map::UART_BASE).as_str(),
        )?
        .with("bootargs", guest.arguments.as_str())?;
    if let (Some(offset), Some(payload)) = (place.payload_offset, guest.payload) {
        let start = map::RAM_BASE + offset;
        chosen = chosen
            .with("linux,initrd-start", pair(start))?
            .with("linux,initrd-end", pair(start + payload.len_bytes))?;
    }
    Ok(chosen)
}

fn cpus(count: usize) -> Result<NodeMaker, ModelError> {
    let mut cpus = NodeMaker::new("cpus")?
        .with("#address-cells", 1_u32)?
        .with("#size-cells", 0_u32)?;
    for index in 0..count as u32 {
        cpus = cpus.child(
            NodeMaker::new(&format!("cpu@{index:x}"))?
                .with("device_type", "cpu")?
                .with("compatible", "arm,armv8")?
                .with("enable-method", "psci")?
                .with("reg", index)?,
        );
    }
    Ok(cpus)
}

/// Only the virtual timer has an interrupt here, but the binding wants the list in its order:
/// secure physical, non-secure physical, virtual, hypervisor.
fn timer() -> Result<NodeMaker, ModelError> {
    let mut interrupts = Vec::new();
    for ppi in [13, 14, map::TIMER_INTID - 16, 10] {
        interrupts.extend([PPI, ppi, LEVEL_HIGH]);
    }
    NodeMaker::new("timer")?
        .with("compatible", "arm,armv8-timer")?
        .with("always-on", &[0_u8; 0][..])?
        .with("interrupts", interrupts)
}

fn interrupt_controller(vcpus: u64) -> Result<NodeMaker, ModelError> {
    let mut frames = reg(map::GICD_BASE, map::GICD_SIZE).to_vec();
    frames.extend(reg(map::GICR_BASE, map::GICR_STRIDE * vcpus));
    NodeMaker::new(&format!("intc@{:x}", map::GICD_BASE))?
        .with("compatible", "arm,gic-v3")?
        .with("#interrupt-cells", 3_u32)?
        .with("interrupt-controller", &[0_u8; 0][..])?
        .with("reg", frames)?
        .with("phandle", GIC)
}

fn uart() -> Result<NodeMaker, ModelError> {
    NodeMaker::new(&format!("pl011@{:x}", map::UART_BASE))?
        .with("compatible", &["arm,pl011", "arm,primecell"][..])?
        .with("reg", reg(map::UART_BASE, map::UART_SIZE))?
        .with("interrupts", [SPI, 1, LEVEL_HIGH])?
        .with("clocks", [CLOCK, CLOCK])?
        .with("clock-names", &["uartclk", "apb_pclk"][..])
}

fn rdma_function(function: u32, peers: &[u32]) -> Result<NodeMaker, ModelError> {
    let mut frames = reg(map::DOORBELL_BASE, map::DOORBELL_SIZE).to_vec();
    frames.extend(reg(map::COUNTERS_BASE, map::COUNTERS_SIZE));
    NodeMaker::new(&format!("unimux@{:x}", map::DOORBELL_BASE))?
        .with("compatible", &["unimux,rdma-function"][..])?
        .with("reg", frames)?
        .with(
            "interrupts",
            vec![SPI, map::COMPLETION_INTID - 32, EDGE_RISING],
        )?
        .with("function-id", function)?
        .with("peers", peers)
}
