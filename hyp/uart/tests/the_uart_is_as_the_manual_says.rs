//! The UART is as the manual says (PL011 TRM, DDI 0183G).

use proptest::collection::vec as list;
use proptest::prelude::*;
use unimux_uart::{LINE_BYTES, Uart};

const DR: u64 = 0x000;
const RSR_ECR: u64 = 0x004;
const FR: u64 = 0x018;
const LCRH: u64 = 0x02c;
const CR: u64 = 0x030;
const IFLS: u64 = 0x034;
const IMSC: u64 = 0x038;
const RIS: u64 = 0x03c;
const MIS: u64 = 0x040;
const ICR: u64 = 0x044;

const RXFE: u32 = 1 << 4;
const TXFF: u32 = 1 << 5;
const RXFF: u32 = 1 << 6;
const TXFE: u32 = 1 << 7;
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const OE: u32 = 1 << 10;
const NO_FIFOS: u32 = 0x60;
const ON: u32 = 0x301;

fn receive(uart: &mut Uart, bytes: impl IntoIterator<Item = u8>) {
    bytes.into_iter().for_each(|byte| uart.receive(byte));
}

#[test]
fn it_says_what_it_is() {
    let mut uart = Uart::new();
    let read = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map(|it| uart.read(it));
    // Part 011 of Arm (41), revision 3; a PrimeCell.
    assert_eq!(read, [0x11, 0x10, 0x34, 0, 0x0d, 0xf0, 0x05, 0xb1]);
    let fresh = [FR, CR, LCRH, IFLS, IMSC, RIS].map(|it| uart.read(it));
    assert_eq!(fresh, [TXFE | RXFE | 7, ON, 0x70, 0x12, 0, 0]);
}

#[test]
fn what_is_written_is_sent_and_the_interrupt_follows() {
    let mut uart = Uart::new();
    assert_eq!(uart.write(IMSC, TX), None);
    assert!(!uart.is_interrupting(), "nothing was sent yet (2.8.3)");
    assert_eq!(uart.write(DR, 0x141), Some(0x41));
    assert!(uart.is_interrupting());
    assert_eq!(uart.read(MIS), TX);
    uart.write(ICR, TX);
    assert_eq!(uart.read(RIS), 0);
    for off in [ON & !1, ON & !(1 << 8)] {
        uart.write(CR, off);
        assert_eq!(uart.write(DR, 0x41), None, "CR {off:#x}");
    }
}

#[test]
fn the_receive_interrupt_comes_at_the_trigger_level_and_ends_below() {
    for (select, level) in [(0, 4), (1, 8), (2, 16), (3, 24), (4, 28)] {
        let mut uart = Uart::new();
        uart.write(IFLS, select << 3);
        uart.write(IMSC, RX);
        receive(&mut uart, 1..level);
        assert!(!uart.is_interrupting(), "{select}");
        uart.receive(level);
        assert!(uart.is_interrupting(), "{select}");
        assert_eq!(uart.read(DR), 1);
        assert!(!uart.is_interrupting(), "{select}");
    }
    let mut uart = Uart::new();
    uart.write(LCRH, NO_FIFOS);
    uart.receive(9);
    assert_eq!(uart.read(RIS), RX | RT);
    assert_eq!(uart.read(FR) & (RXFE | RXFF), RXFF, "one holding register");
    assert_eq!((uart.read(DR), uart.read(RIS)), (9, 0));
}

#[test]
fn the_timeout_interrupt_lasts_until_all_is_read() {
    let mut uart = Uart::new();
    uart.write(IMSC, RT);
    receive(&mut uart, [1, 2]);
    uart.read(DR);
    assert_eq!(uart.read(MIS), RT);
    uart.read(DR);
    assert!(!uart.is_interrupting());
    uart.receive(3);
    uart.write(ICR, RT);
    assert!(!uart.is_interrupting(), "or until it is cleared");
    uart.receive(4);
    assert!(uart.is_interrupting());
}

/// Of UART operation, "Overrun bit": the next character that finds room is marked, the status at once.
#[test]
fn a_lost_character_is_told() {
    let mut uart = Uart::new();
    receive(&mut uart, (0..LINE_BYTES).map(|it| it as u8));
    assert_eq!((uart.read(RSR_ECR), uart.read(RIS) & OE), (0, 0));
    uart.receive(0xaa);
    assert_eq!((uart.read(RSR_ECR), uart.read(RIS) & OE), (1 << 3, OE));
    uart.read(DR);
    receive(&mut uart, [0xbb, 0xcc]);
    uart.read(DR);
    uart.receive(0xdd);
    let rest: Vec<u32> = (0..LINE_BYTES).map(|_| uart.read(DR)).collect();
    let end = &rest[LINE_BYTES - 2..];
    assert_eq!(end, [1 << 11 | 0xbb, 1 << 11 | 0xdd]);
    assert!(rest[..LINE_BYTES - 2].iter().all(|it| it >> 8 == 0));
    uart.write(ICR, OE);
    uart.write(RSR_ECR, 0);
    assert_eq!((uart.read(RSR_ECR), uart.read(RIS)), (0, 0));
}

