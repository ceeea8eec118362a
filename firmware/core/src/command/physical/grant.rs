//! Memory for a tenant: ranges, and lists of pages.
//!
//! A frame is one tenant's or nobody's. A list is copied entry by entry and each page is judged on
//! the copy; what the host does to its list meanwhile changes nothing that was granted.

use core::sync::atomic::Ordering;

use unimux_abi::command::Entry;
use unimux_abi::physical::{MAX_LIST_PAGES, PAGE_BYTES, PAGE_SHIFTS, State};
use unimux_abi::response::Status;
use unimux_engine::Engine;
use unimux_memory::{GrantError, Ipa, Pa};

use super::super::{Ending, Outcome, arguments};
use crate::object::{GrantPages, Unfinished};
use crate::{Firmware, Platform};

/// Pages that are granted in one slice: each is looked for at every tenant.
const PAGES_A_SLICE: u64 = 8;

impl<E: Engine> Firmware<E> {
    pub(super) fn grant_window(&mut self, entry: &Entry, platform: &mut impl Platform) -> Outcome {
        let [function, ipa, pa, len_bytes] = arguments(entry)?;
        let tenant = self.settled_tenant(function)?;
        self.grant(tenant, Ipa::new(ipa), Pa::new(pa), len_bytes, platform)?;
        Ok(Ending::Done(0))
    }

    pub(super) fn grant_pages(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [function, ipa, list, shape] = arguments(entry)?;
        let tenant = self.settled_tenant(function)?;
        let (count, shift) = (shape & 0xffff_ffff, (shape >> 32) as u32);
        if !PAGE_SHIFTS.contains(&shift) || !(1..=MAX_LIST_PAGES).contains(&count) {
            return Err(Status::InvalidArgument);
        }
        if !list.is_multiple_of(8) {
            return Err(Status::InvalidArgument);
        }
        let list = self.functions[index]
            .windows
            .translate(Ipa::new(list), count * 8)
            .map_err(|_| Status::OutOfReach)?;
        Ok(Ending::Later(Unfinished::Grant(GrantPages {
            tenant,
            ipa: Ipa::new(ipa),
            shift,
            list,
            granted: 0,
        })))
    }

    /// Grants the next pages of a list.
    pub(in super::super) fn go_on_granting(
        &mut self,
        mut pages: GrantPages,
        platform: &mut impl Platform,
    ) -> Outcome {
        let count = pages.list.len_bytes() / 8;
        let end = count.min(pages.granted + PAGES_A_SLICE);
        while pages.granted < end {
            match self.grant_next(&pages, platform) {
                Ok(()) => pages.granted += 1,
                // Nobody uses it yet: there is nothing to find of what is taken away again.
                Err(status) if self.state_of(pages.tenant) == Some(State::Closed) => {
                    return Ok(Ending::Later(Unfinished::Ungrant(pages, status)));
                }
                Err(status) => return Err(status),
            }
        }
        Ok(if pages.granted < count {
            Ending::Later(Unfinished::Grant(pages))
        } else {
            Ending::Done(0)
        })
    }

    fn grant_next(
        &mut self,
        pages: &GrantPages,
        platform: &mut impl Platform,
    ) -> Result<(), Status> {
        let page_bytes = 1 << pages.shift;
        let word = pages.list.word(pages.granted * 8);
        let page = Pa::new(word.ok_or(Status::OutOfReach)?.load(Ordering::Relaxed));
        let ipa = pages.ipa.checked_add(pages.granted * page_bytes);
        let ipa = ipa.ok_or(Status::InvalidArgument)?;
        if !page.is_aligned(page_bytes) || !ipa.is_aligned(page_bytes) {
            return Err(Status::InvalidArgument);
        }
        self.grant(pages.tenant, ipa, page, page_bytes, platform)
    }

    /// Takes the last pages away that were granted of a list, in the reverse order.
    pub(in super::super) fn go_on_ungranting(
        &mut self,
        mut pages: GrantPages,
        status: Status,
    ) -> Outcome {
        let page_bytes = 1 << pages.shift;
        let end = pages.granted.saturating_sub(PAGES_A_SLICE);
        while pages.granted > end {
            pages.granted -= 1;
            let ipa = pages.ipa.checked_add(pages.granted * page_bytes);
            let ipa = ipa.ok_or(Status::InvalidArgument)?;
            let physical = self.physical.as_mut().ok_or(Status::NotSupported)?;
            let function = &mut self.functions[physical.function_of(pages.tenant)];
            let memory = function.windows.revoke(ipa, page_bytes);
            let frames = &mut physical.tenants[pages.tenant].frames;
            let gone = memory.is_some_and(|it| frames.remove(it.pa(), page_bytes));
            debug_assert!(gone, "what was granted last can be taken away");
        }
        if pages.granted == 0 {
            return Err(status);
        }
        Ok(Ending::Later(Unfinished::Ungrant(pages, status)))
    }

    /// Lets a tenant name memory, or says why not.
    fn grant(
        &mut self,
        tenant: usize,
        ipa: Ipa,
        pa: Pa,
        len_bytes: u64,
        platform: &mut impl Platform,
    ) -> Result<(), Status> {
        let outcome = self.try_grant(tenant, ipa, pa, len_bytes, platform);
        self.note_refusal(&outcome, pa, len_bytes, platform);
        outcome
    }

    /// Lets a tenant name memory of the host that nobody else may name.
    fn try_grant(
        &mut self,
        tenant: usize,
        ipa: Ipa,
        pa: Pa,
        len_bytes: u64,
        platform: &mut impl Platform,
    ) -> Result<(), Status> {
        let is_whole = ipa.is_aligned(PAGE_BYTES) && pa.is_aligned(PAGE_BYTES);
        if !is_whole || len_bytes == 0 || !len_bytes.is_multiple_of(PAGE_BYTES) {
            return Err(Status::InvalidArgument);
        }
        let host = platform.host().ok_or(Status::NotSupported)?;
        let memory = host.ram(pa, len_bytes).ok_or(Status::OutOfReach)?;
        if self.has_owner(pa, len_bytes)? {
            return Err(Status::InUse);
        }
        let physical = self.physical.as_mut().ok_or(Status::NotSupported)?;
        let function = &mut self.functions[physical.function_of(tenant)];
        let granted = function.windows.grant_span(ipa, memory);
        granted.map_err(|error| match error {
            GrantError::Empty | GrantError::Wraps => Status::InvalidArgument,
            GrantError::Overlaps(_) => Status::InUse,
            GrantError::Full(_) => Status::QuotaExceeded,
        })?;
        let kept = physical.tenants[tenant].frames.insert(pa, len_bytes);
        debug_assert!(kept, "where a window had room, so have its frames");
        Ok(())
    }
}
