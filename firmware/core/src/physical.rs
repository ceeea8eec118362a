//! The physical function, and the functions that it hands out to tenants.
//!
//! It carries out no verbs: those are in `command/physical`. All memory is taken when the
//! functions are made: a tenant's function comes out of a pool, and goes back into it.

use alloc::boxed::Box;

use unimux_abi::doorbell;
use unimux_abi::physical::{self, State, StopReason};
use unimux_abi::response::Event;
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span, Windows};

use crate::object::{After, Life, Quota, Serving, Tenant};
use crate::{AddError, Firmware, FunctionConfig, FunctionId, NOTE_INTERVAL_NS, Note, Platform};

/// What the physical function is made of.
#[derive(Debug)]
pub struct PhysicalConfig {
    /// Its region, as [`unimux_abi::physical`] has it: memory that nobody has but the host.
    pub region: Span,
    /// Functions for tenants.
    pub tenants: u16,
    /// The most objects that one of them may have.
    pub quota: Quota,
    /// The most windows that one of them may have.
    pub windows: usize,
}

/// The physical function, with what the firmware remembers of its tenants.
#[derive(Debug)]
pub(crate) struct Physical {
    /// Its number; tenants' functions have the numbers after it.
    pub(crate) function: usize,
    pub(crate) tenants: Box<[Tenant]>,
    /// Its own doorbell page, which stands in where a tenant has none.
    doorbell: Span,
    /// Functions that were stopped, and the host was not told yet; a bit for each.
    stopped: u64,
    /// Functions with completions for sleepers, and the host was not told yet.
    completions: u64,
    /// The host broke its own rings, and the log does not say so yet.
    broken: bool,
    /// When there may be a note again.
    noted_until_ns: u64,
}

impl Physical {
    /// The number of a tenant's function.
    pub(crate) const fn function_of(&self, tenant: usize) -> usize {
        self.function + 1 + tenant
    }

    /// Whose function it is.
    pub(crate) fn tenant_at(&self, function: usize) -> Option<usize> {
        let tenant = function.checked_sub(self.function + 1)?;
        (tenant < self.tenants.len()).then_some(tenant)
    }
}

impl<E: Engine> Firmware<E> {
    /// Makes the physical function, and as many functions for tenants; those have the numbers
    /// after its own. Memory is taken here, and only here.
    ///
    /// # Errors
    ///
    /// [`AddError`] says what is wrong with `config`.
    pub fn add_physical_function(
        &mut self,
        config: PhysicalConfig,
    ) -> Result<FunctionId, AddError> {
        let PhysicalConfig {
            region,
            tenants,
            quota,
            windows,
        } = config;
        let doorbell = region.part(physical::DOORBELL, doorbell::PAGE_BYTES);
        let doorbell = doorbell
            .filter(|_| region.len_bytes() == physical::REGION_BYTES)
            .ok_or(AddError::Region)?;
        let mut own = Windows::with_capacity(1);
        let granted = own.grant_span(Ipa::new(region.pa().get()), region);
        granted.map_err(|_| AddError::Region)?;
        let id = self.add_function(FunctionConfig {
            windows: own,
            doorbell,
            quota: Quota::NONE,
            partition: physical::PARTITION,
            weight: 1,
        })?;
        for _ in 0..tenants {
            let function = self.add_function(FunctionConfig {
                windows: Windows::with_capacity(windows),
                doorbell,
                quota,
                partition: 0,
                weight: 1,
            })?;
            self.turn_away_from(usize::from(function.0));
            self.functions[usize::from(function.0)].serving = Serving::Free;
        }
        self.physical = Some(Physical {
            function: usize::from(id.0),
            tenants: (0..tenants).map(|_| Tenant::none(quota, windows)).collect(),
            doorbell,
            stopped: 0,
            completions: 0,
            broken: false,
            noted_until_ns: 0,
        });
        Ok(id)
    }

    /// Whether the function is the physical one.
    pub(crate) fn is_physical(&self, index: usize) -> bool {
        (self.physical.as_ref()).is_some_and(|physical| physical.function == index)
    }

    /// The tenant whose function it is.
    pub(crate) fn tenant(&self, index: usize) -> Option<&Tenant> {
        let physical = self.physical.as_ref()?;
        physical.tenants.get(physical.tenant_at(index)?)
    }

    /// The tenant whose function it is.
    pub(crate) fn tenant_mut(&mut self, index: usize) -> Option<&mut Tenant> {
        let physical = self.physical.as_mut()?;
        let tenant = physical.tenant_at(index)?;
        physical.tenants.get_mut(tenant)
    }

    /// Where a tenant's function is in its life; `None` if there is no such tenant.
    pub(crate) fn state_of(&self, tenant: usize) -> Option<State> {
        let physical = self.physical.as_ref()?;
        let serving = self.functions[physical.function_of(tenant)].serving;
        Some(match (physical.tenants.get(tenant)?.life, serving) {
            (Life::Unused, _) => return None,
            (Life::Closed, _) => State::Closed,
            (Life::Leaving(_), _) | (Life::Open, Serving::Leaving(_)) => State::Leaving,
            (Life::Open, Serving::Attached) => State::Attached,
            (Life::Open, Serving::Stopped) => State::Stopped,
            (Life::Open, Serving::Free | Serving::Given) => State::Open,
        })
    }

