//! Syndromes put together from the manual, and any 64 bits at all.

use proptest::prelude::*;
use unimux_memory::Ipa;
use unimux_trap::{
    Access, Call, Direction, Exit, FaultStatus, NOT_SUPPORTED, Registers, Size, Snapshot, Vector,
};

fn decode(esr: u64, far: u64, hpfar: u64) -> Exit {
    Exit::decode(Vector::Synchronous, &Snapshot { esr, far, hpfar })
}

/// The line that a fault report prints is the decoded value, so the table is written in it.
#[test]
fn syndromes_read_as_what_happened() {
    // ESR_EL2, FAR_EL2, HPFAR_EL2 (the IPA's page, four bits down), the report.
    let cases = [
        // str w1, [x0] to an emulated PL011 through an identity map.
        (
            0x9381_0046,
            0x0900_0000,
            0x0009_0000,
            "data abort, translation fault level 2, write of 4 bytes, w1, IPA 0x9000000, VA 0x9000000",
        ),
        // ldr w2, [x0, #4] of GICD_TYPER.
        (
            0x9382_0007,
            0xFFFF_8000_0800_0004,
            0x0008_0000,
            "data abort, translation fault level 3, read of 4 bytes, w2, IPA 0x8000004, VA 0xffff800008000004",
        ),
        // str xzr, [x0]: 64 bits of zero.
        (
            0x93DF_8046,
            0x6000_0008,
            0x0060_0000,
            "data abort, translation fault level 2, write of 8 bytes, xzr, IPA 0x60000008, VA 0x60000008",
        ),
        // ldrsb x3, [x0].
        (
            0x9323_8006,
            0x6000_0001,
            0x0060_0000,
            "data abort, translation fault level 2, read of 1 bytes, x3, IPA 0x60000001, VA 0x60000001",
        ),
        // stp x0, x1, [x2]: ISV is 0, nothing is described.
        (
            0x9200_0046,
            0x6000_0010,
            0x0060_0000,
            "data abort, translation fault level 2, write, IPA 0x60000010, VA 0x60000010",
        ),
        // A store to the read-only counter page: HPFAR_EL2 says nothing about it.
        (
            0x9380_804F,
            0x0A00_1008,
            0xDEAD_BEEF_0000,
            "data abort, permission fault level 3, write of 4 bytes, x0, VA 0xa001008",
        ),
        // The guest's own tables lie in nowhere.
        (
            0x9200_0086,
            0xFFFF_0000_1234_5678,
            0x0070_0010,
            "data abort, translation fault level 2, on the guest's own table walk, IPA 0x70001000, VA 0xffff000012345678",
        ),
        // dc civac to an unmapped line: WnR is 1 and means nothing.
        (
            0x9200_0146,
            0x6000_0040,
            0x0060_0000,
            "data abort, translation fault level 2, cache maintenance, IPA 0x60000040, VA 0x60000040",
        ),
        // A branch to nowhere.
        (
            0x8200_0006,
            0x7000_0000,
            0x0070_0000,
            "instruction abort, translation fault level 2, read, IPA 0x70000000, VA 0x70000000",
        ),
        // An external abort with FnV: no address at all.
        (
            0x9200_0410,
            0x1234,
            0x5678,
            "data abort, external abort, read",
        ),
        (0x5A00_0000, 0, 0, "hvc #0"),
        (0x5A00_BEEF, 0, 0, "hvc #48879"),
        (0x5E00_0000, 0, 0, "smc #0"),
        (0x0600_0000, 0, 0, "WFI"),
        (0x0600_0001, 0, 0, "WFE"),
        (0x623A_3056, 0, 0, "system register, msr s3_0_c12_c11_5, x2"),
        (0x1FE0_0000, 0, 0, "trapped floating point"),
        (0xBE00_0011, 0, 0, "SError"),
        (0x0200_0000, 0, 0, "unknown reason (class 0x00, ISS 0x0)"),
        (
            0x3A00_0000,
            0,
            0,
            "illegal execution state (class 0x0e, ISS 0x0)",
        ),
        (0xFE00_0001, 0, 0, "exception (class 0x3f, ISS 0x1)"),
    ];
    for (esr, far, hpfar, report) in cases {
        assert_eq!(
            decode(esr, far, hpfar).to_string(),
            report,
            "ESR_EL2 {esr:#x}"
        );
    }
}

