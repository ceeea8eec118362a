//! virtio over MMIO: random bytes for the boot, and a console for the log beside a host.
#![expect(unsafe_code, reason = "drivers reach their device through addresses")]
// UNSAFETY: the hardware layer that virtio-drivers asks for, over the identity map.

use alloc::{
    alloc::{alloc_zeroed, dealloc},
    vec::Vec,
};
use core::{alloc::Layout, ptr::NonNull};

use bitflags::bitflags;
use unimux_board::Board;
use unimux_el2::lock::Lock;
use unimux_tree::Tree;
use virtio_drivers::{
    BufferDirection, Hal, PAGE_SIZE, PhysAddr,
    queue::VirtQueue,
    transport::{
        DeviceType, Transport,
        mmio::{MmioTransport, VirtIOHeader},
    },
};

use crate::{board::ThisBoard, invariant::holds};

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
    transports(tree)
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

bitflags! {
    /// What Unimux asks of a device: that it is not one of before the standard (virtio 1.2, 6).
    #[derive(Clone, Copy, Debug)]
    struct Features: u64 {
        const VERSION_1 = 1 << 32;
    }
}

/// Descriptors of a queue; a power of two.
const DESCRIPTORS: usize = 2;

/// A device of which one queue is used, for one buffer at a time.
///
/// The drivers of `virtio-drivers` for these devices have more queues and features; one small one
/// for both is less code.
pub(crate) struct Device {
    /// Stands first: it is dropped first, which resets the device, and lets its memory go.
    transport: MmioTransport<'static>,
    queue: VirtQueue<Identity, DESCRIPTORS>,
}

impl Device {
    /// The first device of this kind, if there is one, with the queue that has this number.
    fn claim(tree: &Tree<'_>, kind: DeviceType, queue: u16) -> Option<Self> {
        let mut transport = claim(tree, kind)?;
        transport.begin_init(Features::VERSION_1);
        let queue = VirtQueue::new(&mut transport, queue, false, false).ok()?;
        transport.finish_init();
        Some(Self { transport, queue })
    }

    /// Has the device read `sent` or fill `received`, whichever is not empty. How much it wrote.
    #[inline(never)]
    fn exchange<'a>(
        &mut self,
        sent: &'a [&'a [u8]],
        received: &'a mut [&'a mut [u8]],
    ) -> Option<usize> {
        let written = (self.queue).add_notify_wait_pop(sent, received, &mut self.transport);
        written.ok().map(|bytes| bytes as usize)
    }
}

/// 32 random bytes, if there is a virtio-rng. Its one queue is `requestq` (virtio 1.2, 5.4.2).
pub(crate) fn random_bytes(tree: &Tree<'_>) -> Option<[u8; 32]> {
    let mut device = Device::claim(tree, DeviceType::EntropySource, 0)?;
    let mut bytes = [0; 32];
    let received = device.exchange(&[], &mut [&mut bytes])?;
    (received == bytes.len()).then_some(bytes)
}

/// A virtio-console, which is only written to.
pub(crate) struct Console(Device);

impl Console {
    /// The first one, if there is one. Its queue 1 is the first port's `transmitq` (virtio 1.2,
    /// 5.3.2).
    pub(crate) fn claim(tree: &Tree<'_>) -> Option<Self> {
        Device::claim(tree, DeviceType::Console, 1).map(Self)
    }

    /// Writes bytes. What a console does not take is lost; there is no other to say so.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.exchange(&[bytes], &mut []);
    }
}

/// Register frames of virtio MMIO transports.
fn transports(tree: &Tree<'_>) -> Vec<(u64, u64)> {
    tree.root()
        .children()
        .filter(|node| {
            let compatible = node.property("compatible");
            compatible.and_then(|it| it.text()) == Some("virtio,mmio")
        })
        .filter_map(|node| node.reg()?.next())
        .map(|reg| (reg.address, reg.len_bytes))
        .collect()
}
