//! A ZDMA channel as UG1087 describes it, strict: what a driver must not do is a failure.
//!
//! All offsets, masks and values are typed from the manual, none taken from the driver. It moves
//! bytes in the world's memory when a test lets it.

use std::cell::RefCell;
use std::rc::Rc;

use unimux_engine::dma::Registers;

use crate::world::World;

/// Offset, bits that are not reserved, value out of reset. The rest of the block is not there.
const REGISTERS: [(usize, u32, u32); 33] = [
    (0x000, 0x0000_0001, 0x0000_0001), // ERR_CTRL
    (0x100, 0x0000_0fff, 0x0000_0000), // ISR
    (0x104, 0x0000_0000, 0x0000_0fff), // IMR, read only
    (0x108, 0x0000_0fff, 0x0000_0000), // IEN
    (0x10c, 0x0000_0fff, 0x0000_0000), // IDS
    (0x110, 0x0000_00fe, 0x0000_0080), // CTRL0
    (0x114, 0x0000_03ff, 0x0000_03ff), // CTRL1
    (0x118, 0x0000_003f, 0x0000_0000), // FCI
    (0x11c, 0x0000_0000, 0x0000_0000), // STATUS, read only
    (0x120, 0x0fff_ffff, 0x0483_d20f), // DATA_ATTR
    (0x124, 0x0000_01ff, 0x0000_0000), // DSCR_ATTR
    (0x128, 0xffff_ffff, 0x0000_0000), // SRC_DSCR_WORD0
    (0x12c, 0x0001_ffff, 0x0000_0000),
    (0x130, 0x3fff_ffff, 0x0000_0000),
    (0x134, 0x0000_001f, 0x0000_0000),
    (0x138, 0xffff_ffff, 0x0000_0000), // DST_DSCR_WORD0
    (0x13c, 0x0001_ffff, 0x0000_0000),
    (0x140, 0x3fff_ffff, 0x0000_0000),
    (0x144, 0x0000_0005, 0x0000_0000),
    (0x148, 0xffff_ffff, 0x0000_0000), // WR_ONLY_WORD0
    (0x14c, 0xffff_ffff, 0x0000_0000),
    (0x150, 0xffff_ffff, 0x0000_0000),
    (0x154, 0xffff_ffff, 0x0000_0000),
    (0x158, 0xffff_ffff, 0x0000_0000), // SRC_START
    (0x15c, 0x0001_ffff, 0x0000_0000),
    (0x160, 0xffff_ffff, 0x0000_0000), // DST_START
    (0x164, 0x0001_ffff, 0x0000_0000),
    (0x188, 0xffff_ffff, 0x0000_0000), // TOTAL_BYTE
    (0x18c, 0x0000_0fff, 0x0000_0000), // RATE_CTRL
    (0x190, 0x0000_0000, 0x0000_0000), // IRQ_SRC_ACCT, read only
    (0x194, 0x0000_0000, 0x0000_0000), // IRQ_DST_ACCT, read only
    (0x198, 0x0000_0000, 0x0000_0000), // DBG0, read only
    (0x200, 0x0000_0001, 0x0000_0000), // CTRL2
];

/// Those that may be written while the channel is enabled: interrupts, CTRL0's CONT, CTRL2.
const WHILE_ENABLED: [usize; 5] = [0x100, 0x108, 0x10c, 0x110, 0x200];

const BUSY: u32 = 2;
const PAUSED: u32 = 1;
const ERROR: u32 = 3;

/// How a channel behaves, for tests of what goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It carries out what it was told at once.
    #[default]
    Prompt,
    /// When [`ZdmaBlock::go_on`] is called.
    Held,
    /// It reports these interrupt bits at the descriptor of this number, and what comes before is
    /// moved.
    Fails { at: usize, interrupts: u32 },
    /// Never ends, but can be stopped.
    Hangs,
    /// Never ends, pauses instead; a disabled channel leaves the pause by CONT.
    Pauses,
    /// Never ends, nor stops before [`ZdmaBlock::go_on`] is called.
    Jams,
    /// Ends at once and moves nothing, for addresses without memory.
    Pretends,
}

/// What a descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) address: u64,
    pub(crate) size: u32,
    pub(crate) control: u32,
}

struct State {
    values: Vec<u32>,
    behaviour: Behaviour,
    /// What it was told since it was made: sources and destinations.
    told: Vec<[Descriptor; 2]>,
    starts: usize,
}

/// A channel's register block; clones are the same one.
#[derive(Clone)]
pub(crate) struct ZdmaBlock {
    world: World,
    is_coherent: bool,
    state: Rc<RefCell<State>>,
}

