//! Work requests, ready to be posted.
//!
//! A request is the entry as it will stand in the queue, but for its phase: building one is done
//! once, posting it is a copy. Whether it makes sense is the firmware's to judge.

use unimux_abi::work::{Entry, Flags, Head, MAX_INLINE_BYTES, Opcode, Segment};

use crate::Error;

/// A place in a peer's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// The address, as the peer's memory region counts.
    pub address: u64,
    /// The region's remote key.
    pub rkey: u32,
}

impl Remote {
    /// The place `offset_bytes` further on.
    #[must_use]
    #[inline]
    pub const fn at(self, offset_bytes: u64) -> Self {
        Self {
            address: self.address.wrapping_add(offset_bytes),
            rkey: self.rkey,
        }
    }
}

/// Puts one more segment into `entry`, or counts it as too many for the firmware to refuse.
fn add_segment(entry: &mut Entry, segment: Segment) {
    let head = entry.head();
    let at = 4 + 2 * usize::from(head.segments());
    if let Some(words) = entry.0.get_mut(at..at + 2) {
        words.copy_from_slice(&segment.to_words());
    }
    entry.0[0] = head
        .with_segments(head.segments().saturating_add(1))
        .into_bits();
}

/// A request for a send queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendWr(pub(crate) Entry);

impl SendWr {
    /// A request that moves nothing yet: `opcode` without segments.
    #[must_use]
    #[inline]
    pub const fn new(opcode: Opcode) -> Self {
        let mut words = [0; 8];
        words[0] = Head::new().with_opcode(opcode as u8).into_bits();
        Self(Entry(words))
    }

    /// The request in `entry`, whatever it says.
    #[must_use]
    #[inline]
    pub const fn from_entry(entry: Entry) -> Self {
        Self(entry)
    }

    /// The entry as it will be posted, but for the phase.
    #[must_use]
    #[inline]
    pub const fn entry(&self) -> &Entry {
        &self.0
    }

    /// SEND of `local` to the peer's next receive.
    #[must_use]
    #[inline]
    pub fn send(local: Segment) -> Self {
        Self::new(Opcode::Send).and(local)
    }

    /// SEND with immediate data.
    #[must_use]
    #[inline]
    pub fn send_imm(local: Segment, immediate: u32) -> Self {
        Self::new(Opcode::SendImm).and(local).immediate(immediate)
    }

    /// WRITE of `local` to `remote`.
    #[must_use]
    #[inline]
    pub fn write(local: Segment, remote: Remote) -> Self {
        Self::new(Opcode::Write).and(local).to(remote)
    }

    /// WRITE that also completes a receive of the peer with immediate data.
    #[must_use]
    #[inline]
    pub fn write_imm(local: Segment, remote: Remote, immediate: u32) -> Self {
        Self::new(Opcode::WriteImm)
            .and(local)
            .to(remote)
            .immediate(immediate)
    }

    /// READ of `remote` into `local`.
    #[must_use]
    #[inline]
    pub fn read(local: Segment, remote: Remote) -> Self {
        Self::new(Opcode::Read).and(local).to(remote)
    }

    /// Compare and swap: if the eight bytes at `remote` are `compare` they become `swap`; what
    /// they were is stored to `local`, which is eight bytes long.
    #[must_use]
    #[inline]
    pub fn compare_swap(local: Segment, remote: Remote, compare: u64, swap: u64) -> Self {
        let mut request = Self::new(Opcode::CompareSwap).and(local).to(remote);
        request.0.0[6] = swap;
        request.0.0[7] = compare;
        request
    }

    /// Fetch and add: the eight bytes at `remote` grow by `add`; what they were is stored to
    /// `local`, which is eight bytes long.
    #[must_use]
    #[inline]
    pub fn fetch_add(local: Segment, remote: Remote, add: u64) -> Self {
        let mut request = Self::new(Opcode::FetchAdd).and(local).to(remote);
        request.0.0[6] = add;
        request
    }

    /// SEND of `data`, which stands in the entry itself.
    ///
    /// # Errors
    ///
    /// [`Error::InlineTooLong`] if it is longer than 32 bytes.
    pub fn send_inline(data: &[u8]) -> Result<Self, Error> {
        Self::new(Opcode::Send).inline(data)
    }

    /// WRITE of `data`, which stands in the entry itself, to `remote`.
    ///
    /// # Errors
    ///
    /// [`Error::InlineTooLong`] if it is longer than 32 bytes.
    pub fn write_inline(data: &[u8], remote: Remote) -> Result<Self, Error> {
        Self::new(Opcode::Write).to(remote).inline(data)
    }

    /// WRITE of the eight bytes of `value` (little-endian) to `remote`: the shortest request.
    #[must_use]
    #[inline]
    pub const fn write_u64(value: u64, remote: Remote) -> Self {
        let mut request = Self::new(Opcode::Write);
        request.0.0[0] = request
            .0
            .head()
            .with_flags(Flags::INLINE.bits())
            .into_bits();
        request.0.0[2] = remote.address;
        request.0.0[3] = remote.rkey as u64 | 8 << 32;
        request.0.0[4] = value;
        request
    }

