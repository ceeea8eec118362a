//! Where a GICv2's interrupts go: SGIs by sender and receiver, SPIs by their targets.

use unimux_vgic::{Line, ListState, V2, VcpuSet};

use crate::machine::{Cpu, Machine, intid};
use crate::v2_registers::{CPENDSGIR, SGIR, SPENDSGIR};

#[test]
fn the_filter_of_an_sgi_says_to_whom() {
    let cases = [
        ("to those listed", 0x0006_0005, 0b110),
        ("itself too", 0x0003_0005, 0b011),
        ("those that exist", 0x00F8_0005, 0),
        ("to all others", 0x0100_0005, 0b110),
        ("whatever the list", 0x01FF_0005, 0b110),
        ("to itself", 0x0200_0005, 0b001),
        ("reserved: to nobody", 0x03FF_0005, 0),
        ("NSATT is nothing", 0x0004_8005, 0b100),
    ];
    for (what, value, expected) in cases {
        let mut gic = V2::booted(3, true);
        let wake = gic.write(0, SGIR, 4, value);
        let pending = (0..3_u32).map(|vcpu| (gic.read(vcpu as usize, 0x200, 4) >> 5 & 1) << vcpu);
        assert_eq!(pending.sum::<u64>(), expected, "{what}");
        for vcpu in 0..3 {
            assert_eq!(wake.contains(vcpu), expected >> vcpu & 1 != 0, "{what}");
        }
    }
}

#[test]
fn an_sgi_comes_once_from_each_sender() {
    let mut gic = V2::booted(4, true);
    let mut cpu = Cpu::default();
    for sender in [3, 1, 3, 2] {
        assert_eq!(gic.write(sender, SGIR, 4, 0x0001_0007), VcpuSet::of(0));
    }
    assert_eq!(gic.read(0, SPENDSGIR + 7, 1), 0b1110);
    assert_eq!(gic.read(0, 0x200, 4), 1 << 7);
    cpu.enter(&mut gic, 0);
    assert_eq!(
        cpu.drain(&mut gic, 0),
        [1 << 10 | 7, 2 << 10 | 7, 3 << 10 | 7]
    );
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(gic.read(0, SPENDSGIR + 7, 1), 0);
}

#[test]
fn an_sgi_that_is_sent_while_one_is_handled_waits_for_its_end() {
    for second in [1, 2] {
        let mut gic = V2::booted(3, true);
        let mut cpu = Cpu::default();
        let _ = gic.write(1, SGIR, 4, 0x0001_0000);
        cpu.enter(&mut gic, 0);
        assert_eq!(cpu.acknowledge::<V2>(), Some(1 << 10));
        assert_eq!(gic.write(second, SGIR, 4, 0x0001_0000), VcpuSet::of(0));
        cpu.exit_and_enter(&mut gic, 0);
        let entry = cpu.entry::<V2>(0);
        assert_eq!((entry.state, entry.sender), (ListState::Active, 1));
        cpu.end::<V2>(1 << 10);
        assert_eq!(cpu.drain(&mut gic, 0), [(second as u32) << 10]);
    }
}

#[test]
fn an_sgi_can_be_taken_back_from_one_sender() {
    let mut gic = V2::booted(3, true);
    let mut cpu = Cpu::default();
    let _ = gic.write(1, SGIR, 4, 0x0001_0004);
    let _ = gic.write(2, SGIR, 4, 0x0001_0004);
    // One is in a list register by now; the guest exits to write.
    cpu.enter(&mut gic, 0);
    assert_eq!(gic.read(0, CPENDSGIR + 4, 1), 0b110, "as listed");
    let _ = gic.retire(0, cpu.lists());
    let _ = gic.write(0, CPENDSGIR + 4, 1, 0b010);
    cpu.enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), [2 << 10 | 4]);
    // And once more, by word, until none is left.
    let _ = gic.write(0, SPENDSGIR + 4, 4, 0b101);
    let _ = gic.write(0, CPENDSGIR + 4, 4, 0b001);
    assert_eq!(gic.read(0, 0x200, 4), 1 << 4);
    let _ = gic.write(0, CPENDSGIR + 4, 4, 0b100);
    assert_eq!(gic.read(0, 0x200, 4), 0);
    assert!(cpu.exit_and_enter(&mut gic, 0).lists().is_empty());
}

/// A list register that was written and not run with: what is taken back of it is known here alone.
#[test]
fn an_sgi_can_be_taken_back_from_a_list_register() {
    for (taken_back, handled) in [(0b010, vec![]), (0b100, vec![1 << 10 | 4])] {
        let mut gic = V2::booted(3, true);
        let mut cpu = Cpu::default();
        let _ = gic.write(1, SGIR, 4, 0x0001_0004);
        cpu.enter(&mut gic, 0);
        let wake = gic.write(0, CPENDSGIR + 4, 1, taken_back);
        assert_eq!(wake.is_empty(), !handled.is_empty(), "whether it is stale");
        cpu.exit_and_enter(&mut gic, 0);
        assert_eq!(cpu.drain(&mut gic, 0), handled);
    }
}

#[test]
fn an_spi_for_several_goes_to_one_of_them() {
    let mut gic = V2::booted(4, true);
    let _ = gic.write(0, 0x830, 1, 0b1100);
    assert_eq!(gic.pulse(Line::Shared(intid(48))), VcpuSet::of(2));
    let mut cpu = Cpu::default();
    assert!(cpu.enter(&mut gic, 3).lists().is_empty());
    cpu.enter(&mut gic, 2);
    assert_eq!(cpu.drain(&mut gic, 2), [48]);
}

#[test]
fn an_spi_for_nobody_waits() {
    let mut gic = V2::booted(2, true);
    let _ = gic.write(0, 0x830, 1, 0);
    assert!(gic.pulse(Line::Shared(intid(48))).is_empty());
    assert_eq!(gic.write(0, 0x830, 1, 2), VcpuSet::of(1));
}
