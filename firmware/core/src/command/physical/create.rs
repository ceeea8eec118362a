//! A new function for a tenant, out of the pool.

use unimux_abi::command::Entry;
use unimux_abi::physical::{Limits, Objects, PAGE_BYTES, PARTITION};
use unimux_abi::response::Status;
use unimux_engine::Engine;
use unimux_memory::Pa;

use super::super::{Ending, Outcome, arguments};
use crate::object::{Life, Quota};
use crate::rate::Rates;
use crate::{Firmware, FunctionId, Platform};

impl<E: Engine> Firmware<E> {
    pub(super) fn create_function(
        &mut self,
        entry: &Entry,
        platform: &mut impl Platform,
    ) -> Outcome {
        let [doorbell, share, objects, pages, cookie] = arguments(entry)?;
        let doorbell = Pa::new(doorbell);
        let (partition, weight) = partition_and_weight(share)?;
        let quota = quota(Objects::from_bits(objects), pages)?;
        if !doorbell.is_aligned(PAGE_BYTES) || partition == PARTITION {
            return Err(Status::InvalidArgument);
        }
        if self.has_owner(doorbell, PAGE_BYTES)? {
            return Err(Status::InUse);
        }
        let physical = self.physical()?;
        let mut places = physical.tenants.iter();
        let free = places.position(|tenant| tenant.life == Life::Unused);
        let tenant = free.ok_or(Status::QuotaExceeded)?;
        let index = physical.function_of(tenant);
        if !quota.fits(&physical.tenants[tenant].room) {
            return Err(Status::QuotaExceeded);
        }

        let host = platform.host().ok_or(Status::NotSupported)?;
        let id = FunctionId(index as u16);
        let page = host
            .map_doorbell(id, doorbell)
            .filter(|page| page.len_bytes() == PAGE_BYTES && page.pa().is_aligned(PAGE_BYTES))
            .ok_or(Status::OutOfReach)?;
        let function = &mut self.functions[index];
        function.set_doorbell(page);
        function.set_quota(quota);
        function.partition = partition;
        // Counts anew, and what it holds by its own quota.
        function.forget();
        self.schedule.set_weight(index, weight);
        if let Some(its) = self.tenant_mut(index) {
            its.life = Life::Closed;
            its.cookie = cookie;
            its.doorbell = doorbell;
            its.weight = weight;
            its.limits = Limits::default();
            its.rates = Rates::default();
            its.attaches = 0;
        }
        Ok(Ending::Done(index as u64))
    }

    /// Whether some tenant has any of the `len_bytes` bytes at `pa`.
    pub(super) fn has_owner(&self, pa: Pa, len_bytes: u64) -> Result<bool, Status> {
        let mut tenants = self.physical()?.tenants.iter();
        Ok(tenants.any(|tenant| tenant.has_any_of(pa, len_bytes)))
    }
}

/// Takes apart the second argument: 16 bits each, and nothing above them.
fn partition_and_weight(share: u64) -> Result<(u16, u16), Status> {
    let share = u32::try_from(share).map_err(|_| Status::InvalidArgument)?;
    let (partition, weight) = (share as u16, (share >> 16) as u16);
    if weight == 0 {
        return Err(Status::InvalidArgument);
    }
    Ok((partition, weight))
}

fn quota(objects: Objects, pages: u64) -> Result<Quota, Status> {
    Ok(Quota {
        pds: objects.pds(),
        cqs: objects.cqs(),
        qps: objects.qps(),
        mrs: objects.mrs(),
        pages: u32::try_from(pages).map_err(|_| Status::QuotaExceeded)?,
    })
}
