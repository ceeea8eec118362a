//! Memory regions: which guest memory a key opens, and for what.

use unimux_abi::command::Access;
use unimux_abi::completion::Detail;
use unimux_memory::{Ipa, Span, Windows};

use alloc::boxed::Box;

use super::{Keys, PageRun, Pages};

/// Where the bytes of a region are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backing {
    /// One range of IPAs.
    Range(Ipa),
    /// Pages of `1 << shift` bytes, the region beginning `skip_bytes` into the first.
    Pages {
        run: PageRun,
        shift: u8,
        skip_bytes: u64,
    },
}

/// A registered memory region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) lkey: u32,
    pub(crate) rkey: u32,
    /// Never the same for two regions of a function, so that a request which was admitted to one
    /// region cannot go on in the next one that takes its place.
    pub(crate) serial: u64,
    pub(crate) pd: u16,
    pub(crate) access: Access,
    /// The address that the guest gives the region's first byte.
    pub(crate) iova: u64,
    pub(crate) len_bytes: u64,
    pub(crate) backing: Backing,
    /// Its memory from the first byte on, as much as is in one piece; empty if it has pages.
    pub(crate) first: Span,
}

impl Region {
    /// How far into the region the range lies, if `pd` may use all of it for `wanted`.
    pub(crate) fn admit(
        &self,
        pd: u16,
        wanted: Access,
        address: u64,
        len_bytes: u64,
    ) -> Result<u64, Detail> {
        if self.pd != pd {
            return Err(Detail::ProtectionDomain);
        }
        if !self.access.contains(wanted) {
            return Err(Detail::Access);
        }
        // An address below the region's is, modulo 2^64, far behind its end: it does not wrap.
        let offset = address.wrapping_sub(self.iova);
        match self.len_bytes.checked_sub(len_bytes) {
            Some(last) if offset <= last => Ok(offset),
            _ => Err(Detail::Bounds),
        }
    }

    /// As much of the `len_bytes` bytes at `offset` as lies in one piece of memory.
    #[inline]
    pub(crate) fn piece(
        &self,
        offset: u64,
        len_bytes: u64,
        pages: &Pages,
        windows: &Windows,
    ) -> Option<Span> {
        // Most regions are in one piece.
        match self.first.part(offset, len_bytes) {
            Some(span) => Some(span),
            None => self.find_piece(offset, len_bytes, pages, windows),
        }
    }

    /// The same, by page and window.
    fn find_piece(
        &self,
        offset: u64,
        len_bytes: u64,
        pages: &Pages,
        windows: &Windows,
    ) -> Option<Span> {
        let (ipa, len_bytes) = match self.backing {
            Backing::Range(first) => (first.checked_add(offset)?, len_bytes),
            Backing::Pages {
                run,
                shift,
                skip_bytes,
            } => {
                let offset = offset.checked_add(skip_bytes)?;
                let page_bytes = 1u64 << shift;
                let inside = offset & (page_bytes - 1);
                let page = Ipa::new(pages.get(run, offset >> shift)?);
                (
                    page.checked_add(inside)?,
                    len_bytes.min(page_bytes - inside),
                )
            }
        };
        windows.translate_some(ipa, len_bytes).ok()
    }
}

/// The regions of one function, found by key in one step.
///
/// The low bits of both keys of a region say its place; a remote key is drawn whole, and drawn
/// again while its place is taken, so all its bits are random. A local key shares the place and
/// has other high bits: it is never told to anybody but its owner.
#[derive(Debug)]
pub(crate) struct Regions {
    places: Box<[Option<Region>]>,
    quota: u16,
    used: u16,
    last_serial: u64,
}

impl Regions {
    pub(crate) fn new(quota: u16) -> Self {
        // Twice as many places as regions: a draw finds a free one at once, mostly.
        let places = (usize::from(quota.max(1)) * 2).next_power_of_two();
        Self {
            places: (0..places).map(|_| None).collect(),
            quota,
            used: 0,
            last_serial: 0,
        }
    }

    /// Lets there be `quota` regions, while there is none; no more than there is room for.
    pub(crate) const fn set_quota(&mut self, quota: u16) {
        self.quota = quota;
    }

    const fn mask(&self) -> u32 {
        self.places.len() as u32 - 1
    }

    pub(crate) const fn has_room(&self) -> bool {
        self.used < self.quota
    }

