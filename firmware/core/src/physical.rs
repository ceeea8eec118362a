//! The physical function, and the functions that it hands out to tenants.
//!
//! It carries out no verbs: those are in `command/physical`. All memory is taken when the
//! functions are made: a tenant's function comes out of a pool, and goes back into it.

use alloc::boxed::Box;

use unimux_abi::doorbell;
use unimux_abi::physical::{self, State};
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span, Windows};

use crate::object::{After, Life, Quota, Serving, Tenant};
use crate::{AddError, Firmware, FunctionConfig, FunctionId, Platform};

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
    pub(crate) stopped: u64,
    /// Functions with what their guests sleep for, and the host was not told yet.
    pub(crate) sleepers: u64,
    /// The host broke its own rings, and the log does not say so yet.
    pub(crate) broken: bool,
    /// When there may be a note again.
    pub(crate) noted_until_ns: u64,
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
            sleepers: 0,
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
        let Some(physical) = &self.physical else {
            return;
        };
        let Some(tenant) = physical.tenant_at(index) else {
            return;
        };
        match physical.tenants[tenant].life {
            Life::Leaving(After::Open) => self.open_tenant(tenant),
            Life::Leaving(After::Unused) => self.forget_tenant(tenant, platform),
            Life::Unused | Life::Closed | Life::Open => {}
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
        physical.sleepers &= !(1 << index);
        let doorbell = physical.doorbell;
        let function = &mut self.functions[index];
        function.windows.clear();
        function.set_doorbell(doorbell);
        self.limited &= !(1 << index);
        if let Some(host) = platform.host() {
            host.unmap_doorbell(FunctionId(index as u16));
        }
    }
}
