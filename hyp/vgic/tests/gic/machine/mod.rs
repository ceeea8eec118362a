//! A guest's driver and its CPU interface, for each version of the GIC.
//!
//! List registers are decoded here from the manuals once more, not by the code under test.

mod cpu;

pub(crate) use cpu::{Cpu, LISTS};
use unimux_vgic::{
    Intid, Line, ListState, V2, V3, VcpuSet, Version, VirtualGic,
    v3::{Frame, REDISTRIBUTOR_BYTES, SgiGroup},
};

/// What a list register says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) intid: u32,
    /// CPUID of a GICv2.
    pub(crate) sender: u32,
    pub(crate) priority: u8,
    pub(crate) state: ListState,
    /// The physical interrupt that it is linked to.
    pub(crate) physical: Option<u32>,
    /// Its end asks for maintenance.
    pub(crate) eoi: bool,
}

fn state(bits: u64) -> ListState {
    ListState::new(bits & 1 != 0, bits & 2 != 0)
}

/// What a guest can do, by version.
pub(crate) trait Machine: Version + Sized {
    /// A store to a register of shared interrupts.
    fn store(gic: &mut VirtualGic<Self>, offset: u64, width: usize, value: u64) -> VcpuSet;

    /// A store to a vCPU's register of private interrupts, at its offset in a GICv2's distributor.
    fn store_private(gic: &mut VirtualGic<Self>, vcpu: usize, offset: u64, value: u64) -> VcpuSet;

    /// Routes an SPI to a vCPU.
    fn route(gic: &mut VirtualGic<Self>, spi: u32, vcpu: u8) -> VcpuSet;

    /// Sends an SGI to a list of vCPUs.
    fn send(gic: &mut VirtualGic<Self>, from: usize, sgi: u32, targets: u64) -> VcpuSet;

    /// Decodes a list register.
    fn entry(list: u64) -> Entry;

    /// The list register in another state.
    fn with_state(list: u64, state: ListState) -> u64;

    /// What the acknowledge gives of an SGI.
    fn acknowledged(sgi: u32, sender: usize) -> u32;

    /// A GIC as a guest's driver leaves it: groups and all interrupts enabled, all SPIs routed to
    /// vCPU 0, and on edges if asked.
    fn booted(vcpus: usize, edge: bool) -> VirtualGic<Self> {
        let mut gic = VirtualGic::new(vcpus);
        let _ = Self::store(&mut gic, 0x0, 4, 0b11);
        for bank in 1..3 {
            let _ = Self::store(&mut gic, 0x100 + 4 * bank, 4, 0xFFFF_FFFF);
        }
        for half in 2..6 {
            let edges = if edge { u64::MAX } else { 0 };
            let _ = Self::store(&mut gic, 0xC00 + 4 * half, 4, edges);
        }
        for spi in 32..96 {
            let _ = Self::route(&mut gic, spi, 0);
        }
        for vcpu in 0..vcpus {
            let _ = Self::store_private(&mut gic, vcpu, 0x100, 0xFFFF_FFFF);
        }
        gic
    }

    /// Gives an SPI a priority.
    fn prioritise(gic: &mut VirtualGic<Self>, number: u32, priority: u32) {
        let _ = Self::store(gic, u64::from(0x400 + number), 1, priority.into());
    }
}

impl Machine for V3 {
    fn store(gic: &mut VirtualGic<Self>, offset: u64, width: usize, value: u64) -> VcpuSet {
        gic.write(Frame::Distributor, offset, width, value)
    }

    fn store_private(gic: &mut VirtualGic<Self>, vcpu: usize, offset: u64, value: u64) -> VcpuSet {
        let sgi_base = vcpu as u64 * REDISTRIBUTOR_BYTES + 0x1_0000;
        gic.write(Frame::Redistributors, sgi_base + offset, 4, value)
    }

    fn route(gic: &mut VirtualGic<Self>, spi: u32, vcpu: u8) -> VcpuSet {
        let router = 0x6000 + 8 * u64::from(spi);
        gic.write(Frame::Distributor, router, 8, vcpu.into())
    }

    fn send(gic: &mut VirtualGic<Self>, from: usize, sgi: u32, targets: u64) -> VcpuSet {
        gic.send_sgi(from, SgiGroup::One, u64::from(sgi) << 24 | targets)
    }

    /// IHI 0069, 12.4.2.
    fn entry(list: u64) -> Entry {
        let hardware = list >> 61 & 1 != 0;
        Entry {
            intid: list as u32,
            sender: 0,
            priority: (list >> 48) as u8,
            state: state(list >> 62),
            physical: hardware.then_some((list >> 32) as u32 & 0x1FFF),
            eoi: !hardware && list >> 41 & 1 != 0,
        }
    }

    fn with_state(list: u64, state: ListState) -> u64 {
        list & !(0b11 << 62) | (state as u64) << 62
    }

    fn acknowledged(sgi: u32, _: usize) -> u32 {
        sgi
    }
}

impl Machine for V2 {
    fn store(gic: &mut VirtualGic<Self>, offset: u64, width: usize, value: u64) -> VcpuSet {
        gic.write(0, offset, width, value)
    }

    fn store_private(gic: &mut VirtualGic<Self>, vcpu: usize, offset: u64, value: u64) -> VcpuSet {
        gic.write(vcpu, offset, 4, value)
    }

    fn route(gic: &mut VirtualGic<Self>, spi: u32, vcpu: u8) -> VcpuSet {
        gic.write(0, 0x800 + u64::from(spi), 1, 1 << vcpu)
    }

    fn send(gic: &mut VirtualGic<Self>, from: usize, sgi: u32, targets: u64) -> VcpuSet {
        gic.write(from, 0xF00, 4, targets << 16 | u64::from(sgi))
    }

    /// IHI 0048B, 5.3.8.
    fn entry(list: u64) -> Entry {
        let list = u32::try_from(list).expect("a GICH_LR has 32 bits");
        let hardware = list >> 31 & 1 != 0;
        Entry {
            intid: list & 0x3FF,
            sender: if hardware { 0 } else { list >> 10 & 7 },
            priority: (list >> 23 & 0x1F) as u8 * 8,
            state: state((list >> 28).into()),
            physical: hardware.then_some(list >> 10 & 0x3FF),
            eoi: !hardware && list >> 19 & 1 != 0,
        }
    }

    fn with_state(list: u64, state: ListState) -> u64 {
        list & !(0b11 << 28) | (state as u64) << 28
    }

    fn acknowledged(sgi: u32, sender: usize) -> u32 {
        sgi | (sender as u32) << 10
    }
}

pub(crate) fn intid(number: u32) -> Intid {
    Intid::new(number).expect("an INTID below 96")
}

pub(crate) fn spi(number: u32) -> Line {
    Line::Shared(intid(number))
}
