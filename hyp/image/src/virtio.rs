//! virtio over MMIO: random bytes for the boot, and a console for the log beside a host.
#![expect(unsafe_code, reason = "drivers reach their device through addresses")]
// UNSAFETY: the hardware layer that virtio-drivers asks for, over the identity map.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::{alloc::Layout, ptr::NonNull};

use unimux_board::Board;
use unimux_el2::lock::Lock;
use unimux_tree::Tree;
use virtio_drivers::{
    BufferDirection, Hal, PAGE_SIZE, PhysAddr,
    device::{console::VirtIOConsole, rng::VirtIORng},
    transport::{
        DeviceType, Transport,
        mmio::{MmioTransport, VirtIOHeader},
    },
};

use crate::{board::ThisBoard, invariant::holds, machine};

/// Memory and devices at their physical addresses.
pub(crate) struct Identity;

fn pages(count: usize) -> Layout {
    holds(
        Layout::from_size_align(count * PAGE_SIZE, PAGE_SIZE),
        "a few pages",
    )
}

// SAFETY: memory is mapped at its physical address and coherent with QEMU's devices; blocks come
// from the heap, page aligned and zeroed, and are given back with the same layout.
unsafe impl Hal for Identity {
    fn dma_alloc(count: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: the layout is not empty: the drivers ask for at least a page.
        let block = unsafe { alloc_zeroed(pages(count)) };
        let block = NonNull::new(block).expect("the heap has room at boot");
        (block.addr().get() as PhysAddr, block)
    }

    unsafe fn dma_dealloc(_physical: PhysAddr, block: NonNull<u8>, count: usize) -> i32 {
        // SAFETY: `block` came from `dma_alloc` with the same count.
        unsafe { dealloc(block.as_ptr(), pages(count)) };
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, _size: usize) -> NonNull<u8> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(physical as usize))
            .expect("no device is at address 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().expose_provenance().get() as PhysAddr
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}

/// Frames of the transports that Unimux drives, which no host may.
static CLAIMED: Lock<heapless::Vec<u64, 2>> = Lock::new(heapless::Vec::new());

/// See [`CLAIMED`].
pub(crate) fn claimed() -> heapless::Vec<u64, 2> {
    CLAIMED.lock().clone()
}

/// The first transport with a device of this kind, for Unimux alone.
fn claim(tree: &Tree<'_>, kind: DeviceType) -> Option<MmioTransport<'static>> {
    machine::virtio_transports(tree)
        .into_iter()
        // One that is looked at is reset when it is let go.
        .filter(|(base, _)| !claimed().contains(base))
        .find_map(|(base, len_bytes)| {
            let end = base.checked_add(len_bytes)?;
            // The tree is believed about the layout, but only what the board names is mapped.
            if !ThisBoard::DEVICES
                .iter()
                .any(|it| it.base <= base && end <= it.end())
            {
                return None;
            }
            let header = core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(base as usize);
            // SAFETY: a transport's frame, mapped as device memory. A driver is made of it at most
            // once: this is called once for each kind.
            let transport =
                unsafe { MmioTransport::new(NonNull::new(header)?, len_bytes as usize) };
            let transport = transport.ok().filter(|it| it.device_type() == kind)?;
            CLAIMED.lock().push(base).ok()?;
            Some(transport)
        })
}

/// 32 random bytes, if there is a virtio-rng.
pub(crate) fn random_bytes(tree: &Tree<'_>) -> Option<[u8; 32]> {
    let transport = claim(tree, DeviceType::EntropySource)?;
    let mut device = VirtIORng::<Identity, _>::new(transport).ok()?;
    let mut bytes = [0; 32];
    let received = device.request_entropy(&mut bytes).ok()?;
    (received == bytes.len()).then_some(bytes)
}

/// A virtio-console.
pub(crate) type Console = VirtIOConsole<Identity, MmioTransport<'static>>;

/// The first virtio-console, if there is one.
pub(crate) fn console(tree: &Tree<'_>) -> Option<Console> {
    VirtIOConsole::new(claim(tree, DeviceType::Console)?).ok()
}
