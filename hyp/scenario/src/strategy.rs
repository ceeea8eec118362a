//! Sound and arbitrary scenarios for tests.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as list;
use proptest::option;
use proptest::prelude::*;

use crate::{
    Engine, EngineKind, Function, Guest, Host, Machine, Module, OnFault, PaRange, Quota, Scenario,
};

/// Four cores, 1 GiB, with Unimux and a device tree in it.
pub(crate) fn machine() -> Machine {
    let memory = PaRange::new(0x4000_0000, 0x4000_0000).unwrap();
    Machine {
        cores: 4,
        memory: vec![memory],
        reserved: vec![],
    }
    .with_reserved("the device tree", 0x4000_0000, 0x1_0000)
    .with_reserved("Unimux", 0x4020_0000, 0x8_0000)
}

/// A sound guest with 64 MiB.
pub(crate) fn guest(name: &str, core: u32) -> Guest {
    Guest {
        name: name.into(),
        cores: vec![core],
        share: None,
        memory_bytes: 64 << 20,
        memory_at: None,
        image: Module {
            pa: 0x5000_0000 + u64::from(core) * 0x10_0000,
            len_bytes: 0x2_0000,
        },
        payload: None,
        on_fault: OnFault::Stop,
        function: Function::default(),
        arguments: String::new(),
    }
}

/// A sound host, with the machine's last 256 MiB for its kernel.
pub(crate) fn sound_host(cores: &[u32]) -> Host {
    Host {
        cores: cores.into(),
        kernel: Module {
            pa: 0x7000_0000,
            len_bytes: 0x10_0000,
        },
        initrd: Some(Module {
            pa: 0x6000_0000,
            len_bytes: 0x1234,
        }),
        arguments: String::new(),
        functions: 8,
    }
}

pub(crate) fn scenario_of<const N: usize>(guests: [Guest; N]) -> Scenario {
    Scenario {
        engine_core: 0,
        engine: Engine::default(),
        idle_functions: 0,
        baseline: false,
        guests: guests.into(),
        host: None,
    }
}

/// An engine, where one can be read.
fn engine() -> impl Strategy<Value = Engine> {
    let kind = prop::sample::select(&EngineKind::ALL);
    let any = (option::of(kind), option::of(any::<u32>()));
    any.prop_map(|(kind, crossover_bytes)| match cfg!(feature = "dma") {
        true => Engine {
            kind,
            crossover_bytes,
        },
        false => Engine::default(),
    })
}

fn module() -> impl Strategy<Value = Module> {
    let sound = (0x5000_0000u64..0x7000_0000, 1u64..0x10_0000);
    let wild = (any::<u64>(), any::<u64>());
    prop_oneof![9 => sound, 1 => wild].prop_map(|(pa, len_bytes)| Module { pa, len_bytes })
}

fn on_fault() -> impl Strategy<Value = OnFault> {
    prop_oneof![
        Just(OnFault::Stop),
        any::<u32>().prop_map(|times_max| OnFault::Restart { times_max })
    ]
}

fn function() -> impl Strategy<Value = Function> {
    (any::<u16>(), 1u16.., any::<[u32; 5]>()).prop_map(|(partition, weight, quota)| {
        let [pds, cqs, qps, mrs, pages] = quota;
        Function {
            partition,
            weight,
            quota: Quota {
                pds,
                cqs,
                qps,
                mrs,
                pages,
            },
        }
    })
}

fn host() -> impl Strategy<Value = Host> {
    let cores = prop_oneof![Just(vec![3]), list(0u32..5, 0..3)];
    let modules = (module(), option::of(module()));
    (cores, modules, "[ -~]{0,40}", 0u32..40).prop_map(
        |(cores, (kernel, initrd), arguments, functions)| Host {
            cores,
            kernel,
            initrd,
            arguments,
            functions,
        },
    )
}

fn any_guest() -> impl Strategy<Value = Guest> {
    (
        (
            ("[a-z0-9-]{1,15}", "[ -~]{0,40}"),
            (list(0u32..5, 0..3), option::of(0u32..1100)),
        ),
        prop_oneof![9 => (2u64..100).prop_map(|it| it << 21), 1 => any::<u64>()],
        option::weighted(0.2, (0x200u64..0x3ff).prop_map(|it| it << 21)),
        (module(), option::of(module()), on_fault(), function()),
    )
        .prop_map(
            |(((name, arguments), (cores, share)), memory_bytes, memory_at, rest)| {
                let (image, payload, on_fault, function) = rest;
                Guest {
                    name,
                    cores,
                    share,
                    memory_bytes,
                    memory_at,
                    image,
                    payload,
                    on_fault,
                    function,
                    arguments,
                }
            },
        )
}

/// Anything that the types allow, mostly close to what is sound.
pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    (
        any::<u32>(),
        any::<u32>(),
        any::<bool>(),
        list(any_guest(), 0..5),
        (option::of(host()), any::<bool>(), engine()),
    )
        .prop_map(
            |(engine_core, idle_functions, baseline, mut guests, (host, sound, engine))| {
                if !sound {
                    return Scenario {
                        engine_core,
                        engine,
                        idle_functions,
                        baseline,
                        guests,
                        host,
                    };
                }
                // One core each, a name each: what is left to refuse is memory.
                guests.truncate(2);
                for (index, guest) in (0u32..).zip(&mut guests) {
                    guest.cores = vec![index + 1];
                    guest.name = alloc::format!("g{index}");
                }
                let guests: Vec<Guest> = guests;
                Scenario {
                    engine_core: 0,
                    engine,
                    idle_functions: idle_functions % 32,
                    baseline,
                    guests,
                    host,
                }
            },
        )
}