fn place(offset: usize) -> usize {
    let place = REGISTERS.iter().position(|it| it.0 == offset);
    place.unwrap_or_else(|| panic!("no register at {offset:#x}"))
}

impl ZdmaBlock {
    /// A channel out of reset. `is_coherent` is what it must be told to be.
    pub(crate) fn new(world: &World, is_coherent: bool) -> Self {
        Self {
            world: world.clone(),
            is_coherent,
            state: Rc::new(RefCell::new(State {
                values: REGISTERS.iter().map(|it| it.2).collect(),
                behaviour: Behaviour::Prompt,
                told: Vec::new(),
                starts: 0,
            })),
        }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.state.borrow_mut().behaviour = behaviour;
    }

    /// What it was told so far.
    pub(crate) fn told(&self) -> Vec<[Descriptor; 2]> {
        self.state.borrow().told.clone()
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> usize {
        self.state.borrow().starts
    }

    /// Whether its interrupt line is up.
    pub(crate) fn interrupts(&self) -> bool {
        self.value(0x100) & !self.value(0x104) != 0
    }

    /// The channel is found busy: somebody before used it.
    pub(crate) fn make_busy(&self) {
        self.set(0x11c, BUSY);
        self.set(0x200, 1);
        self.behave(Behaviour::Jams);
    }

    /// A held channel carries out what it was told; one that is jammed comes to rest.
    pub(crate) fn go_on(&self) {
        if self.value(0x11c) != BUSY {
            return;
        }
        let behaviour = self.state.borrow().behaviour;
        self.behave(Behaviour::Prompt);
        match behaviour {
            Behaviour::Jams => self.end(0, 0),
            _ => self.carry_out(),
        }
    }

    fn value(&self, offset: usize) -> u32 {
        self.state.borrow().values[place(offset)]
    }

    fn set(&self, offset: usize, value: u32) {
        self.state.borrow_mut().values[place(offset)] = value;
    }

    fn raise(&self, interrupts: u32) {
        self.set(0x100, self.value(0x100) | interrupts);
    }

    /// The channel is disabled.
    fn end(&self, status: u32, interrupts: u32) {
        self.set(0x11c, status);
        self.set(0x200, 0);
        self.raise(interrupts);
    }

    fn begin(&self) {
        self.world.assert_fenced();
        let status = self.value(0x11c);
        assert!(status == 0 || status == ERROR, "started while it is busy");
        assert_eq!(
            self.value(0x100),
            0,
            "an old interrupt would pass for the new job's"
        );
        let [ctrl0, fci, data] = [0x110, 0x118, 0x120].map(|it| self.value(it));
        assert_eq!(
            ctrl0 & 1 << 7,
            0,
            "over-fetch: it would read what is not the guest's"
        );
        assert_eq!(
            ctrl0 & 0b11_1110,
            0,
            "read and write, no rate control, not continued"
        );
        assert_eq!(fci & 1, 0, "no peripheral controls the flow");
        assert_eq!(data >> 26, 1, "sources are read at rising addresses");
        assert_eq!(
            data >> 12 & 3,
            1,
            "destinations are written at rising addresses"
        );
        let cacheable = (data >> 22 & 0xf, data >> 8 & 0xf) == (0xf, 0xf);
        assert_eq!(cacheable, self.is_coherent, "AxCACHE of data: {data:#x}");
        self.state.borrow_mut().starts += 1;
        self.set(0x11c, BUSY);
        let lists = self.lists();
        self.state.borrow_mut().told.extend(lists);
        let behaviour = self.state.borrow().behaviour;
        match behaviour {
            Behaviour::Prompt | Behaviour::Fails { .. } => self.carry_out(),
            Behaviour::Pretends => self.end(0, 1 << 10),
            Behaviour::Pauses => {
                self.set(0x11c, PAUSED);
                self.raise(1 << 11);
            }
            Behaviour::Held | Behaviour::Hangs | Behaviour::Jams => {}
        }
    }

    fn carry_out(&self) {
        let behaviour = self.state.borrow().behaviour;
        for (index, [source, destination]) in self.lists().into_iter().enumerate() {
            if let Behaviour::Fails { at, interrupts } = behaviour
                && at == index
            {
                return self.end(ERROR, interrupts | 1 << 10);
            }
            let is_coherent = |it: Descriptor| it.control & 1 != 0;
            let from = is_coherent(source);
            let data = self
                .world
                .device_read(source.address, source.size as usize, from);
            self.world
                .device_write(destination.address, &data, is_coherent(destination));
        }
        self.end(0, 1 << 10);
    }

    /// What registers or memory tell it to do.
    fn lists(&self) -> Vec<[Descriptor; 2]> {
        if self.value(0x110) & 1 << 6 == 0 {
            let of = |first: usize| Descriptor {
                address: u64::from(self.value(first)) | u64::from(self.value(first + 4)) << 32,
                size: self.value(first + 8),
                control: self.value(first + 12),
            };
            let pair = [of(0x128), of(0x138)];
            self.check(pair, 0);
            return vec![pair];
        }
        let fetches = self.value(0x124);
        let expected = if self.is_coherent { 0x1f0 } else { 0 };
        assert_eq!(fetches, expected, "attributes of descriptor fetches");
        let start = |first| u64::from(self.value(first)) | u64::from(self.value(first + 4)) << 32;
        let mut at = [start(0x158), start(0x160)];
        let mut pairs = Vec::new();
        loop {
            let pair = at.map(|address| self.fetch(address));
            let linked = pair[0].0.control & 2;
            self.check(pair.map(|it| it.0), linked);
            pairs.push(pair.map(|it| it.0));
            let command = pair[0].0.control >> 3;
            assert!(command == 0 || command == 2, "a list does not pause");
            if command == 2 {
                return pairs;
            }
            at = pair.map(|it| it.1);
        }
    }

    /// A descriptor in memory, and where the next one is.
    fn fetch(&self, address: u64) -> (Descriptor, u64) {
        let read = |at, len| self.world.device_read(at, len, self.is_coherent);
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        let bytes = read(address, 16);
        let descriptor = Descriptor {
            address: u64::from(word(&bytes[..4])) | u64::from(word(&bytes[4..8])) << 32,
            size: word(&bytes[8..12]),
            control: word(&bytes[12..]),
        };
        if descriptor.control & 2 == 0 {
            assert_eq!(
                address % 16,
                0,
                "a linear descriptor is aligned to its size"
            );
            return (descriptor, address + 16);
        }
        assert_eq!(
            address % 32,
            0,
            "a linked descriptor is aligned to its size"
        );
        let rest = read(address + 16, 16);
        assert_eq!(rest[8..], [0; 8], "reserved");
        let next = u64::from_le_bytes(rest[..8].try_into().unwrap());
        (descriptor, next)
    }

    fn check(&self, pair: [Descriptor; 2], form: u32) {
        for it in pair {
            assert!(
                it.size > 0 && it.size < 1 << 30,
                "a size of 30 bits: {it:x?}"
            );
            assert!(
                it.address + u64::from(it.size) <= 1 << 49,
                "49 address bits: {it:x?}"
            );
            assert_eq!(it.control & 1 != 0, self.is_coherent, "coherency: {it:x?}");
            assert_eq!(it.control & 2, form, "both lists are of one form");
            assert_eq!(it.control & !0x1b, 0, "reserved, or an interrupt: {it:x?}");
        }
        assert_eq!(pair[0].size, pair[1].size, "both sides are as long");
    }
}

impl Registers for ZdmaBlock {
    fn read(&self, offset: usize) -> u32 {
        let value = self.value(offset);
        assert!(!matches!(offset, 0x108 | 0x10c), "write only");
        value
    }

