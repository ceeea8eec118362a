//! Instruction and data aborts: what was touched, why it was refused, by which access.
//!
//! It reads no memory: an instruction that the core does not describe is not fetched and decoded.

use crate::access::{Access, Direction, Size};
use crate::exit::Snapshot;
use crate::status::FaultStatus;
use bitfield_struct::bitfield;
use unimux_memory::Ipa;
use unimux_text::texts;

/// The ISS of a data abort, DDI 0487 D24.2, ESR_EL2. Instruction aborts use a subset: FnV, EA,
/// S1PTW and the status.
#[bitfield(u32)]
struct AbortIss {
    /// DFSC or IFSC.
    #[bits(6)]
    status: u8,
    /// WnR: a store.
    write: bool,
    /// S1PTW: the fault was on a load of the guest's own stage-1 walk.
    on_stage_1_walk: bool,
    /// CM: a cache maintenance or address translation instruction.
    cache_maintenance: bool,
    /// EA: external abort type.
    external_type: bool,
    /// FnV: FAR_EL2 is not valid.
    far_not_valid: bool,
    /// SET or LST, of extensions.
    #[bits(2)]
    set: u8,
    /// VNCR, of extensions.
    vncr: bool,
    /// AR.
    ordered: bool,
    /// SF.
    sixty_four: bool,
    /// SRT.
    #[bits(5)]
    register: u8,
    /// SSE.
    sign_extend: bool,
    /// SAS.
    #[bits(2)]
    sas: u8,
    /// ISV: the fields above describe the access.
    described: bool,
    #[bits(7)]
    __: u8,
}

/// `HPFAR_EL2`, DDI 0487 D24.2: the page of the faulting IPA.
#[bitfield(u64)]
struct FaultPage {
    #[bits(4)]
    __: u8,
    /// FIPA\[47:12\], or the lower 36 of 40 bits with FEAT_LPA.
    #[bits(36)]
    page: u64,
    #[bits(24)]
    __: u32,
}

/// A guest touched an address that stage 2 (or the memory system) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Why.
    pub status: FaultStatus,
    /// The intermediate physical address, where the architecture tells it. After a permission
    /// fault it does not; the guest's virtual address is in `va`. For a fault on a stage-1 walk
    /// it is the page of the guest's table.
    pub ipa: Option<Ipa>,
    /// The guest's virtual address, unless the core says that it does not know.
    pub va: Option<u64>,
    /// Which way; an instruction fetch reads.
    pub direction: Direction,
    /// The access, if the core described it. Never for instruction aborts, for stage-1 walks or
    /// for cache maintenance.
    pub access: Option<Access>,
    /// The guest's own stage-1 walk was refused, not its access.
    pub on_stage_1_walk: bool,
    /// The instruction was cache maintenance by address.
    pub cache_maintenance: bool,
}

impl Abort {
    pub(crate) fn data(snapshot: &Snapshot) -> Self {
        let iss = AbortIss::from_bits(snapshot.syndrome().iss());
        let direction = if iss.write() && !iss.cache_maintenance() && !iss.on_stage_1_walk() {
            Direction::Write
        } else {
            Direction::Read
        };
        let described = iss.described() && !iss.on_stage_1_walk() && !iss.cache_maintenance();
        Self {
            direction,
            access: described.then(|| Access {
                size: Size::from_sas(iss.sas()),
                direction,
                register: iss.register(),
                sign_extend: iss.sign_extend(),
                sixty_four: iss.sixty_four(),
                ordered: iss.ordered(),
            }),
            cache_maintenance: iss.cache_maintenance(),
            ..Self::instruction(snapshot)
        }
    }

    pub(crate) fn instruction(snapshot: &Snapshot) -> Self {
        let iss = AbortIss::from_bits(snapshot.syndrome().iss());
        let status = FaultStatus::new(iss.status());
        let va = (!iss.far_not_valid()).then_some(snapshot.far);
        let page = FaultPage::from_bits(snapshot.hpfar).page() << 12;
        let ipa = if iss.on_stage_1_walk() {
            // FAR_EL2 is the address being translated; its offset is not the descriptor's.
            Some(page)
        } else if status.names_ipa() {
            Some(page | va.unwrap_or(0) & 0xFFF)
        } else {
            None
        };
        Self {
            status,
            ipa: ipa.map(Ipa::new),
            va,
            direction: Direction::Read,
            access: None,
            on_stage_1_walk: iss.on_stage_1_walk(),
            cache_maintenance: false,
        }
    }
}

impl Abort {
    const fn touch(self) -> Touch {
        match self.access {
            _ if self.on_stage_1_walk => Touch::Walk,
            _ if self.cache_maintenance => Touch::Maintenance,
            Some(access) => Touch::Access(access),
            None => Touch::Undescribed(self.direction),
        }
    }

    const fn place(self) -> Place {
        match (self.ipa, self.va) {
            (Some(ipa), Some(va)) => Place::Both(ipa, va),
            (Some(ipa), None) => Place::Ipa(ipa),
            (None, Some(va)) => Place::Va(va),
            (None, None) => Place::Unknown,
        }
    }
}

/// What was refused.
#[derive(Clone, Copy)]
enum Touch {
    Walk,
    Maintenance,
    Access(Access),
    Undescribed(Direction),
}

texts!(Touch {
    Self::Walk => "on the guest's own table walk";
    Self::Maintenance => "cache maintenance";
    Self::Access(access) => "{}", access;
    Self::Undescribed(direction) => "{}", direction;
});

/// Where it was refused.
#[derive(Clone, Copy)]
enum Place {
    Both(Ipa, u64),
    Ipa(Ipa),
    Va(u64),
    Unknown,
}

texts!(Place {
    Self::Both(ipa, va) => ", IPA {:#x}, VA {:#x}", ipa.get(), va;
    Self::Ipa(ipa) => ", IPA {:#x}", ipa.get();
    Self::Va(va) => ", VA {:#x}", va;
    Self::Unknown => "";
});

texts!(Abort {
    it => "{}, {}{}", it.status, it.touch(), it.place();
});