#[test]
fn what_does_not_receive_hears_nothing() {
    for off in [0, ON & !1, ON & !(1 << 9)] {
        let mut uart = Uart::new();
        uart.write(CR, off);
        uart.receive(1);
        assert_eq!(uart.read(FR) & RXFE, RXFE, "CR {off:#x}");
    }
}

#[test]
fn in_loopback_what_is_sent_is_received_and_nothing_else() {
    let mut uart = Uart::new();
    uart.write(CR, ON | 1 << 7);
    uart.receive(1);
    assert_eq!(uart.write(DR, 2), None);
    assert_eq!((uart.read(DR), uart.read(FR) & RXFE), (2, RXFE));
}

/// What may happen.
#[derive(Clone, Debug)]
enum Deed {
    Type(Vec<u8>),
    Load(u64),
    Store(u64, u32),
}

fn deed() -> impl Strategy<Value = Deed> {
    let offset = prop_oneof![0..0x50_u64, Just(DR), Just(ICR), Just(LCRH), 0..0x1000_u64];
    prop_oneof![
        list(any::<u8>(), 0..80).prop_map(Deed::Type),
        offset.clone().prop_map(Deed::Load),
        (offset, any::<u32>()).prop_map(|(offset, value)| Deed::Store(offset, value)),
    ]
}

proptest! {
    /// A guest that reads by interrupt, as drivers do, gets all in order, at whatever settings.
    #[test]
    fn who_reads_while_it_interrupts_gets_all_in_order(
        fifos: bool,
        ifls in 0..64_u32,
        parts in list(list(any::<u8>(), 1..=LINE_BYTES), 1..8),
        read_at_most in 1..80_usize,
    ) {
        let mut uart = Uart::new();
        uart.write(LCRH, if fifos { 0x70 } else { NO_FIFOS });
        uart.write(IFLS, ifls);
        uart.write(IMSC, RX | RT);
        for part in parts {
            receive(&mut uart, part.iter().copied());
            let mut got = vec![];
            while uart.is_interrupting() {
                for _ in 0..read_at_most {
                    if uart.read(FR) & RXFE != 0 {
                        break;
                    }
                    got.push(uart.read(DR));
                }
            }
            let wanted: Vec<u32> = part.iter().map(|it| (*it).into()).collect();
            prop_assert_eq!(got, wanted);
        }
    }

    /// Nonsense leaves a UART that says nothing impossible, and that works when it is set up again.
    #[test]
    fn nonsense_is_harmless(deeds in list(deed(), 0..60)) {
        let mut uart = Uart::new();
        for deed in deeds {
            match deed {
                Deed::Type(bytes) => receive(&mut uart, bytes),
                Deed::Load(offset) => { uart.read(offset); }
                Deed::Store(offset, value) => { uart.write(offset, value); }
            }
            let flags = uart.read(FR);
            prop_assert_eq!(flags & (TXFE | TXFF), TXFE);
            prop_assert_ne!(flags & (RXFE | RXFF), RXFE | RXFF);
            let (raw, mask) = (uart.read(RIS), uart.read(IMSC));
            prop_assert_eq!(raw & !(RX | TX | RT | OE), 0);
            prop_assert_eq!(uart.read(MIS), raw & mask);
            prop_assert_eq!(uart.is_interrupting(), raw & mask != 0);
            prop_assert!(raw & (RX | RT) == 0 || flags & RXFE == 0, "nothing is received");
        }
        uart.write(CR, 0);
        while uart.read(FR) & RXFE == 0 {
            uart.read(DR);
        }
        uart.write(ICR, 0x7ff);
        uart.write(LCRH, 0x70);
        uart.write(IFLS, 0x12);
        uart.write(IMSC, RX | RT);
        uart.write(CR, ON);
        prop_assert!(!uart.is_interrupting());
        uart.receive(b'x');
        prop_assert!(uart.is_interrupting());
        prop_assert_eq!(uart.read(DR) & 0xff, u32::from(b'x'));
        prop_assert!(!uart.is_interrupting());
        prop_assert_eq!(uart.write(DR, b'y'.into()), Some(b'y'));
    }
}
