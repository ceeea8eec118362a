//! The verbs of the physical function: making functions for tenants, and ending them.
//!
//! The host is believed about its own tenants' memory only: every address is the machine's to
//! judge first, and nobody else's then. While a tenant's function is being taken back nothing
//! else is done to it.

mod create;
mod grant;
mod limits;
mod query;

use unimux_abi::command::{Entry, Opcode};
use unimux_abi::physical::{PAGE_BYTES, State};
use unimux_abi::response::Status;
use unimux_engine::Engine;
use unimux_memory::Pa;

use super::{Ending, Outcome, arguments};
use crate::object::{After, Life, Unfinished};
use crate::physical::Physical;
use crate::{Firmware, Note, Platform};

impl<E: Engine> Firmware<E> {
    /// Carries out a verb of the physical function, or begins to.
    #[cold]
    pub(super) fn physical_command(
        &mut self,
        index: usize,
        opcode: Opcode,
        entry: &Entry,
        platform: &mut impl Platform,
    ) -> Outcome {
        if !self.is_physical(index) {
            return Err(Status::NotSupported);
        }
        match opcode {
            Opcode::CreateFunction => {
                let outcome = self.create_function(entry, platform);
                let page = Pa::new(entry.arguments()[0]);
                self.note_refusal(&outcome, page, PAGE_BYTES, platform);
                outcome
            }
            Opcode::GrantWindow => self.grant_window(entry, platform),
            Opcode::GrantPages => self.grant_pages(index, entry),
            Opcode::OpenFunction => self.open_function(entry),
            Opcode::ResetFunction => self.end_function(entry, After::Open, platform),
            Opcode::DestroyFunction => self.end_function(entry, After::Unused, platform),
            Opcode::SetLimits => self.limit_function(entry),
            Opcode::QueryFunction => self.query_function(index, entry),
            Opcode::ListFunctions => self.list_functions(index, entry),
            _ => Err(Status::NotSupported),
        }
    }

    /// Has the log say that memory was refused, if it was.
    fn note_refusal<T>(
        &mut self,
        outcome: &Result<T, Status>,
        pa: Pa,
        len_bytes: u64,
        platform: &mut impl Platform,
    ) {
        if let Err(status @ (Status::OutOfReach | Status::InUse)) = *outcome {
            let note = Note::Refused {
                pa,
                len_bytes,
                status,
            };
            self.note(note, platform);
        }
    }

    fn open_function(&mut self, entry: &Entry) -> Outcome {
        let [function] = arguments(entry)?;
        let tenant = self.tenant_named(function)?;
        if self.state_of(tenant) != Some(State::Closed) {
            return Err(Status::WrongState);
        }
        self.open_tenant(tenant);
        Ok(Ending::Done(0))
    }

    /// Takes a function back, whatever it is at.
    fn end_function(
        &mut self,
        entry: &Entry,
        after: After,
        platform: &mut impl Platform,
    ) -> Outcome {
        let [function] = arguments(entry)?;
        let tenant = self.tenant_named(function)?;
        let life = self.physical()?.tenants[tenant].life;
        // What another agent has begun is gone through with; to end a function is always right.
        let may = match (life, after) {
            (Life::Open | Life::Leaving(After::Open), _) => true,
            (_, After::Unused) => true,
            (_, After::Open) => false,
        };
        if !may {
            return Err(Status::WrongState);
        }
        self.take_back_tenant(tenant, after, platform);
        self.await_take_back(tenant)
    }

    /// Whether a tenant's function is taken back by now.
    pub(super) fn await_take_back(&self, tenant: usize) -> Outcome {
        Ok(match self.physical()?.tenants[tenant].life {
            Life::Leaving(_) => Ending::Later(Unfinished::TakeBack { tenant }),
            Life::Unused | Life::Closed | Life::Open => Ending::Done(0),
        })
    }

    fn physical(&self) -> Result<&Physical, Status> {
        self.physical.as_ref().ok_or(Status::NotSupported)
    }

    /// The tenant with this function, if there is one.
    fn tenant_named(&self, function: u64) -> Result<usize, Status> {
        let physical = self.physical()?;
        let function = usize::try_from(function).map_err(|_| Status::NotFound)?;
        let tenant = physical.tenant_at(function).ok_or(Status::NotFound)?;
        match physical.tenants[tenant].life {
            Life::Unused => Err(Status::NotFound),
            Life::Closed | Life::Open | Life::Leaving(_) => Ok(tenant),
        }
    }

    /// The same, if nothing is being done to it.
    fn settled_tenant(&self, function: u64) -> Result<usize, Status> {
        let tenant = self.tenant_named(function)?;
        match self.physical()?.tenants[tenant].life {
            Life::Leaving(_) => Err(Status::WrongState),
            Life::Unused | Life::Closed | Life::Open => Ok(tenant),
        }
    }
}
