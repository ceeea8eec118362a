//! Step 4: copy the next entry of a queue, once.
//!
//! From here on the firmware looks at its own copy; what the guest does to the original meanwhile
//! is seen by nobody.

use unimux_abi::work::Entry;
use unimux_engine::Engine;

use crate::Firmware;
use crate::object::Peer;

impl<E: Engine> Firmware<E> {
    /// The next entry of a send queue, if the guest has filled it.
    pub(crate) fn fetch(&mut self, index: usize, qp: u16) -> Option<Entry> {
        self.functions[index]
            .qps
            .get_mut(qp)?
            .send
            .take()
            .map(Entry)
    }

    /// The next entry of a queue pair's receive queue, if its guest has filled it.
    pub(crate) fn fetch_receive(&mut self, responder: Peer) -> Option<Entry> {
        let function = &mut self.functions[usize::from(responder.function)];
        function
            .qps
            .get_mut(responder.qp)?
            .receive
            .take()
            .map(Entry)
    }
}
