//! Messages: three words to another function, so that two drivers can find each other.

use unimux_abi::command::Entry;
use unimux_abi::response::{Event, Status};
use unimux_engine::Engine;

use super::{Ending, Outcome, arguments};
use crate::Firmware;

impl<E: Engine> Firmware<E> {
    pub(super) fn message(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [function, words @ ..] = arguments::<4>(entry)?;
        let peer = self.peer_of(index, function)?;
        if !self.functions[peer].is_attached() {
            return Err(Status::PeerBusy);
        }
        if self.post_event(peer, index as u16, Event::Message, words) {
            Ok(Ending::Done(0))
        } else {
            Err(Status::PeerBusy)
        }
    }

    /// The function with this number, if it is in the same partition as function `index`.
    ///
    /// A function that exists and one of another partition that does are told apart from one
    /// that does not by nothing.
    pub(super) fn peer_of(&self, index: usize, function: u64) -> Result<usize, Status> {
        let peer = usize::try_from(function).map_err(|_| Status::NoSuchPeer)?;
        let other = self.functions.get(peer).ok_or(Status::NoSuchPeer)?;
        if other.partition != self.functions[index].partition {
            return Err(Status::NoSuchPeer);
        }
        Ok(peer)
    }
}
