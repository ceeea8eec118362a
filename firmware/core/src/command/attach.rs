//! Attaching: the guest says where its control page is.

use unimux_abi::control::{self, Answer, Attach, MAGIC, Offer};
use unimux_abi::{VERSION, doorbell};
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span};
use unimux_ring::{Consumer, Producer};

use core::sync::atomic::Ordering;

use crate::Firmware;
use crate::object::{Control, Function, Serving};

/// The outcome of a page that has been attached already.
const ATTACHED: u32 = Attach::Attached as u32;

impl<E: Engine> Firmware<E> {
    /// Attaches a function if its guest offers a control page. Whether it is attached now.
    ///
    /// A page that the guest may not name gets no answer: there is no place for one.
    pub(super) fn attach(&mut self, index: usize) -> bool {
        let function = &mut self.functions[index];
        let Some((word, page)) = offered_page(function) else {
            return false;
        };
        let Some(offer) = page.word(control::OFFER) else {
            return false;
        };
        let offer = Offer::from_bits(offer.load(Ordering::Acquire));
        let answered = page.word(control::ANSWER);
        if answered.is_none_or(|word| word.load(Ordering::Relaxed) as u32 == ATTACHED) {
            // What an earlier life left: there may be commands of it, too.
            return false;
        }
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
            function.attached_by = word;
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
            if let Some(tenant) = self.tenant_mut(index) {
                tenant.attaches = tenant.attaches.wrapping_add(1);
            }
        }
        attached
    }
}

/// The doorbell page's control word, and the page that it names, if the guest may name it.
fn offered_page(function: &Function) -> Option<(u64, Span)> {
    let word = function
        .doorbell
        .word(doorbell::CONTROL)?
        .load(Ordering::Relaxed);
    let ipa = Ipa::new(word);
    if !ipa.is_aligned(control::PAGE_BYTES) {
        return None;
    }
    let page = function.windows.translate(ipa, control::PAGE_BYTES);
    Some((word, page.ok()?))
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
        has_events: false,
        answered_arm: 0,
    })
}