    fn write(&mut self, offset: usize, value: u32) {
        let (_, mask, _) = REGISTERS[place(offset)];
        assert_ne!(mask, 0, "{offset:#x} is read only");
        if offset == 0x188 {
            return self.set(offset, self.value(offset) & !value);
        }
        assert_eq!(value & !mask, 0, "reserved bits of {offset:#x}: {value:#x}");
        let is_enabled = self.value(0x200) != 0;
        assert!(
            !is_enabled || WHILE_ENABLED.contains(&offset),
            "{offset:#x} is written while the channel is enabled"
        );
        match offset {
            0x100 => self.set(0x100, self.value(0x100) & !value),
            0x108 => self.set(0x104, self.value(0x104) & !value),
            0x10c => self.set(0x104, self.value(0x104) | value),
            0x110 => {
                let leaves = value & 2 != 0 && self.value(0x11c) == PAUSED && !is_enabled;
                self.set(0x110, value & !2);
                if leaves {
                    self.end(0, 0);
                }
            }
            0x200 if value == 1 => {
                assert!(!is_enabled, "enabled twice");
                self.set(0x200, 1);
                self.begin();
            }
            0x200 => {
                self.set(0x200, 0);
                let hangs = self.state.borrow().behaviour == Behaviour::Hangs;
                if hangs && self.value(0x11c) == BUSY {
                    self.end(0, 0);
                }
            }
            _ => self.set(offset, value),
        }
    }
}
