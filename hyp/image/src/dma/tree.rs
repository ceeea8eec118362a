//! DMA engines in the device tree.
//!
//! Bindings of Linux: `xlnx,zynqmp-dma-1.0.yaml`, and `xilinx_dma.txt` for the AXI CDMA. Looked for
//! under the root and on its buses, whose addresses are those of the root.

#[cfg(feature = "cdma")]
use unimux_engine::cdma::Build;
use unimux_engine::dma::CHANNELS_MAX;
use unimux_scenario::EngineKind;
use unimux_tree::{Node, Tree};

/// A channel of an engine, or an engine of one channel.
pub(crate) struct Device {
    /// First byte and bytes of its registers.
    pub(crate) registers: (u64, u64),
    /// It sees the cores' caches.
    pub(crate) is_coherent: bool,
    #[cfg(feature = "cdma")]
    pub(crate) build: Build,
}

/// The devices of a kind: the first ones, if there are more than an engine can have.
pub(crate) fn devices(tree: &Tree<'_>, kind: EngineKind) -> heapless::Vec<Device, CHANNELS_MAX> {
    let (compatible, most): (&[u8], _) = match kind {
        EngineKind::Cdma => (b"xlnx,axi-cdma-1.00.a", 1),
        _ => (b"xlnx,zynqmp-dma-1.0", CHANNELS_MAX),
    };
    let on_buses = tree.root().children().flat_map(|bus| bus.children());
    let found = tree.root().children().chain(on_buses);
    let found = found.filter(|node| {
        let names = node.property("compatible");
        let is_it =
            names.is_some_and(|it| it.value().split(|b| *b == 0).any(|it| it == compatible));
        is_it && !is_disabled(node)
    });
    found.filter_map(|node| device(&node)).take(most).collect()
}

fn is_disabled(node: &Node<'_>) -> bool {
    let status = node.property("status").and_then(|it| it.text());
    status.is_some_and(|it| it != "okay" && it != "ok")
}

fn device(node: &Node<'_>) -> Option<Device> {
    let registers = node.reg()?.next()?;
    Some(Device {
        registers: (registers.address, registers.len_bytes),
        is_coherent: node.property("dma-coherent").is_some(),
        #[cfg(feature = "cdma")]
        build: build(node),
    })
}

/// How an AXI CDMA was built. What the tree leaves out is what the binding says, or the least that a
/// core can do.
#[cfg(feature = "cdma")]
fn build(node: &Node<'_>) -> Build {
    let number = |node: &Node<'_>, name: &str| node.property(name).and_then(|it| it.number());
    let channel = node.children().next();
    let channel = channel.as_ref().unwrap_or(node);
    Build {
        address_bits: number(node, "xlnx,addrwidth").unwrap_or(32),
        length_bits: number(node, "xlnx,sg-length-width").unwrap_or(23),
        beat_bytes: number(channel, "xlnx,datawidth").unwrap_or(1024) / 8,
        shifts: channel.property("xlnx,include-dre").is_some(),
        is_coherent: node.property("dma-coherent").is_some(),
        interrupts: false,
    }
}