    /// A serial number that no region had.
    pub(crate) const fn next_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    /// Draws keys for a region and puts in its place what `make` makes of `(lkey, rkey)`.
    /// Returns the keys, or `None` if the quota is used up.
    pub(crate) fn insert(
        &mut self,
        keys: &mut Keys,
        make: impl FnOnce(u32, u32) -> Region,
    ) -> Option<(u32, u32)> {
        if !self.has_room() {
            return None;
        }
        let mask = self.mask();
        let rkey = keys.draw_key(|key| self.places[(key & mask) as usize].is_none())?;
        let lkey = keys.draw_key_with(mask, rkey);
        self.places[(rkey & mask) as usize] = Some(make(lkey, rkey));
        self.used += 1;
        Some((lkey, rkey))
    }

    pub(crate) fn by_lkey(&self, lkey: u32) -> Option<&Region> {
        self.at(lkey).filter(|region| region.lkey == lkey)
    }

    pub(crate) fn by_rkey(&self, rkey: u32) -> Option<&Region> {
        self.at(rkey).filter(|region| region.rkey == rkey)
    }

    /// The region with this serial number, if it is still there; `key` is either of its keys.
    pub(crate) fn by_serial(&self, key: u32, serial: u64) -> Option<&Region> {
        self.at(key).filter(|region| region.serial == serial)
    }

    pub(crate) fn remove(&mut self, lkey: u32) -> Option<Region> {
        self.by_lkey(lkey)?;
        self.used -= 1;
        let mask = self.mask();
        self.places[(lkey & mask) as usize].take()
    }

    pub(crate) fn clear(&mut self) {
        self.places.fill_with(|| None);
        self.used = 0;
    }

    pub(crate) fn used(&self) -> usize {
        usize::from(self.used)
    }

    pub(crate) fn held_bytes(&self) -> usize {
        size_of_val(&*self.places)
    }

    fn at(&self, key: u32) -> Option<&Region> {
        self.places[(key & self.mask()) as usize].as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(lkey: u32, rkey: u32) -> Region {
        Region {
            lkey,
            rkey,
            serial: u64::from(rkey),
            pd: 1,
            access: Access::LOCAL_WRITE | Access::REMOTE_READ,
            iova: 0x1000,
            len_bytes: 0x100,
            backing: Backing::Range(Ipa::new(0)),
            first: Span::EMPTY,
        }
    }

    #[test]
    fn what_a_region_admits() {
        let read = Access::REMOTE_READ;
        let cases = [
            (1, read, 0x1000, 0x100, Ok(0)),
            (1, read, 0x10ff, 1, Ok(0xff)),
            (1, read, 0x1100, 0, Ok(0x100)),
            (1, Access::empty(), 0x1010, 8, Ok(0x10)),
            (2, read, 0x1000, 8, Err(Detail::ProtectionDomain)),
            (1, Access::REMOTE_WRITE, 0x1000, 8, Err(Detail::Access)),
            (1, read, 0xfff, 1, Err(Detail::Bounds)),
            (1, read, 0x1000, 0x101, Err(Detail::Bounds)),
            (1, read, u64::MAX, 2, Err(Detail::Bounds)),
            (1, read, 0x1001, u64::MAX, Err(Detail::Bounds)),
        ];
        for (pd, wanted, address, len, expected) in cases {
            assert_eq!(
                region(2, 3).admit(pd, wanted, address, len),
                expected,
                "{address:#x}"
            );
        }
    }

    #[test]
    fn a_key_opens_its_own_region_only() {
        let mut keys = Keys::new([7; 32]);
        let mut regions = Regions::new(100);
        let all: alloc::vec::Vec<_> = (0..100)
            .map(|_| regions.insert(&mut keys, region).unwrap())
            .collect();
        assert_eq!(
            regions.insert(&mut keys, region),
            None,
            "the quota is a limit"
        );
        for &(lkey, rkey) in &all {
            assert_eq!(regions.by_lkey(lkey).unwrap().rkey, rkey);
            assert_eq!(regions.by_rkey(rkey).unwrap().lkey, lkey);
            assert!(regions.by_rkey(lkey).is_none_or(|other| other.rkey == lkey));
        }
        let (lkey, rkey) = all[42];
        assert!(regions.remove(lkey).is_some());
        assert!(regions.by_rkey(rkey).is_none());
        assert!(regions.remove(lkey).is_none());
        assert!(regions.insert(&mut keys, region).is_some());
    }
}
