//! Syndromes and registers of an exit: any values mean something, and can be said.
#![no_main]

use unimux_trap::{Call, Exit, Registers, Snapshot, Vector};

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
    let _ = Call::decode(&registers);
});
