//! Step 4: copy the next entry of a queue, once.
//!
//! From here on the firmware looks at its own copy; what the guest does to the original meanwhile
//! is seen by nobody.

use unimux_abi::work::Entry;

use crate::object::QueuePair;

impl QueuePair {
    /// Copies the next entry of the send queue, if the guest has filled it. Whether it had.
    #[inline]
    pub(crate) fn fetch(&mut self) -> bool {
        self.send.take_into(&mut self.entry.0)
    }

    /// The next entry of the receive queue, if the guest has filled it.
    pub(crate) fn fetch_receive(&mut self) -> Option<Entry> {
        self.receive.take().map(Entry)
    }
}
