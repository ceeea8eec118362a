//! What the host may know of its tenants: written to the tables of the region.

use unimux_abi::command::Entry;
use unimux_abi::counters::Counter;
use unimux_abi::physical::{
    MAX_LIST_RECORDS, Objects, QUERY_BYTES, QUERY_COUNTERS, QUERY_LIMITS, RECORD_BYTES, Record,
};
use unimux_abi::response::Status;
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span};

use super::super::{Ending, Outcome, arguments};
use crate::Firmware;

impl<E: Engine> Firmware<E> {
    pub(super) fn query_function(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [function, table] = arguments(entry)?;
        let tenant = self.tenant_named(function)?;
        let table = self.table(index, table, QUERY_BYTES)?;
        let record = self.record(tenant).ok_or(Status::NotFound)?;
        let physical = self.physical()?;
        let limits = physical.tenants[tenant].limits;
        let mut counters = *self.functions[physical.function_of(tenant)].counters();
        counters[Counter::EngineBusyCycles as usize] = self.busy_cycles;
        let rates = [limits.bytes_per_second, limits.requests_per_second];
        table
            .write(0, &record.to_words())
            .and_then(|()| table.write(QUERY_LIMITS, &rates))
            .and_then(|()| table.write(QUERY_COUNTERS, &counters))
            .ok_or(Status::OutOfReach)?;
        Ok(Ending::Done(0))
    }

    pub(super) fn list_functions(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [table, room] = arguments(entry)?;
        if room > MAX_LIST_RECORDS {
            return Err(Status::InvalidArgument);
        }
        let table = self.table(index, table, room * RECORD_BYTES)?;
        let tenants = self.physical()?.tenants.len();
        let mut count = 0;
        for record in (0..tenants).filter_map(|tenant| self.record(tenant)) {
            if count < room {
                let written = table.write(count * RECORD_BYTES, &record.to_words());
                written.ok_or(Status::OutOfReach)?;
            }
            count += 1;
        }
        Ok(Ending::Done(count))
    }

    /// What there is to tell of a tenant, if there is one.
    fn record(&self, tenant: usize) -> Option<Record> {
        let state = self.state_of(tenant)?;
        let physical = self.physical.as_ref()?;
        let its = physical.tenants.get(tenant)?;
        let index = physical.function_of(tenant);
        let function = &self.functions[index];
        let quota = &function.quota;
        Some(Record {
            function: index as u16,
            state,
            partition: function.partition,
            weight: its.weight,
            cookie: its.cookie,
            doorbell: its.doorbell.get(),
            window_bytes: function.windows.len_bytes(),
            windows: function.windows.count() as u32,
            objects_in_use: function.in_use() as u32,
            objects: Objects::new()
                .with_pds(quota.pds)
                .with_cqs(quota.cqs)
                .with_qps(quota.qps)
                .with_mrs(quota.mrs),
            pages: quota.pages,
            attaches: its.attaches,
        })
    }

    /// The table at `pa`, which must lie in the region.
    fn table(&self, index: usize, pa: u64, len_bytes: u64) -> Result<Span, Status> {
        if !pa.is_multiple_of(RECORD_BYTES) {
            return Err(Status::InvalidArgument);
        }
        self.functions[index]
            .windows
            .translate(Ipa::new(pa), len_bytes)
            .map_err(|_| Status::OutOfReach)
    }
}
