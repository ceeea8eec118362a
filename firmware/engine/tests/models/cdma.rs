//! An AXI CDMA as PG034 describes it, strict: what a driver must not do is a failure.
//!
//! All offsets, masks and values are typed from the product guide, none taken from the driver.

use std::cell::RefCell;
use std::rc::Rc;

use unimux_engine::cdma::Build;
use unimux_engine::dma::Registers;

use crate::world::World;

const CR: usize = 0x00;
const SR: usize = 0x04;
const RESET: u32 = 1 << 2;
const SG_MODE: u32 = 1 << 3;
/// Bits of CDMACR that are not reserved.
const CR_BITS: u32 = 0xffff_707c;
const CR_OUT_OF_RESET: u32 = 0x0001_0000;
const IDLE: u32 = 1 << 1;
const SG_INCLUDED: u32 = 1 << 3;
const ERRORS: u32 = 0x770;
const IRQS: u32 = 0x7000;
const IOC: u32 = 1 << 12;
const ERR: u32 = 1 << 14;

/// How a core behaves, for tests of what goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It carries out what it was told at once.
    #[default]
    Prompt,
    /// When [`CdmaBlock::go_on`] is called.
    Held,
    /// It reports these errors at the transfer of this number.
    Fails { at: usize, errors: u32 },
    /// Says that it is done and has not written the last descriptor's status.
    Forgets,
    /// Never ends, but can be reset.
    Hangs,
    /// Never ends, nor is the reset ever over before [`CdmaBlock::go_on`] is called.
    Jams,
}

struct State {
    cr: u32,
    sr: u32,
    /// Looks at CDMACR until a reset is over.
    resets: u32,
    curdesc: u64,
    taildesc: u64,
    sa: u64,
    da: u64,
    btt: u32,
    /// Scatter/gather mode was entered since the last start: a new first descriptor is taken.
    takes_first: bool,
    behaviour: Behaviour,
    starts: usize,
}

/// The register block; clones are the same one.
#[derive(Clone)]
pub(crate) struct CdmaBlock {
    world: World,
    build: Build,
    has_lists: bool,
    state: Rc<RefCell<State>>,
}

impl CdmaBlock {
    /// A core out of reset.
    pub(crate) fn new(world: &World, build: Build, has_lists: bool) -> Self {
        let included = if has_lists { SG_INCLUDED } else { 0 };
        Self {
            world: world.clone(),
            build,
            has_lists,
            state: Rc::new(RefCell::new(State {
                cr: CR_OUT_OF_RESET,
                sr: IDLE | included | 1 << 16,
                resets: 0,
                curdesc: 0,
                taildesc: 0,
                sa: 0,
                da: 0,
                btt: 0,
                takes_first: false,
                behaviour: Behaviour::Prompt,
                starts: 0,
            })),
        }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.state.borrow_mut().behaviour = behaviour;
    }

    pub(crate) fn starts(&self) -> usize {
        self.state.borrow().starts
    }

    /// Whether its interrupt line is up.
    pub(crate) fn interrupts(&self) -> bool {
        let state = self.state.borrow();
        state.cr & state.sr & IRQS != 0
    }

    /// A held core carries out what it was told; a reset that jams is over.
    pub(crate) fn go_on(&self) {
        self.behave(Behaviour::Prompt);
        let is_in_reset = self.state.borrow().cr & RESET != 0;
        if is_in_reset {
            self.state.borrow_mut().resets = 1;
        } else if self.state.borrow().sr & IDLE == 0 {
            self.carry_out();
        }
    }

    fn begin(&self) {
        self.world.assert_fenced();
        let mut state = self.state.borrow_mut();
        assert_ne!(state.sr & IDLE, 0, "started while it is busy");
        assert_eq!(
            state.sr & ERRORS,
            0,
            "started after an error without a reset"
        );
        assert_eq!(
            state.sr & IRQS,
            0,
            "an old interrupt would pass for the new job's"
        );
        state.sr &= !IDLE;
        state.starts += 1;
        let behaviour = state.behaviour;
        drop(state);
        match behaviour {
            Behaviour::Held | Behaviour::Hangs | Behaviour::Jams => {}
            _ => self.carry_out(),
        }
    }

    fn carry_out(&self) {
        if self.state.borrow().cr & SG_MODE != 0 {
            return self.carry_out_chain();
        }
        let (sa, da, btt) = {
            let state = self.state.borrow();
            (state.sa, state.da, state.btt)
        };
        let moved = self.transfer(0, sa, da, btt);
        self.end(moved, 1);
    }

    /// One transfer, or the errors with which it ends.
    fn transfer(&self, index: usize, from: u64, to: u64, len: u32) -> Result<(), u32> {
        let build = self.build;
        assert!(len > 0 && len < 1 << build.length_bits, "length {len:#x}");
        for address in [from, to] {
            let end = address.checked_add(u64::from(len)).unwrap();
            let beyond = end.checked_shr(build.address_bits).unwrap_or(0);
            assert_eq!(beyond, 0, "{address:#x} has more bits than the core");
        }
        let shift = (from ^ to) & u64::from(build.beat_bytes - 1);
        assert!(build.shifts || shift == 0, "it does not shift bytes");
        if let Behaviour::Fails { at, errors } = self.state.borrow().behaviour
            && at == index
        {
            return Err(errors);
        }
        let data = self
            .world
            .device_read(from, len as usize, build.is_coherent);
        self.world.device_write(to, &data, build.is_coherent);
        Ok(())
    }

