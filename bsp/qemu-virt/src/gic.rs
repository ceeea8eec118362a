//! The two interrupt controllers that the machine can have, `gic-version=2` and `3`.

use unimux_board::{GicV2, GicV3, Range};

use crate::{UART, VIRTIO};

/// What depends on it.
pub trait Model {
    /// Its kind.
    type Gic;
    /// The board's name.
    const NAME: &'static str;
    /// Where it is.
    const GIC: Self::Gic;
    /// All devices of the board that Unimux uses.
    const DEVICES: &'static [Range];
}

/// A GICv3.
#[derive(Debug)]
pub struct V3;

impl Model for V3 {
    type Gic = GicV3;
    const NAME: &'static str = "qemu-virt";
    const GIC: GicV3 = GicV3 {
        distributor: Range::new(0x0800_0000, 0x1_0000),
        redistributors: Range::new(0x080a_0000, 0xf6_0000),
    };
    const DEVICES: &'static [Range] = &[
        Self::GIC.distributor,
        Self::GIC.redistributors,
        UART,
        VIRTIO,
    ];
}

/// A GICv2.
#[derive(Debug)]
pub struct V2;

impl Model for V2 {
    type Gic = GicV2;
    const NAME: &'static str = "qemu-virt-gicv2";
    const GIC: GicV2 = GicV2 {
        distributor: Range::new(0x0800_0000, 0x1000),
        cpu_interface: [
            Range::new(0x0801_0000, 0x1000),
            Range::new(0x0801_1000, 0x1000),
        ],
        virtual_control: Range::new(0x0803_0000, 0x1000),
        virtual_cpu_interface: [
            Range::new(0x0804_0000, 0x1000),
            Range::new(0x0804_1000, 0x1000),
        ],
    };
    const DEVICES: &'static [Range] = &[
        Self::GIC.distributor,
        Self::GIC.cpu_interface[0],
        Self::GIC.cpu_interface[1],
        Self::GIC.virtual_control,
        UART,
        VIRTIO,
    ];
}
