//! What a core does for the rest of its life.

pub(crate) mod engine;
pub(crate) mod guest;
pub(crate) mod kvm_host;

use alloc::{boxed::Box, vec, vec::Vec};

use unimux_el2::{lock::Lock, time};
use unimux_scenario::Scenario;

use crate::guest::Guest;

/// A core's role.
#[derive(Clone, Copy)]
enum Role {
    /// None: it stands still.
    None,
    /// The engine.
    Engine,
    /// The host's, which starts its other cores itself.
    KvmHost,
    /// vCPUs of guests. Taken by the core, for ever.
    Guests(&'static Lock<guest::Core>),
}

/// Of each core. There are none before [`assign`].
static ROLES: Lock<&'static [Role]> = Lock::new(&[]);

/// Gives every core its role.
pub(crate) fn assign(scenario: &Scenario, cores: usize, boot_core: usize) {
    let mut roles = vec![Role::None; cores];
    roles[scenario.engine_core as usize] = Role::Engine;
    for (core, role) in (0..).zip(&mut roles) {
        let vcpus = vcpus_of(scenario, core);
        if !vcpus.is_empty() {
            *role = Role::Guests(Box::leak(Box::new(Lock::new(guest::Core::new(&vcpus)))));
        }
    }
    let host = scenario.host.as_ref();
    if let Some(first) = host.and_then(|it| it.first_core(boot_core as u32)) {
        roles[first as usize] = Role::KvmHost;
    }
    *ROLES.lock() = roles.leak();
}

/// The vCPUs that a core is to run, each with its guest and its weight.
fn vcpus_of(scenario: &Scenario, core: u32) -> Vec<(&'static Guest, usize, u32)> {
    let mut vcpus = Vec::new();
    for (its, guest) in scenario.guests.iter().zip(crate::guest::all()) {
        let on_core = its.cores.iter().enumerate().filter(|(_, it)| **it == core);
        vcpus.extend(on_core.map(|(vcpu, _)| (guest, vcpu, its.weight())));
    }
    vcpus
}

fn role_of(core: usize) -> Role {
    ROLES.lock().get(core).copied().unwrap_or(Role::None)
}

/// Whether a core has anything to do.
pub(crate) fn has_role(core: usize) -> bool {
    !matches!(role_of(core), Role::None)
}

/// Whether Unimux takes interrupts on a core.
pub(crate) fn is_interrupted(core: usize) -> bool {
    !matches!(role_of(core), Role::KvmHost)
}

/// Does what the core is for.
pub(crate) fn play(core: usize) -> ! {
    match role_of(core) {
        Role::Engine => engine::run(),
        Role::KvmHost => kvm_host::run(),
        Role::Guests(guests) => guests.lock().run(),
        Role::None => loop {
            time::wait_for_interrupt();
        },
    }
}
