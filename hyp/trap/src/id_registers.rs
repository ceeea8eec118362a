//! ID registers as a guest sees them: the core's own, less what guests do not have.
//!
//! `HCR_EL2.TID3` has the reads trap. Each field shows the lesser of what the core has and what Unimux
//! gives, so that no core of the future shows a guest what nobody virtualises. Hidden are: EL2 and EL3,
//! SVE, SME, RAS, AMU, MPAM, MTE, pointer authentication, trace and profiling, the PMU but for guests
//! that measure, and whatever needs a control that EL2 does not set (`HCRX_EL2`, fine-grained traps,
//! `SCXTNUM`). `MIDR_EL1` and `MPIDR_EL1` are registers of their own (`VPIDR_EL2`, `VMPIDR_EL2`).

use crate::sysreg::SystemRegister;

/// What the ID registers of two machines differ in, besides the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The CPU interface of its GIC is in system registers.
    pub has_gic_registers: bool,
    /// It has the performance monitors of its core.
    pub has_pmu: bool,
}

/// ID_AA64PFR0_EL1 and its field for GICv3's system registers.
const PFR0: (u8, u8) = (4, 0);
const PFR0_GIC: u64 = 0xf << 24;
/// ID_AA64DFR0_EL1, its field for the PMU's version, and DoubleLock, in which 0xf says that the OS
/// double lock is not there.
const DFR0: (u8, u8) = (5, 0);
const DFR0_PMU: u64 = 0xf << 8;
const DFR0_NO_DOUBLE_LOCK: u64 = 0xf << 36;

/// How many registers there are in the group.
pub const ID_REGISTERS: usize = 7 * 8;

/// A register whose reads `HCR_EL2.TID3` traps (DDI 0487 D24.2, HCR_EL2), or one that is reserved
/// among them: Op0 3, Op1 0, CRn 0, CRm 1 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRegister {
    crm: u8,
    op2: u8,
}

impl IdRegister {
    /// The register, if it is of the group.
    #[must_use]
    pub const fn new(register: SystemRegister) -> Option<Self> {
        match register {
            SystemRegister {
                op0: 3,
                op1: 0,
                crn: 0,
                crm: crm @ 1..=7,
                op2: op2 @ 0..=7,
            } => Some(Self { crm, op2 }),
            _ => None,
        }
    }

    /// Its number by CRm and Op2, less than [`ID_REGISTERS`].
    #[must_use]
    pub const fn index(self) -> usize {
        (self.crm as usize - 1) * 8 + self.op2 as usize
    }

    /// What a guest of `machine` reads, on a core that has `own`.
    #[must_use]
    pub const fn shown(self, own: u64, machine: Machine) -> u64 {
        shown((self.crm, self.op2), own, machine)
    }
}

const fn shown(register: (u8, u8), own: u64, machine: Machine) -> u64 {
    let mut limits = limits(register);
    match register {
        PFR0 if !machine.has_gic_registers => limits &= !PFR0_GIC,
        DFR0 if machine.has_pmu => limits |= DFR0_PMU,
        _ => {}
    }
    let mut shown = 0;
    let mut field = 0;
    while field < 64 {
        let (own, limit) = (own >> field & 0xf, limits >> field & 0xf);
        shown |= (if own < limit { own } else { limit }) << field;
        field += 4;
    }
    match register {
        DFR0 => shown | DFR0_NO_DOUBLE_LOCK,
        _ => shown,
    }
}

