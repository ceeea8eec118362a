//! What a core does for the rest of its life.

pub(crate) mod engine;
pub(crate) mod guest;
pub(crate) mod kvm_host;

use alloc::vec;

use unimux_el2::{lock::Lock, time};
use unimux_scenario::Scenario;

/// A core's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// None: it stands still.
    None,
    /// The engine.
    Engine,
    /// The host's, which starts its other cores itself.
    KvmHost,
    /// A vCPU of a guest.
    Guest { guest: usize, vcpu: usize },
}

/// Of each core. There are none before [`assign`].
static ROLES: Lock<&'static [Role]> = Lock::new(&[]);

/// Gives every core its role.
pub(crate) fn assign(scenario: &Scenario, cores: usize, boot_core: usize) {
    let mut roles = vec![Role::None; cores];
    roles[scenario.engine_core as usize] = Role::Engine;
    for (guest, its) in scenario.guests.iter().enumerate() {
        for (vcpu, core) in its.cores.iter().enumerate() {
            roles[*core as usize] = Role::Guest { guest, vcpu };
        }
    }
    let host = scenario.host.as_ref();
    if let Some(first) = host.and_then(|it| it.first_core(boot_core as u32)) {
        roles[first as usize] = Role::KvmHost;
    }
    *ROLES.lock() = roles.leak();
}

fn role_of(core: usize) -> Role {
    ROLES.lock().get(core).copied().unwrap_or(Role::None)
}

/// Whether a core has anything to do.
pub(crate) fn has_role(core: usize) -> bool {
    role_of(core) != Role::None
}

/// Whether Unimux takes interrupts on a core.
pub(crate) fn is_interrupted(core: usize) -> bool {
    role_of(core) != Role::KvmHost
}

/// Does what the core is for.
pub(crate) fn play(core: usize) -> ! {
    match role_of(core) {
        Role::Engine => engine::run(),
        Role::KvmHost => kvm_host::run(),
        Role::Guest { guest, vcpu } => guest::run(&crate::guest::all()[guest], vcpu),
        Role::None => loop {
            time::wait_for_interrupt();
        },
    }
}
