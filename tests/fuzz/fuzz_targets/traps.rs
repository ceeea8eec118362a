//! Syndromes and registers of an exit: any values mean something, and can be said.
#![no_main]

use unimux_trap::{
    Call, Exit, Registers, Snapshot, Vector,
    debug::DebugRegisters,
    id_registers::{ID_REGISTERS, IdRegister, Machine},
    injection,
};

libfuzzer_sys::fuzz_target!(|words: [u64; 12]| {
    let [esr, far, hpfar, rest @ ..] = words;
    let snapshot = Snapshot { esr, far, hpfar };
    let exit = Exit::decode(Vector::Synchronous, &snapshot);
    let _ = (exit.to_string(), exit.must_skip());
    let mut registers = Registers::default();
    registers.0[..rest.len()].copy_from_slice(&rest);
    if let Exit::DataAbort(abort) = exit
        && let Some(access) = abort.access
    {
        let stored = access.stored_value(&registers);
        access.complete_load(&mut registers, stored);
    }
    if let Exit::SystemRegister(access) = exit {
        let [_, _, _, own, stored, counts, ..] = words;
        let counts = [counts, counts >> 8].map(|it| it as usize % 16 + 1);
        let _ = DebugRegisters::default().access(&access, stored, counts);
        if let Some(register) = IdRegister::new(access.register) {
            assert!(register.index() < ID_REGISTERS);
            let machine = Machine {
                has_gic_registers: true,
                has_pmu: false,
            };
            let _ = register.shown(own, machine);
        }
    }
    let _ = injection::external_abort(esr, far);
    let _ = injection::handler_state(far, hpfar);
    let _ = Call::decode(&registers);
});