/// The highest value of each 4-bit field that is shown; 0xf shows it as it is, which fields want in
/// which 0xf says "not there" (DDI 0487 D24.2, each register; G8.2 for AArch32's).
const fn limits(register: (u8, u8)) -> u64 {
    match register {
        // ID_AA64PFR0: CSV3, CSV2 (no SCXTNUM), DIT, GIC (as in GICv3), AdvSIMD, FP, EL1 without
        // AArch32, EL0.
        PFR0 => 0x1101_0000_01ff_0012,
        // PFR1: SSBS, BTI.
        (4, 1) => 0x21,
        // DFR0: comparators of contexts, watchpoints, breakpoints, ARMv8's debug.
        DFR0 => 0xf0f0_f006,
        // ISAR0: all but transactions.
        (6, 0) => 0x1221_1111_1021_2120,
        // ISAR1: all but LS64, XS, SPECRES and pointer authentication.
        (6, 1) => 0x0011_2011_0021_1002,
        // MMFR0: ExS, granules of stage 1, endianness, ASIDs, 40 bits of physical address.
        (7, 0) => 0x0000_1000_ff11_0122,
        // MMFR1: ECBHB, TIDCP1, nTLBPA, AFP, ETS, PAN, HPDS, HAFDBS.
        (7, 1) => 0x1011_1020_0030_2002,
        // MMFR2: E0PD, BBM, TTL, IDS, AT, ST, CCIDX, VARange, LSM, UAO, CnP.
        (7, 2) => 0x1021_00f1_1011_0111,
        // ID_PFR0: no RAS, no AMU.
        (1, 0) => 0x0101_ffff,
        // ID_PFR1: the generic timer; the others speak of EL1 in AArch32.
        (1, 1) => 0x000f_0000,
        // ID_DFR0: ARMv8's debug.
        (1, 2) => 0x6,
        // ID_AFR0, and what is reserved.
        (1, 3) | (3, 3 | 5 | 7) => 0,
        // ID_MMFR4: no SpecSEI, no XNX, no EVT.
        (2, 6) => 0x0fff_f0f0,
        // ID_ISAR6: no SPECRES.
        (2, 7) => 0xfff0_ffff,
        // ID_PFR2: no RAS_frac.
        (3, 4) => 0xff,
        // Instructions and memory model of AArch32.
        (1..=3, _) => 0xffff_ffff,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Machine = Machine {
        has_gic_registers: true,
        has_pmu: false,
    };
    const ISAR0: (u8, u8) = (6, 0);
    const ISAR1: (u8, u8) = (6, 1);
    const MMFR0: (u8, u8) = (7, 0);
    const MMFR1: (u8, u8) = (7, 1);

    fn of_plain(register: (u8, u8), own: u64) -> u64 {
        shown(register, own, PLAIN)
    }

    fn field(value: u64, lowest_bit: u32) -> u64 {
        value >> lowest_bit & 0xf
    }

    #[test]
    fn a_cortex_a53_is_shown_with_what_it_has() {
        // Cortex-A53 TRM (DDI 0500), 4.2.1, with cryptography and GICv3's system registers.
        assert_eq!(of_plain(PFR0, 0x0100_2222), 0x0100_0012);
        assert_eq!(of_plain(DFR0, 0x1030_5106), 0x00f0_1030_5006);
        assert_eq!(of_plain(ISAR0, 0x0001_1120), 0x0001_1120);
        assert_eq!(of_plain(MMFR0, 0x1122), 0x0122);
        assert_eq!(of_plain((1, 0), 0x0131), 0x0131);
        assert_eq!(of_plain((1, 1), 0x1001_1011), 0x0001_0000);
        assert_eq!(of_plain((1, 2), 0x0301_0066), 0x6);
        assert_eq!(of_plain((2, 0), 0x0210_1110), 0x0210_1110);
        assert_eq!(of_plain((3, 0), 0x1011_0222), 0x1011_0222);
    }

    #[test]
    fn a_neoverse_n1_is_shown_without_what_nobody_virtualises() {
        // Neoverse N1 TRM (100616), B2: RAS, DIT, CSV2 and CSV3; VHE, 48 bits; SPE, PMUv3 of ARMv8.1.
        assert_eq!(of_plain(PFR0, 0x1100_0000_1111_1112), 0x1100_0000_0111_0012);
        assert_eq!(of_plain(DFR0, 0x1_1030_5408), 0x00f0_1030_5006);
        assert_eq!(
            of_plain(ISAR0, 0x0000_1000_1021_1120),
            0x0000_1000_1021_1120
        );
        assert_eq!(of_plain(ISAR1, 0x0010_0001), 0x0010_0001);
        assert_eq!(of_plain(MMFR0, 0x0010_1125), 0x0010_0122);
        assert_eq!(of_plain(MMFR1, 0x1021_2122), 0x0020_2002);
    }

    #[test]
    fn a_core_with_everything_shows_nothing_of_it() {
        let pfr0 = of_plain(PFR0, u64::MAX);
        for hidden in [8, 12, 28, 32, 36, 40, 44, 52] {
            assert_eq!(field(pfr0, hidden), 0, "PFR0[{hidden}]");
        }
        assert_eq!(field(pfr0, 4), 1, "no AArch32 at EL1");
        let dfr0 = of_plain(DFR0, u64::MAX);
        for hidden in [4, 8, 16, 24, 32, 40, 44, 48, 52, 56, 60] {
            assert_eq!(field(dfr0, hidden), 0, "DFR0[{hidden}]");
        }
        assert_eq!(field(dfr0, 36), 0xf, "no double lock");
        for hidden in [4, 8, 24, 28, 40, 56, 60] {
            assert_eq!(
                field(of_plain(ISAR1, u64::MAX), hidden),
                0,
                "ISAR1[{hidden}]"
            );
        }
        assert_eq!(
            of_plain(MMFR1, u64::MAX) & 0xf_0ff0,
            0,
            "VMIDs, VHE, LORegions"
        );
        for reserved in [
            (3, 3),
            (4, 2),
            (4, 4),
            (4, 5),
            (5, 1),
            (5, 4),
            (6, 2),
            (7, 7),
        ] {
            assert_eq!(of_plain(reserved, u64::MAX), 0, "{reserved:?}");
        }
    }

    #[test]
    fn a_machine_shows_its_gic_and_its_pmu() {
        let machine = |has_gic_registers, has_pmu| Machine {
            has_gic_registers,
            has_pmu,
        };
        let a53 = |register, own, machine| shown(register, own, machine);
        assert_eq!(a53(PFR0, 0x0100_2222, machine(false, false)), 0x12);
        assert_eq!(
            a53(DFR0, 0x1030_5106, machine(true, true)),
            0x00f0_1030_5106
        );
    }

    proptest! {
        #[test]
        fn nothing_is_shown_that_the_core_has_not(
            register in (1_u8..8, 0_u8..8), own: u64, has_gic_registers: bool, has_pmu: bool,
        ) {
            let shown = shown(register, own, Machine { has_gic_registers, has_pmu });
            for lowest in (0..64).step_by(4) {
                let forced = register == DFR0 && lowest == 36;
                prop_assert!(forced || field(shown, lowest) <= field(own, lowest));
            }
            prop_assert!(register.0 > 3 || shown >> 32 == 0);
        }
    }

    #[test]
    fn the_trapped_group_is_that_of_tid3() {
        let of = |op1, crm, op2| {
            let register = SystemRegister::new(3, op1, 0, crm, op2);
            IdRegister::new(register).map(IdRegister::index)
        };
        assert_eq!(of(0, 1, 0), Some(0), "ID_PFR0_EL1");
        assert_eq!(of(0, 7, 7), Some(ID_REGISTERS - 1));
        assert_eq!(of(0, 0, 0), None, "MIDR_EL1");
        assert_eq!(of(1, 1, 0), None, "not EL1's");
        assert_eq!(IdRegister::new(SystemRegister::ACTLR_EL1), None);
        let pfr0 = IdRegister::new(SystemRegister::new(3, 0, 0, 4, 0)).expect("one of the group");
        assert_eq!(pfr0.shown(0x2222, PLAIN), of_plain(PFR0, 0x2222));
    }
}