    /// This request with `data` in the entry itself instead of segments.
    ///
    /// # Errors
    ///
    /// [`Error::InlineTooLong`] if it is longer than 32 bytes.
    pub fn inline(mut self, data: &[u8]) -> Result<Self, Error> {
        let too_long = Error::InlineTooLong {
            len_bytes: data.len(),
        };
        let len_bytes = u32::try_from(data.len()).map_err(|_| too_long)?;
        if len_bytes > MAX_INLINE_BYTES {
            return Err(too_long);
        }
        for (word, bytes) in self.0.0[4..].iter_mut().zip(data.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(padded);
        }
        self.0.0[3] = self.0.0[3] & u64::from(u32::MAX) | u64::from(len_bytes) << 32;
        Ok(self.flag(Flags::INLINE))
    }

    /// This request with one more segment. An entry has room for two, an atomic for one; more are
    /// refused by the firmware.
    #[must_use]
    #[inline]
    pub fn and(mut self, local: Segment) -> Self {
        add_segment(&mut self.0, local);
        self
    }

    /// This request for the place `remote`.
    #[must_use]
    #[inline]
    pub const fn to(mut self, remote: Remote) -> Self {
        self.0.0[2] = remote.address;
        self.0.0[3] = self.0.0[3] & !(u32::MAX as u64) | remote.rkey as u64;
        self
    }

    /// This request with immediate data.
    #[must_use]
    #[inline]
    pub const fn immediate(mut self, immediate: u32) -> Self {
        self.0.0[0] = self.0.head().with_immediate(immediate).into_bits();
        self
    }

    /// This request with a work request id, which its completion gives back.
    #[must_use]
    #[inline]
    pub const fn id(mut self, id: u64) -> Self {
        self.0.0[1] = id;
        self
    }

    /// This request with a completion when it is done. Without one only an error completes it, and
    /// its place in the queue is free when a later signaled one has completed.
    #[must_use]
    #[inline]
    pub fn signaled(self) -> Self {
        self.flag(Flags::SIGNALED)
    }

    /// This request so that it wakes a receiver that waits for solicited completions only.
    #[must_use]
    #[inline]
    pub fn solicited(self) -> Self {
        self.flag(Flags::SOLICITED)
    }

    #[inline]
    fn flag(mut self, flag: Flags) -> Self {
        let head = self.0.head();
        self.0.0[0] = head.with_flags(head.flags() | flag.bits()).into_bits();
        self
    }
}

/// A request for a receive queue: where the peer's next send may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvWr(pub(crate) Entry);

impl RecvWr {
    /// A receive without memory: for sends of zero bytes, and writes with immediate data.
    #[must_use]
    #[inline]
    pub const fn empty() -> Self {
        let mut words = [0; 8];
        words[0] = Head::new().with_opcode(Opcode::Receive as u8).into_bits();
        Self(Entry(words))
    }

    /// A receive into `local`.
    #[must_use]
    #[inline]
    pub fn new(local: Segment) -> Self {
        Self::empty().and(local)
    }

    /// The request in `entry`, whatever it says.
    #[must_use]
    #[inline]
    pub const fn from_entry(entry: Entry) -> Self {
        Self(entry)
    }

    /// This request with one more segment, of two at most.
    #[must_use]
    #[inline]
    pub fn and(mut self, local: Segment) -> Self {
        add_segment(&mut self.0, local);
        self
    }

    /// This request with a work request id, which its completion gives back.
    #[must_use]
    #[inline]
    pub const fn id(mut self, id: u64) -> Self {
        self.0.0[1] = id;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: Remote = Remote {
        address: 0x1234,
        rkey: 0xdead_beef,
    };

    #[test]
    fn the_shortest_request_is_the_general_one() {
        assert_eq!(
            SendWr::write_u64(0x0807_0605_0403_0201, REMOTE),
            SendWr::write_inline(&[1, 2, 3, 4, 5, 6, 7, 8], REMOTE).unwrap()
        );
    }

    #[test]
    fn inline_data_has_a_limit() {
        assert!(SendWr::send_inline(&[0; 32]).is_ok());
        assert_eq!(
            SendWr::send_inline(&[0; 33]),
            Err(Error::InlineTooLong { len_bytes: 33 })
        );
    }

    #[test]
    fn segments_and_operands_do_not_meet() {
        let segment = Segment {
            address: 0x10,
            lkey: 5,
            len_bytes: 8,
        };
        let swap = SendWr::compare_swap(segment, REMOTE, 1, 2).id(7).signaled();
        let entry = swap.entry();
        assert_eq!(entry.segment(0), segment);
        assert_eq!((entry.compare(), entry.operand()), (1, 2));
        assert_eq!(
            (entry.remote_address(), entry.rkey()),
            (0x1234, 0xdead_beef)
        );
        assert_eq!(entry.id(), 7);
        assert_eq!(entry.head().segments(), 1);
        let three = SendWr::write(segment, REMOTE).and(segment).and(segment);
        assert_eq!(
            three.entry().head().segments(),
            3,
            "the firmware refuses it"
        );
    }
}