    /// Begins to take a tenant's function back. It may be free at once.
    pub(crate) fn take_back_tenant(
        &mut self,
        tenant: usize,
        after: After,
        platform: &mut impl Platform,
    ) {
        let Some(physical) = &mut self.physical else {
            return;
        };
        let index = physical.function_of(tenant);
        physical.tenants[tenant].life = Life::Leaving(after);
        let id = FunctionId(index as u16);
        self.begin_take_back(id);
        if self.is_free(id) {
            self.taken_back(index, platform);
        }
    }

    /// A function is free: what the host said of it before is carried out.
    pub(crate) fn taken_back(&mut self, index: usize, platform: &mut impl Platform) {
        let Some(tenant) = (self.physical.as_ref()).and_then(|physical| physical.tenant_at(index))
        else {
            return;
        };
        match self.physical.as_ref().map(|all| all.tenants[tenant].life) {
            Some(Life::Leaving(After::Open)) => self.open_tenant(tenant),
            Some(Life::Leaving(After::Unused)) => self.forget_tenant(tenant, platform),
            _ => {}
        }
    }

    /// Lets a tenant attach, from a doorbell page on which nothing stands.
    pub(crate) fn open_tenant(&mut self, tenant: usize) {
        let Some(physical) = &mut self.physical else {
            return;
        };
        let index = physical.function_of(tenant);
        physical.tenants[tenant].life = Life::Open;
        for at in [doorbell::RING, doorbell::CONTROL, doorbell::COMMANDS] {
            let cleared = self.functions[index].doorbell.write(at, &[0]);
            cleared.expect("the doorbell is an aligned page");
        }
        self.give(FunctionId(index as u16));
    }

    /// Gives a tenant's place, and its memory, back.
    fn forget_tenant(&mut self, tenant: usize, platform: &mut impl Platform) {
        let Some(physical) = &mut self.physical else {
            return;
        };
        let index = physical.function_of(tenant);
        let its = &mut physical.tenants[tenant];
        its.life = Life::Unused;
        its.frames.clear();
        physical.stopped &= !(1 << index);
        physical.completions &= !(1 << index);
        let doorbell = physical.doorbell;
        let function = &mut self.functions[index];
        function.windows.clear();
        function.set_doorbell(doorbell);
        self.limited &= !(1 << index);
        if let Some(host) = platform.host() {
            host.unmap_doorbell(FunctionId(index as u16));
        }
    }

    /// Has the log say something, if it has not just said something else.
    pub(crate) fn note(&mut self, note: Note, platform: &mut impl Platform) {
        let now_ns = platform.now_ns();
        if let (Some(physical), Some(host)) = (&mut self.physical, platform.host())
            && physical.noted_until_ns <= now_ns
        {
            physical.noted_until_ns = now_ns.saturating_add(NOTE_INTERVAL_NS);
            host.note(note);
        }
    }

    /// The host broke its own rings.
    pub(crate) fn note_broken(&mut self) {
        if let Some(physical) = &mut self.physical {
            physical.broken = true;
        }
    }

    /// A tenant's function was stopped: the host will be told.
    pub(crate) fn note_stop(&mut self, index: usize) {
        if let Some(physical) = &mut self.physical
            && physical.tenant_at(index).is_some()
        {
            physical.stopped |= 1 << index;
            self.control.look_at(physical.function);
        }
    }

    /// A tenant's completion queue has what it sleeps for: the host will be told. Whether it is a
    /// tenant's, and not a guest with an interrupt of its own.
    pub(crate) fn note_completion(&mut self, index: usize) -> bool {
        let Some(physical) = &mut self.physical else {
            return false;
        };
        if physical.tenant_at(index).is_none() {
            return false;
        }
        physical.completions |= 1 << index;
        self.control.look_at(physical.function);
        true
    }

    /// Tells the host what happened to its tenants, as far as there is room. What is left is told
    /// when the host rings again, or more happens.
    pub(crate) fn tell_host(&mut self, platform: &mut impl Platform) {
        let Some(physical) = &mut self.physical else {
            return;
        };
        let index = physical.function;
        if core::mem::take(&mut physical.broken) {
            self.note(Note::Broken, platform);
        }
        let Some(physical) = &self.physical else {
            return;
        };
        let (mut stopped, completions) = (physical.stopped, physical.completions);
        while stopped != 0 && self.has_room_for_event(index) {
            let function = stopped.trailing_zeros();
            stopped &= stopped - 1;
            let cookie = self.tenant(function as usize).map_or(0, |its| its.cookie);
            let reason = StopReason::BrokenResponseRing as u64;
            let words = [u64::from(function), reason, cookie];
            self.post_event(index, 0, Event::TenantStopped, words);
            self.note(Note::Stopped(FunctionId(function as u16)), platform);
        }
        let told = completions != 0
            && self.has_room_for_event(index)
            && self.post_event(index, 0, Event::TenantCompletions, [completions, 0, 0]);
        if let Some(physical) = &mut self.physical {
            physical.stopped = stopped;
            physical.completions = if told { 0 } else { completions };
        }
    }

    fn has_room_for_event(&mut self, index: usize) -> bool {
        let control = self.functions[index].control.as_mut();
        // The last place is for the answer to a command.
        control.is_some_and(|control| control.responses.room(2).is_ok())
    }
}
