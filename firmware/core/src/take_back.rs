//! Taking a function back from its guest, whatever is in flight.
//!
//! ```text
//!   stop         nothing of the function is looked at, nothing new touches its memory
//!   (the hypervisor unmaps the doorbell page)
//!   drain        what the engine has of anybody's comes back
//!   invalidate   keys, queues and regions are forgotten; peers' receives are told
//!   free         the function can be given to another guest
//! ```
//!
//! Peers notice by their own requests: they end as not connected, or without access.

use unimux_engine::Engine;

use crate::object::{Serving, Stage};
use crate::{Firmware, FunctionId, Platform};

impl<E: Engine> Firmware<E> {
    /// Stops serving a function. Its memory is untouched once [`is_free`](Self::is_free) says so,
    /// after rounds enough for the engine to finish what it has.
    ///
    /// # Panics
    ///
    /// If `id` is not of this firmware.
    pub fn begin_take_back(&mut self, id: FunctionId) {
        let index = usize::from(id.0);
        self.functions[index].comes_back = false;
        if matches!(
            self.functions[index].serving,
            Serving::Free | Serving::Leaving(_)
        ) {
            return;
        }
        self.turn_away_from(index);
        self.functions[index].serving = Serving::Leaving(self.flights.mark());
        self.leaving += 1;
    }

    /// Whether nobody has the function and nothing touches its guest's memory any more.
    ///
    /// # Panics
    ///
    /// If `id` is not of this firmware.
    #[must_use]
    pub fn is_free(&self, id: FunctionId) -> bool {
        self.functions[usize::from(id.0)].serving == Serving::Free
    }

    /// Gives a free function to a guest, which can attach from now on. Whether it was free.
    ///
    /// # Panics
    ///
    /// If `id` is not of this firmware.
    pub fn give(&mut self, id: FunctionId) -> bool {
        let index = usize::from(id.0);
        if self.functions[index].serving != Serving::Free {
            return false;
        }
        self.functions[index].serving = Serving::Given;
        self.listen_to(index);
        true
    }

    /// Frees the functions that are being taken back and have nothing in flight any more.
    #[cold]
    pub(crate) fn finish_taking_back(&mut self, platform: &mut impl Platform) {
        for index in 0..self.functions.len() {
            let Serving::Leaving(mark) = self.functions[index].serving else {
                continue;
            };
            if !self.flights.has_passed(mark) {
                continue;
            }
            for qp in 0..self.functions[index].quota.qps {
                let stage = self.functions[index].qps.get(qp).map(|qp| qp.stage);
                if stage == Some(Stage::Active) {
                    self.abandon(index, qp, platform);
                }
            }
            self.functions[index].forget();
            self.revocations += 1;
            self.functions[index].serving = Serving::Free;
            self.leaving -= 1;
            self.come_back(index);
            self.taken_back(index, platform);
        }
    }
}
