//! Trapped system registers: which one, and which way.
//!
//! It emulates none of them; the few that Unimux traps on purpose have a name here.

use crate::access::Direction;
use bitfield_struct::bitfield;
use unimux_text::texts;

/// The ISS of a trapped MSR, MRS or system instruction, DDI 0487 D24.2, ESR_EL2.
#[bitfield(u32)]
struct SystemIss {
    /// 1 is a read, MRS.
    read: bool,
    #[bits(4)]
    crm: u8,
    #[bits(5)]
    rt: u8,
    #[bits(4)]
    crn: u8,
    #[bits(3)]
    op1: u8,
    #[bits(3)]
    op2: u8,
    #[bits(2)]
    op0: u8,
    #[bits(10)]
    __: u16,
}

/// A system register by its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemRegister {
    /// Op0, 2 bits.
    pub op0: u8,
    /// Op1, 3 bits.
    pub op1: u8,
    /// CRn, 4 bits.
    pub crn: u8,
    /// CRm, 4 bits.
    pub crm: u8,
    /// Op2, 3 bits.
    pub op2: u8,
}

impl SystemRegister {
    /// Sends group 1 interrupts to other vCPUs. Traps with `HCR_EL2.IMO` or `FMO` (GIC
    /// Architecture Specification, IHI 0069, 12.2: ICC_SGI1R_EL1).
    pub const ICC_SGI1R_EL1: Self = Self::new(3, 0, 12, 11, 5);
    /// Sends group 1 interrupts of the other security state.
    pub const ICC_ASGI1R_EL1: Self = Self::new(3, 0, 12, 11, 6);
    /// Sends group 0 interrupts to other vCPUs.
    pub const ICC_SGI0R_EL1: Self = Self::new(3, 0, 12, 11, 7);
    /// Whether the system register interface is enabled. Reads only trap.
    pub const ICC_SRE_EL1: Self = Self::new(3, 0, 12, 12, 5);
    /// Auxiliary control (DDI 0487, D24.2): on some cores it has bits that reach beyond a guest.
    pub const ACTLR_EL1: Self = Self::new(3, 0, 1, 0, 1);

    /// The register with these numbers.
    #[must_use]
    pub const fn new(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Self {
        Self {
            op0,
            op1,
            crn,
            crm,
            op2,
        }
    }
}

texts!(SystemRegister {
    // The generic name, which an assembler takes.
    Self { op0, op1, crn, crm, op2 } => "s{}_{}_c{}_c{}_{}", op0, op1, crn, crm, op2;
});

/// A trapped MRS or MSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRegisterAccess {
    /// Which register.
    pub register: SystemRegister,
    /// Read (MRS) or write (MSR).
    pub direction: Direction,
    /// Rt: the general-purpose register, 31 for `xzr`.
    pub rt: u8,
}

impl SystemRegisterAccess {
    pub(crate) const fn decode(iss: u32) -> Self {
        let iss = SystemIss::from_bits(iss);
        Self {
            register: SystemRegister::new(iss.op0(), iss.op1(), iss.crn(), iss.crm(), iss.op2()),
            direction: if iss.read() {
                Direction::Read
            } else {
                Direction::Write
            },
            rt: iss.rt(),
        }
    }
}

texts!(SystemRegisterAccess {
    Self { direction: Direction::Read, rt, register } => "mrs x{}, {}", rt, register;
    Self { direction: Direction::Write, rt, register } => "msr {}, x{}", register, rt;
});

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_sgi_is_recognised() {
        // msr ICC_SGI1R_EL1, x2: ESR_EL2 0x623a3056, put together from the encoding.
        let access = SystemRegisterAccess::decode(0x623A_3056 & 0x01FF_FFFF);
        assert_eq!(access.register, SystemRegister::ICC_SGI1R_EL1);
        assert_eq!(access.direction, Direction::Write);
        assert_eq!(access.rt, 2);
        assert_eq!(access.to_string(), "msr s3_0_c12_c11_5, x2");
    }
}
