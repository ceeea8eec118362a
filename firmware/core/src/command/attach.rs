//! Attaching: the guest says where its control page is.

use unimux_abi::control::{self, Answer, Attach, MAGIC, Offer};
use unimux_abi::{VERSION, doorbell};
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span};
use unimux_ring::{Consumer, Producer};

use core::sync::atomic::Ordering;

use crate::Firmware;
use crate::object::{Control, Function, Serving};

impl<E: Engine> Firmware<E> {
    /// Attaches a function if its guest offers a control page. Whether it is attached now.
    ///
    /// A page that the guest may not name gets no answer: there is no place for one.
    pub(super) fn attach(&mut self, index: usize) -> bool {
        let function = &mut self.functions[index];
        let Some(page) = offered_page(function) else {
            return false;
        };
        let Some(offer) = page.word(control::OFFER) else {
            return false;
        };
        let offer = Offer::from_bits(offer.load(Ordering::Acquire));
        let attach = if offer.magic() != MAGIC {
            Attach::NotAnOffer
        } else if offer.version() >> 16 != VERSION >> 16 {
            Attach::WrongVersion
        } else {
            Attach::Attached
        };
        let attached = attach == Attach::Attached;
        if attached {
            let Some(control) = control_of(page) else {
                return false;
            };
            function.control = Some(control);
            function.serving = Serving::Attached;
        }
        let answer = Answer {
            attach,
            version: VERSION,
            function: index as u32,
            max_pds: function.quota.pds,
            max_cqs: function.quota.cqs,
            max_qps: function.quota.qps,
            max_mrs: function.quota.mrs,
            max_pages: function.quota.pages,
        };
        let [first, rest @ ..] = answer.to_words();
        let written = page
            .write(control::ANSWER + 8, &rest)
            .zip(page.word(control::ANSWER));
        if let Some(((), word)) = written {
            // Release: the guest that sees the outcome sees the words after it.
            word.store(first, Ordering::Release);
        }
        if attached {
            self.control.look_at(index);
        }
        attached
    }
}

/// The page that the doorbell page's control word names, if the guest may name it.
fn offered_page(function: &Function) -> Option<Span> {
    let ipa = Ipa::new(
        function
            .doorbell
            .word(doorbell::CONTROL)?
            .load(Ordering::Relaxed),
    );
    if !ipa.is_aligned(control::PAGE_BYTES) {
        return None;
    }
    function.windows.translate(ipa, control::PAGE_BYTES).ok()
}

/// The rings of a control page.
fn control_of(page: Span) -> Option<Control> {
    let entries = u64::from(control::RING_ENTRIES);
    let commands = page.part(control::COMMANDS, entries * unimux_abi::command::BYTES)?;
    let responses = page.part(control::RESPONSES, entries * unimux_abi::response::BYTES)?;
    Some(Control {
        page,
        commands: Consumer::new(commands.lines()?).ok()?,
        responses: Producer::new(responses.lines()?, page.word(control::RESPONSE_CONSUMER)?)
            .ok()?,
    })
}
