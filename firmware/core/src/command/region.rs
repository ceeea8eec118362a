//! Memory regions: the guest opens memory, by range or by page list, and closes it again.
//!
//! A page list is copied once, a few entries a slice, each checked as it is copied; what the
//! guest does to its list afterwards changes nothing. Closing is answered when nothing that was
//! admitted to the region can touch it any more.

use core::sync::atomic::Ordering;

use unimux_abi::command::{Access, Entry};
use unimux_abi::limits::PAGE_SHIFT;
use unimux_abi::response::Status;
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span};

use super::{Ending, Outcome, arguments};
use crate::Firmware;
use crate::object::{Backing, Function, Region, RegisterPages, Unfinished};

/// Entries of a page list that are copied in one slice.
const PAGES_A_SLICE: u64 = 32;

impl<E: Engine> Firmware<E> {
    pub(super) fn register_mr(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [pd_access, iova, len_bytes, ipa, shift] = arguments(entry)?;
        let function = &mut self.functions[index];
        let (pd, access) = pd_and_access(pd_access)?;
        function.pds.get(pd).ok_or(Status::NotFound)?;
        if len_bytes == 0 || iova.checked_add(len_bytes).is_none() {
            return Err(Status::InvalidArgument);
        }
        if !function.regions.has_room() {
            return Err(Status::QuotaExceeded);
        }
        if shift == 0 {
            check_reach(function, Ipa::new(ipa), len_bytes)?;
            let backing = Backing::Range(Ipa::new(ipa));
            return insert(function, pd, access, iova, len_bytes, backing);
        }
        let shift = u8::try_from(shift).map_err(|_| Status::InvalidArgument)?;
        if !PAGE_SHIFT.contains(&shift) || !ipa.is_multiple_of(8) {
            return Err(Status::InvalidArgument);
        }
        let skip_bytes = iova & ((1 << shift) - 1);
        let span_bytes = skip_bytes
            .checked_add(len_bytes)
            .ok_or(Status::InvalidArgument)?;
        let count = span_bytes.div_ceil(1 << shift);
        let run = function.pages.take(count).ok_or(Status::QuotaExceeded)?;
        let list = Ipa::new(ipa);
        let register = RegisterPages {
            pd,
            access,
            iova,
            len_bytes,
            shift,
            list,
            run,
            count,
            copied: 0,
        };
        Ok(Ending::Later(Unfinished::Pages(register)))
    }

    /// Copies the next entries of a page list; registers the region when all are copied.
    pub(super) fn copy_pages(&mut self, index: usize, mut register: RegisterPages) -> Outcome {
        let function = &mut self.functions[index];
        let end = register.count.min(register.copied + PAGES_A_SLICE);
        while register.copied < end {
            let Some(page) = copy_page(function, &register) else {
                function.pages.give_back(register.run);
                return Err(Status::OutOfReach);
            };
            let stored = function.pages.set(register.run, register.copied, page);
            stored.expect("the run has an entry for every page");
            register.copied += 1;
        }
        if register.copied < register.count {
            return Ok(Ending::Later(Unfinished::Pages(register)));
        }
        let RegisterPages {
            pd,
            access,
            iova,
            len_bytes,
            shift,
            run,
            ..
        } = register;
        let skip_bytes = iova & ((1 << shift) - 1);
        let backing = Backing::Pages {
            run,
            shift,
            skip_bytes,
        };
        let inserted = insert(function, pd, access, iova, len_bytes, backing);
        if inserted.is_err() {
            function.pages.give_back(run);
        }
        inserted
    }

    pub(super) fn deregister_mr(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [lkey] = arguments(entry)?;
        let lkey = u32::try_from(lkey).map_err(|_| Status::NotFound)?;
        let function = &mut self.functions[index];
        let region = function.regions.remove(lkey).ok_or(Status::NotFound)?;
        self.revocations += 1;
        if let Some(users) = function.pds.get_mut(region.pd) {
            *users -= 1;
        }
        if let Backing::Pages { run, .. } = region.backing {
            function.pages.give_back(run);
        }
        Ok(Ending::Later(Unfinished::Fence(self.flights.mark())))
    }
}

/// Takes apart the first argument of a registration.
fn pd_and_access(argument: u64) -> Result<(u16, Access), Status> {
    let pd = (argument & 0xffff_ffff)
        .try_into()
        .map_err(|_| Status::NotFound)?;
    let access = u8::try_from(argument >> 32)
        .ok()
        .and_then(Access::from_bits);
    let access = access.ok_or(Status::InvalidArgument)?;
    let writes = Access::REMOTE_WRITE | Access::REMOTE_ATOMIC;
    if access.intersects(writes) && !access.contains(Access::LOCAL_WRITE) {
        return Err(Status::InvalidArgument);
    }
    Ok((pd, access))
}

/// Whether the guest may name all of a range.
fn check_reach(function: &Function, mut ipa: Ipa, mut len_bytes: u64) -> Result<(), Status> {
    while len_bytes > 0 {
        let span = function.windows.translate_some(ipa, len_bytes);
        let covered = span.map_err(|_| Status::OutOfReach)?.len_bytes();
        len_bytes -= covered;
        if len_bytes > 0 {
            ipa = ipa.checked_add(covered).ok_or(Status::OutOfReach)?;
        }
    }
    Ok(())
}

/// Reads the next entry of a page list, once, and checks the page that it names.
fn copy_page(function: &Function, register: &RegisterPages) -> Option<u64> {
    let at = register.list.checked_add(register.copied.checked_mul(8)?)?;
    let word = function.windows.translate(at, 8).ok()?.word(0)?;
    let page = Ipa::new(word.load(Ordering::Relaxed));
    let page_bytes = 1 << register.shift;
    if !page.is_aligned(page_bytes) {
        return None;
    }
    check_reach(function, page, page_bytes).ok()?;
    Some(page.get())
}

/// Registers a region whose backing was checked.
fn insert(
    function: &mut Function,
    pd: u16,
    access: Access,
    iova: u64,
    len_bytes: u64,
    backing: Backing,
) -> Outcome {
    let serial = function.regions.next_serial();
    let first = match backing {
        Backing::Range(ipa) => function.windows.translate_some(ipa, len_bytes).ok(),
        Backing::Pages { .. } => None,
    };
    let users = function.pds.get_mut(pd).ok_or(Status::NotFound)?;
    let keys = function
        .regions
        .insert(&mut function.keys, |lkey, rkey| Region {
            lkey,
            rkey,
            serial,
            pd,
            access,
            iova,
            len_bytes,
            backing,
            first: first.unwrap_or(Span::EMPTY),
        });
    let (lkey, rkey) = keys.ok_or(Status::QuotaExceeded)?;
    *users += 1;
    Ok(Ending::Done(u64::from(lkey) | u64::from(rkey) << 32))
}
