//! Configuration space is as PCI says.

use proptest::prelude::*;
use unimux_pci::{Bus, ECAM_BYTES, FUNCTION_DEVICE, Identity, Life};

const IDENTITY: Identity = Identity {
    abi: 0x1_0002,
    function: 7,
    partition: 3,
    bar_bytes: 8192,
};
/// The function's configuration space.
const FUNCTION: u64 = (FUNCTION_DEVICE as u64) << 15;
const COMMAND: u64 = FUNCTION + 4;
const STATUS: u64 = FUNCTION + 6;
const BAR_0: u64 = FUNCTION + 0x10;
const DISABLE: u64 = 1 << 10;

fn bus() -> Bus {
    Bus::new(IDENTITY)
}

fn read(bus: &Bus, offset: u64, len_bytes: usize) -> u64 {
    bus.read(offset, len_bytes, || Life {
        exits: 0x1_0000_0005,
        timer_exits: 0x2_0000_0006,
        lives_before: 9,
        function_exits: 0x3_0000_0007,
    })
}

fn ones(len_bytes: usize) -> u64 {
    u64::MAX >> (64 - 8 * len_bytes)
}

#[test]
fn an_absent_device_reads_as_ones_and_ignores_stores() {
    let mut bus = bus();
    for device in 0..256 {
        if device == 0 || device == u64::from(FUNCTION_DEVICE) << 3 {
            continue;
        }
        let offset = device << 12;
        assert!(!bus.write(offset + 4, 4, u64::MAX));
        for len_bytes in [1, 2, 4] {
            let value = read(&bus, offset, len_bytes);
            assert_eq!(value & ones(len_bytes), ones(len_bytes), "{device}");
        }
    }
    assert_eq!(read(&bus, FUNCTION, 4), 0x756d_1234);
    assert_eq!(read(&bus, 0, 4), 0x7562_1234);
    assert_eq!(read(&bus, 0x0b, 1), 6, "a host bridge");
    assert_eq!(read(&bus, FUNCTION + 0x0a, 2), 0x0207, "InfiniBand");
}

#[test]
fn a_bar_says_its_size_when_ones_are_written() {
    let mut bus = bus();
    assert!(!bus.write(BAR_0, 4, 0xffff_ffff));
    assert_eq!(read(&bus, BAR_0, 4), 0xffff_e000);
    assert!(!bus.write(BAR_0, 4, 0x0a00_0000));
    assert_eq!(read(&bus, BAR_0, 4), 0x0a00_0000);
    for bar in 1..6 {
        assert!(!bus.write(BAR_0 + 4 * bar, 4, 0xffff_ffff));
        assert_eq!(read(&bus, BAR_0 + 4 * bar, 4), 0, "there is no BAR {bar}");
    }
}

#[test]
fn the_capability_says_who_the_function_is() {
    let bus = bus();
    assert_ne!(read(&bus, STATUS, 2) & 1 << 4, 0, "there is a list");
    let at = FUNCTION + read(&bus, FUNCTION + 0x34, 1);
    assert_eq!(read(&bus, at, 1), 0x09, "vendor-specific");
    assert_eq!(read(&bus, at + 1, 1), 0, "the last one");
    assert_eq!(read(&bus, at + 2, 1), 44);
    let words = [4, 8, 12, 16, 20, 24, 28, 32, 36, 40].map(|offset| read(&bus, at + offset, 4));
    assert_eq!(words, [0x1_0002, 7, 3, 5, 1, 6, 2, 9, 7, 3]);
    assert_eq!(read(&bus, at + 44, 4), 0, "behind it");
    assert_eq!(read(&bus, FUNCTION + 0x100, 4), 0, "no extended ones");
}

#[test]
fn an_interrupt_is_sent_once_and_none_is_lost() {
    let mut bus = bus();
    let pending = |bus: &Bus| read(bus, STATUS, 2) & 1 << 3 != 0;
    assert!(!pending(&bus) && bus.raise() && pending(&bus));
    // The handler: it is ours, so it is masked, which takes it back.
    assert!(!bus.write(COMMAND, 2, DISABLE | 2));
    assert!(!pending(&bus));
    // Between that and the program's return to sleep.
    assert!(!bus.raise() && pending(&bus));
    assert!(bus.write(COMMAND, 2, 2), "what was raised is sent");
    assert!(!bus.write(COMMAND, 2, DISABLE));
    assert!(!bus.write(COMMAND, 2, 0), "nothing was raised");
}

proptest! {
    /// Parts of a word are the word's parts, loads and stores alike.
    #[test]
    fn parts_of_a_word_are_its_parts(word in 0..1024_u64, value: u32, at in 0..4_u64, len in 0..2_u32) {
        let (len_bytes, at) = (1_usize << len, at & !((1 << len) - 1));
        let offset = FUNCTION + word * 4;
        let (mut whole, mut part) = (bus(), bus());
        let _ = whole.write(offset, 4, u64::from(value));
        let all = read(&whole, offset, 4);
        prop_assert_eq!(read(&whole, offset + at, len_bytes), all >> (8 * at) & ones(len_bytes));
        for byte in 0..4 {
            let _ = part.write(offset + byte, 1, u64::from(value) >> (8 * byte));
        }
        prop_assert_eq!(read(&part, offset, 4), all);
    }

    /// No store makes a load of anything but what PCI lets it: what is read-only stays.
    #[test]
    fn nonsense_changes_only_what_can_be_written(
        stores in prop::collection::vec((0..ECAM_BYTES, 0..16_usize, any::<u64>()), 0..200),
    ) {
        let mut bus = bus();
        let fresh = bus.clone();
        for (offset, len_bytes, value) in stores {
            let _ = bus.write(offset, len_bytes, value);
            let _ = read(&bus, offset, len_bytes);
        }
        // The devices that there are, and as many that there are not.
        for word in (0..4 << 12).map(|it| it & 0xfff | (it >> 12) << 14).step_by(4) {
            let writable = match word {
                COMMAND => 0x406,
                BAR_0 => 0xffff_e000,
                _ if word == FUNCTION + 0x3c => 0xff,
                _ => 0,
            };
            let (now, before) = (read(&bus, word, 4), read(&fresh, word, 4));
            prop_assert_eq!(now & !writable, before & !writable, "at {:#x}", word);
        }
        bus.reset();
        for word in (FUNCTION..FUNCTION + 256).step_by(4) {
            prop_assert_eq!(read(&bus, word, 4), read(&fresh, word, 4), "at {:#x}", word);
        }
    }
}
