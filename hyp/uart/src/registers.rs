//! Offsets, fields and reset values (3.2, 3.3).

/// Data.
pub(crate) const DR: u64 = 0x000;
/// Receive status when read, error clear when written.
pub(crate) const RSR_ECR: u64 = 0x004;
/// Flags.
pub(crate) const FR: u64 = 0x018;
/// The first of the registers that keep what is written: ILPR.
pub(crate) const FIRST_SETTING: u64 = 0x020;
/// Raw interrupt status.
pub(crate) const RIS: u64 = 0x03c;
/// Masked interrupt status.
pub(crate) const MIS: u64 = 0x040;
/// Interrupt clear.
pub(crate) const ICR: u64 = 0x044;
/// The first identification register.
pub(crate) const PERIPHERAL_ID: u64 = 0xfe0;

/// Number of registers from ILPR to DMACR.
pub(crate) const SETTINGS: usize = 11;

/// A register that keeps what is written.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Setting {
    /// Line control.
    Lcrh = 3,
    /// Control.
    Cr = 4,
    /// Interrupt FIFO levels.
    Ifls = 5,
    /// Interrupt mask.
    Imsc = 6,
}

/// What can be written of them: ILPR, IBRD, FBRD, LCRH, CR, IFLS, IMSC, the three that keep nothing,
/// DMACR.
pub(crate) const WRITABLE: [u16; SETTINGS] =
    [0xff, 0xffff, 0x3f, 0xff, 0xff87, 0x3f, 0x7ff, 0, 0, 0, 0x7];

/// What they hold at first: as after reset, but for LCRH and CR, which are as a boot loader leaves them:
/// 8 bits, FIFOs on, enabled in both directions. Early consoles rely on it.
pub(crate) const AT_FIRST: [u16; SETTINGS] = [
    0,
    0,
    0,
    LCRH_8_BITS | LCRH_FEN,
    CR_UARTEN | CR_TXE | CR_RXE,
    0x12,
    0,
    0,
    0,
    0,
    0,
];

/// LCRH.FEN: FIFOs on.
pub(crate) const LCRH_FEN: u16 = 1 << 4;
const LCRH_8_BITS: u16 = 3 << 5;

/// CR.UARTEN: enabled.
pub(crate) const CR_UARTEN: u16 = 1 << 0;
/// CR.LBE: what is sent is received.
pub(crate) const CR_LBE: u16 = 1 << 7;
/// CR.TXE: sends.
pub(crate) const CR_TXE: u16 = 1 << 8;
/// CR.RXE: receives.
pub(crate) const CR_RXE: u16 = 1 << 9;

/// FR: clear to send, data set ready, data carrier detect.
pub(crate) const FR_SOMEBODY_LISTENS: u16 = 1 << 0 | 1 << 1 | 1 << 2;
/// FR.RXFE: nothing is received.
pub(crate) const FR_RXFE: u16 = 1 << 4;
/// FR.RXFF: the receive FIFO is full.
pub(crate) const FR_RXFF: u16 = 1 << 6;
/// FR.TXFE: all is sent.
pub(crate) const FR_TXFE: u16 = 1 << 7;

/// DR.OE: characters were lost before this one.
pub(crate) const DR_OE: u16 = 1 << 11;
/// RSR.OE: a character was lost.
pub(crate) const RSR_OE: u16 = 1 << 3;

/// RIS, MIS, IMSC, ICR: receive.
pub(crate) const RX: u16 = 1 << 4;
/// Transmit.
pub(crate) const TX: u16 = 1 << 5;
/// Receive timeout.
pub(crate) const RT: u16 = 1 << 6;
/// Overrun.
pub(crate) const OE: u16 = 1 << 10;

/// PeriphID0 to 3 and PCellID0 to 3, one byte each (3.3.15 to 3.3.22). The revision field says r1p5.
pub(crate) const IDENTIFICATION: [u8; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
