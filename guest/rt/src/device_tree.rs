//! What the guest's device tree says: RAM, payload, arguments, the kind of GIC, the RDMA function.
//!
//! Read once at boot, without a heap. A tree that lacks what a guest cannot do without is a panic.
#![expect(unsafe_code, reason = "the tree is found by address")]
// UNSAFETY: x0 at the entry is the only name of the device tree.

use core::ffi::CStr;
use core::ops::Range;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};

/// Path of the function's node.
const FUNCTION_NODE: &str = "/unimux@a000000";
/// Largest number of peers that are read.
pub const PEERS_MAX: usize = 64;

/// The guest's RDMA function, as its node describes it.
#[derive(Clone, Debug)]
pub struct Function {
    /// Address of the doorbell page.
    pub doorbell: usize,
    /// Address of the exit-counter page.
    pub counters: usize,
    /// INTID of the completion interrupt.
    pub interrupt: u32,
    /// The function's own number.
    pub id: u32,
    peers: [u32; PEERS_MAX],
    peers_len: usize,
}

impl Function {
    /// Numbers of the functions that this one may talk to.
    pub fn peers(&self) -> &[u32] {
        &self.peers[..self.peers_len]
    }
}

/// Everything a program needs of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Boot {
    pub(crate) ram: Range<usize>,
    pub(crate) payload: Option<Range<usize>>,
    pub(crate) arguments: &'static str,
    pub(crate) function: Option<Function>,
    /// Whether the interrupt controller is a GICv2.
    pub(crate) has_gic_v2: bool,
}

/// Reads the tree at `address`.
///
/// # Safety
/// `address` is a device tree that nothing changes any more.
pub(crate) unsafe fn read(address: usize) -> Boot {
    // SAFETY: the caller says that there is a tree that stays as it is; `from_raw` checks its
    // header before it believes its size.
    let tree = unsafe { Fdt::from_raw(core::ptr::with_exposed_provenance(address)) };
    let tree = tree.expect("x0 names a valid device tree");
    let chosen = tree.find_node("/chosen");
    let address_of = |name| chosen.and_then(|node| number(node, name));
    let payload = match (
        address_of("linux,initrd-start"),
        address_of("linux,initrd-end"),
    ) {
        (Some(start), Some(end)) if start < end => Some(start..end),
        _ => None,
    };
    Boot {
        ram: ram(tree),
        payload,
        arguments: chosen.and_then(|node| text(node, "bootargs")).unwrap_or(""),
        function: tree.find_node(FUNCTION_NODE).map(function),
        has_gic_v2: has_gic_v2(tree),
    }
}

fn ram(tree: Fdt<'static>) -> Range<usize> {
    let node = tree
        .root()
        .children()
        .find(|node| node.name_without_address() == "memory")
        .expect("the tree has a memory node");
    let (base, size) = first_regs::<1>(node)[0];
    base..base + size
}

/// Compatible values of a GICv2 (Linux' binding arm,gic) that Unimux or QEMU's `virt` machine gives.
const GIC_V2: [&str; 2] = ["arm,gic-400", "arm,cortex-a15-gic"];

fn has_gic_v2(tree: Fdt<'static>) -> bool {
    let mut nodes = tree.root().children();
    nodes.any(|node| text(node, "compatible").is_some_and(|it| GIC_V2.contains(&it)))
}

fn function(node: FdtNode<'static>) -> Function {
    let [doorbell, counters] = first_regs::<2>(node);
    let mut peers = [0; PEERS_MAX];
    let mut peers_len = 0;
    for (peer, value) in peers.iter_mut().zip(cells(node, "peers")) {
        *peer = value;
        peers_len += 1;
    }
    // Binding of either GIC: type (0 SPI, 1 PPI), number within the type, flags.
    let spi = cells(node, "interrupts").nth(1);
    Function {
        doorbell: doorbell.0,
        counters: counters.0,
        interrupt: spi.expect("the function has an interrupt") + 32,
        id: cells(node, "function-id")
            .next()
            .expect("the function has a number"),
        peers,
        peers_len,
    }
}

/// The first `N` entries of `reg`, as base and size.
fn first_regs<const N: usize>(node: FdtNode<'static>) -> [(usize, usize); N] {
    let mut regs = node
        .reg()
        .expect("reg is well-formed")
        .expect("the node has a reg");
    core::array::from_fn(|_| {
        let reg = regs
            .next()
            .expect("reg has as many entries as its binding says");
        (
            reg.address::<u64>().expect("an address fits 64 bits") as usize,
            reg.size::<u64>().expect("a size fits 64 bits") as usize,
        )
    })
}

fn value(node: FdtNode<'static>, name: &str) -> Option<&'static [u8]> {
    node.properties()
        .find(|property| property.name() == name)
        .and_then(|property| property.value_as().ok())
}

/// The big-endian 32-bit cells of a property; none if it is absent.
fn cells(node: FdtNode<'static>, name: &str) -> impl Iterator<Item = u32> + use<> {
    let value = value(node, name).unwrap_or(&[]);
    value
        .as_chunks()
        .0
        .iter()
        .map(|cell| u32::from_be_bytes(*cell))
}

/// A number of one or two cells.
fn number(node: FdtNode<'static>, name: &str) -> Option<usize> {
    let number = |high: u64, cell: u32| high << 32 | u64::from(cell);
    value(node, name)?;
    Some(cells(node, name).fold(0, number) as usize)
}

fn text(node: FdtNode<'static>, name: &str) -> Option<&'static str> {
    CStr::from_bytes_until_nul(value(node, name)?)
        .ok()?
        .to_str()
        .ok()
}
