//! virtio over MMIO, as far as the boot needs it: random bytes.
#![expect(unsafe_code, reason = "drivers reach their device through addresses")]
// UNSAFETY: the hardware layer that virtio-drivers asks for, over the identity map.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::{alloc::Layout, ptr::NonNull};

use unimux_board::Board;
use virtio_drivers::{
    BufferDirection, Hal, PAGE_SIZE, PhysAddr,
    device::rng::VirtIORng,
    transport::{
        DeviceType, Transport,
        mmio::{MmioTransport, VirtIOHeader},
    },
};

use crate::{board::ThisBoard, invariant::holds};

struct Identity;

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

/// 32 random bytes from the transport at `base`, if a virtio-rng is there.
pub(crate) fn random_bytes(base: u64, len_bytes: u64) -> Option<[u8; 32]> {
    let end = base.checked_add(len_bytes)?;
    // The tree is believed about the layout, but only what the board names is mapped.
    if !ThisBoard::DEVICES
        .iter()
        .any(|it| it.base <= base && end <= it.end())
    {
        return None;
    }
    let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(
        base as usize,
    ))?;
    // SAFETY: a transport's frame, mapped as device memory, which nothing else uses.
    let transport = unsafe { MmioTransport::new(header, len_bytes as usize) }.ok()?;
    if transport.device_type() != DeviceType::EntropySource {
        return None;
    }
    let mut device = VirtIORng::<Identity, _>::new(transport).ok()?;
    let mut bytes = [0; 32];
    let received = device.request_entropy(&mut bytes).ok()?;
    (received == bytes.len()).then_some(bytes)
}