#[test]
fn a_described_store_has_all_its_fields() {
    let Exit::DataAbort(abort) = decode(0x9381_4046, 0x0900_0000, 0x0009_0000) else {
        panic!("a data abort");
    };
    assert_eq!(abort.status, FaultStatus::Translation { level: 2 });
    assert_eq!(abort.ipa, Some(Ipa::new(0x0900_0000)));
    let access = Access {
        size: Size::Word,
        direction: Direction::Write,
        register: 1,
        sign_extend: false,
        sixty_four: false,
        ordered: true,
    };
    assert_eq!(abort.access, Some(access));
}

#[test]
fn only_what_points_at_its_instruction_is_skipped() {
    let cases = [
        ("hvc", 0x5A00_0000, false),
        ("smc", 0x5E00_0000, true),
        ("wfi", 0x0600_0000, true),
        ("msr", 0x623A_3056, true),
        ("data abort", 0x9381_0046, true),
        ("instruction abort", 0x8200_0006, false),
    ];
    for (what, esr, expected) in cases {
        assert_eq!(decode(esr, 0, 0).must_skip(), expected, "{what}");
    }
}

#[test]
fn interrupts_do_not_look_at_the_syndrome() {
    let stale = Snapshot {
        esr: 0x9381_0046,
        far: 1,
        hpfar: 2,
    };
    assert_eq!(Exit::decode(Vector::Irq, &stale), Exit::Irq);
    assert_eq!(Exit::decode(Vector::Fiq, &stale), Exit::Fiq);
    assert_eq!(Exit::decode(Vector::Serror, &stale), Exit::Serror);
}

fn words() -> impl Strategy<Value = u64> {
    // Whole registers, and values near what calls have.
    prop_oneof![
        any::<u64>(),
        (0..4_u64, 0..8_u64, 0..0x40_u64)
            .prop_map(|(kind, owner, number)| { kind << 30 | owner << 24 | number }),
        (0..0x40_u64).prop_map(|low| low),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4096,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_registers_are_an_exit(esr: u64, class in 0..64_u64, far: u64, hpfar: u64) {
        // Random bits alone would seldom hit a class that means something.
        for esr in [esr, esr & !(0x3F << 26) | class << 26] {
            let exit = decode(esr, far, hpfar);
            prop_assert!(!exit.to_string().is_empty());
            if let Exit::DataAbort(abort) | Exit::InstructionAbort(abort) = exit {
                if let Some(ipa) = abort.ipa {
                    prop_assert!(ipa.get() >> 48 == 0, "HPFAR_EL2 holds 36 bits of page");
                }
                if let Some(access) = abort.access {
                    prop_assert!(access.register <= 31);
                    let mut registers = Registers([far; 31]);
                    let stored = access.stored_value(&registers);
                    prop_assert_eq!(stored, access.size.truncate(stored));
                    access.complete_load(&mut registers, hpfar);
                }
            }
        }
    }

    #[test]
    fn any_registers_are_a_call(x in prop::array::uniform8(words())) {
        let mut registers = Registers::default();
        registers.0[..8].copy_from_slice(&x);
        let call = Call::decode(&registers);
        // SMC32 callers own W registers only: the upper halves change nothing.
        let is_32_bit = x[0] & 1 << 30 == 0;
        if is_32_bit {
            let mut dirty = registers;
            for value in &mut dirty.0 {
                *value |= 0xABCD_EF01 << 32;
            }
            prop_assert_eq!(Call::decode(&dirty), call);
        }
        if let Call::PsciRefused(error) = call {
            let answer = unimux_trap::psci_result(Err(error));
            prop_assert!((-9..=-1).contains(&answer.cast_signed()));
        }
        prop_assert_eq!(NOT_SUPPORTED.cast_signed(), -1);
    }
}