    fn carry_out_chain(&self) {
        let (mut at, tail) = {
            let mut state = self.state.borrow_mut();
            assert!(state.takes_first, "the mode was not entered anew");
            state.takes_first = false;
            (state.curdesc, state.taildesc)
        };
        let threshold = self.state.borrow().cr >> 16 & 0xff;
        let mut count = 0;
        loop {
            assert_eq!(at % 64, 0, "descriptors are aligned to 64 bytes");
            let bytes = self.world.device_read(at, 32, self.build.is_coherent);
            let long =
                |first: usize| u64::from_le_bytes(bytes[first..first + 8].try_into().unwrap());
            let (next, from, to) = (long(0), long(8), long(16));
            let (control, status) = (long(24) as u32, (long(24) >> 32) as u32);
            if status >> 31 != 0 {
                return self.end(Err(1 << 8), 0);
            }
            assert_eq!(status, 0, "status has to be zero");
            assert_eq!(next % 64, 0, "descriptors are aligned to 64 bytes");
            if let Err(errors) = self.transfer(count, from, to, control) {
                return self.end(Err(errors), 0);
            }
            let is_last = at == tail;
            let forgets = self.state.borrow().behaviour == Behaviour::Forgets;
            if !(is_last && forgets) {
                let done = (1_u32 << 31).to_le_bytes();
                self.world
                    .device_write(at + 28, &done, self.build.is_coherent);
            }
            count += 1;
            if is_last {
                return self.end(Ok(()), count as u32 / threshold);
            }
            at = next;
        }
    }

    fn end(&self, result: Result<(), u32>, completions: u32) {
        let mut state = self.state.borrow_mut();
        match result {
            Ok(()) => {
                state.sr |= IDLE;
                state.sr |= if completions > 0 { IOC } else { 0 };
            }
            Err(errors) => {
                assert_eq!(errors & !ERRORS, 0);
                state.sr |= errors | ERR;
            }
        }
    }

    fn write_control(&self, value: u32) {
        assert_eq!(value & !CR_BITS, 0, "reserved bits: {value:#x}");
        let mut state = self.state.borrow_mut();
        if value & RESET != 0 {
            state.cr = RESET;
            state.resets = if state.behaviour == Behaviour::Jams {
                u32::MAX
            } else {
                3
            };
            return;
        }
        assert_ne!(state.sr & IDLE, 0, "control is changed while it is busy");
        assert_ne!(value >> 16 & 0xff, 0, "a threshold of 0");
        assert_eq!(value & 0x70, 0, "no key hole, not cyclic");
        if value & SG_MODE == 0 {
            (state.curdesc, state.taildesc) = (0, 0);
        } else {
            assert!(self.has_lists, "there is no scatter/gather engine");
            state.takes_first |= state.cr & SG_MODE == 0;
        }
        state.cr = value;
    }

    /// Writes half of an address. Whether that was the half which is written last.
    fn write_half(&self, offset: usize, value: u32) -> bool {
        let wide = self.build.address_bits > 32;
        let is_high = offset % 8 == 4;
        assert!(
            wide || !is_high,
            "a core of 32 address bits has no upper halves"
        );
        let mut state = self.state.borrow_mut();
        let place = match offset & !7 {
            0x08 => &mut state.curdesc,
            0x10 => &mut state.taildesc,
            0x18 => &mut state.sa,
            _ => &mut state.da,
        };
        *place = match is_high {
            true => *place & 0xffff_ffff | u64::from(value) << 32,
            false => *place & !0xffff_ffff | u64::from(value),
        };
        is_high == wide
    }
}

impl Registers for CdmaBlock {
    fn read(&self, offset: usize) -> u32 {
        let mut state = self.state.borrow_mut();
        if state.cr & RESET != 0 {
            assert_eq!(offset, CR, "looked at while it resets");
            if state.resets != u32::MAX {
                state.resets -= 1;
            }
            if state.resets == 0 {
                state.cr = CR_OUT_OF_RESET;
                state.sr = IDLE | state.sr & SG_INCLUDED | 1 << 16;
            }
        }
        match offset {
            CR => state.cr,
            SR => state.sr,
            _ => panic!("{offset:#x} says nothing that a driver needs"),
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        let (cr, sr) = {
            let state = self.state.borrow();
            (state.cr, state.sr)
        };
        assert!(cr & RESET == 0, "told something while it resets");
        let is_idle = sr & IDLE != 0;
        match offset {
            CR => self.write_control(value),
            SR => {
                assert_eq!(value & !IRQS, 0, "{value:#x} is read only");
                self.state.borrow_mut().sr &= !value;
            }
            0x08 | 0x0c => {
                assert!(is_idle, "CURDESC is written while it is busy");
                assert_ne!(cr & SG_MODE, 0, "CURDESC is cleared in simple mode");
                self.write_half(offset, value);
            }
            0x10 | 0x14 => {
                assert_ne!(cr & SG_MODE, 0, "TAILDESC is cleared in simple mode");
                if self.write_half(offset, value) {
                    self.begin();
                }
            }
            0x18 | 0x1c | 0x20 | 0x24 => {
                assert!(is_idle, "SA or DA is written while it is busy");
                assert_eq!(cr & SG_MODE, 0, "SA or DA has no effect");
                self.write_half(offset, value);
            }
            0x28 => {
                assert!(is_idle, "BTT is written while it is busy");
                assert_eq!(cr & SG_MODE, 0, "BTT has no effect");
                self.state.borrow_mut().btt = value;
                self.begin();
            }
            _ => panic!("no register at {offset:#x}"),
        }
    }
}
