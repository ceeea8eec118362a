//! What a program is given: its memory, its payload, its arguments, its function.
#![expect(unsafe_code, reason = "RAM and payload become Rust values here")]
// UNSAFETY: the addresses come from the device tree.

use core::ops::Range;

use crate::device_tree::{self, Function};
use crate::gic;
use crate::memory::FreeMemory;

/// The machine as its one program owns it. There is one value per boot.
#[derive(Debug)]
pub struct Guest {
    /// RAM that the program may take.
    pub memory: FreeMemory,
    /// The RDMA function; none on a machine without Unimux.
    pub function: Option<Function>,
    ram: Range<usize>,
    payload: &'static mut [u8],
    arguments: &'static str,
}

// SAFETY: the linker script defines it; only its address is used.
unsafe extern "C" {
    static guest_image_end: u8;
}

impl Guest {
    /// Reads the tree that the entry code was given. Called once per boot.
    pub(crate) fn at_boot(dtb_ipa: u64) -> Self {
        // SAFETY: the entry code passes on what it got in x0, and the boot protocol says that is
        // the device tree; it lies below the image, in RAM that `free` below leaves out.
        let boot = unsafe { device_tree::read(dtb_ipa as usize) };
        gic::set_version(boot.has_gic_v2);
        let image_end = (&raw const guest_image_end).expose_provenance();
        let payload = boot.payload.unwrap_or(boot.ram.end..boot.ram.end);
        let inside = boot.ram.contains(&image_end)
            && image_end <= payload.start
            && payload.start <= payload.end
            && payload.end <= boot.ram.end;
        assert!(
            inside,
            "payload {payload:x?} and image end {image_end:#x} fit {:x?}",
            boot.ram
        );
        // QEMU puts its tree and an initrd above the image, Unimux puts the tree below it.
        let free_end = if dtb_ipa as usize >= image_end {
            payload.start.min(dtb_ipa as usize)
        } else {
            payload.start
        };
        // SAFETY: from the end of the image to the payload or the tree there is RAM that nothing
        // lies in (the linker script puts stacks and bss before `guest_image_end`), and `at_boot`
        // runs once.
        let memory = unsafe { FreeMemory::new(image_end..free_end) };
        // SAFETY: the payload is RAM in the range that was just left out of the free memory, and
        // `at_boot` runs once; any bytes are valid.
        let payload = unsafe {
            core::slice::from_raw_parts_mut(
                core::ptr::with_exposed_provenance_mut(payload.start),
                payload.len(),
            )
        };
        Self {
            memory,
            function: boot.function,
            ram: boot.ram,
            payload,
            arguments: boot.arguments,
        }
    }

    /// The guest's RAM.
    pub fn ram(&self) -> Range<usize> {
        self.ram.clone()
    }

    /// Takes the payload, the file that the scenario gave this guest; empty if it gave none or it
    /// was taken.
    pub fn take_payload(&mut self) -> &'static mut [u8] {
        core::mem::take(&mut self.payload)
    }

    /// The argument line of the scenario.
    pub fn arguments(&self) -> &'static str {
        self.arguments
    }

    /// The value of `name=value` in the argument line.
    pub fn argument(&self, name: &str) -> Option<&'static str> {
        self.arguments
            .split_ascii_whitespace()
            .filter_map(|word| word.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The function.
    ///
    /// # Panics
    /// If the guest has none.
    pub fn expect_function(&self) -> Function {
        self.function
            .clone()
            .expect("the scenario gives this guest a function")
    }
}
