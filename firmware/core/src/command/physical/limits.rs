//! A tenant's share of the engine, and how fast it may go.

use unimux_abi::command::Entry;
use unimux_abi::physical::Limits;
use unimux_abi::response::Status;
use unimux_engine::Engine;

use super::super::{Ending, Outcome, arguments};
use crate::Firmware;

impl<E: Engine> Firmware<E> {
    pub(super) fn limit_function(&mut self, entry: &Entry) -> Outcome {
        let [function, weight, bytes_per_second, requests_per_second] = arguments(entry)?;
        let tenant = self.settled_tenant(function)?;
        let weight = u16::try_from(weight)
            .ok()
            .filter(|&weight| weight > 0)
            .ok_or(Status::InvalidArgument)?;
        let index = self.physical()?.function_of(tenant);
        self.schedule.set_weight(index, weight);
        if let Some(its) = self.tenant_mut(index) {
            its.weight = weight;
        }
        self.set_limits(
            tenant,
            Limits {
                bytes_per_second,
                requests_per_second,
            },
        );
        Ok(Ending::Done(0))
    }
}
