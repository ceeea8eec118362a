//! Protection domains: what may be used together.

use unimux_abi::command::Entry;
use unimux_abi::response::Status;
use unimux_engine::Engine;

use super::{Ending, Outcome, arguments, handle};
use crate::Firmware;

impl<E: Engine> Firmware<E> {
    pub(super) fn alloc_pd(&mut self, index: usize, entry: &Entry) -> Outcome {
        arguments::<0>(entry)?;
        let pd = self.functions[index]
            .pds
            .insert(|_| 0)
            .ok_or(Status::QuotaExceeded)?;
        Ok(Ending::Done(u64::from(pd)))
    }

    pub(super) fn dealloc_pd(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [pd] = arguments(entry)?;
        let (pds, pd) = (&mut self.functions[index].pds, handle(pd)?);
        if *pds.get(pd).ok_or(Status::NotFound)? > 0 {
            return Err(Status::InUse);
        }
        pds.remove(pd);
        Ok(Ending::Done(0))
    }
}
