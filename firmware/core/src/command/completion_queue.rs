//! Completion queues: made over guest memory, ended when no queue pair uses them.

use unimux_abi::command::{CqFlags, Entry};
use unimux_abi::completion;
use unimux_abi::limits::QUEUE_LOG2;
use unimux_abi::response::Status;
use unimux_engine::Engine;
use unimux_memory::Ipa;
use unimux_ring::Producer;

use super::{Ending, Outcome, arguments, handle};
use crate::Firmware;
use crate::object::CompletionQueue;

impl<E: Engine> Firmware<E> {
    pub(super) fn create_cq(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [shape, ring, record] = arguments(entry)?;
        let log2 = u8::try_from(shape & 0xffff_ffff).map_err(|_| Status::InvalidArgument)?;
        let flags = CqFlags::from_bits((shape >> 32) as u32).ok_or(Status::NotSupported)?;
        let (ring, record) = (Ipa::new(ring), Ipa::new(record));
        let aligned = ring.is_aligned(completion::RECORD_BYTES)
            && record.is_aligned(completion::RECORD_BYTES);
        if !QUEUE_LOG2.contains(&log2) || !aligned {
            return Err(Status::InvalidArgument);
        }
        let function = &mut self.functions[index];
        let reach = |ipa, len_bytes| {
            function
                .windows
                .translate(ipa, len_bytes)
                .map_err(|_| Status::OutOfReach)
        };
        let lines = reach(ring, completion::BYTES << log2)?.lines();
        let record = reach(record, completion::RECORD_BYTES)?;
        let consumed = record.word(completion::RECORD_CONSUMED);
        let (lines, consumed) = lines.zip(consumed).ok_or(Status::InvalidArgument)?;
        let ring = Producer::new(lines, consumed).map_err(|_| Status::InvalidArgument)?;
        let made = function.cqs.insert(|_| CompletionQueue {
            ring,
            record: flags.contains(CqFlags::INTERRUPTS).then_some(record),
            answered_arm: 0,
            users: 0,
            overrun: false,
        });
        Ok(Ending::Done(u64::from(made.ok_or(Status::QuotaExceeded)?)))
    }

    pub(super) fn destroy_cq(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [cq] = arguments(entry)?;
        let (cqs, cq) = (&mut self.functions[index].cqs, handle(cq)?);
        if cqs.get(cq).ok_or(Status::NotFound)?.users > 0 {
            return Err(Status::InUse);
        }
        cqs.remove(cq);
        Ok(Ending::Done(0))
    }
}
