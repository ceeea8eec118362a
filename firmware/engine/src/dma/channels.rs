//! An engine of several channels of the same kind.
//!
//! ```text
//!   free ──start──▶ running ──ended well──────────────────────────────▶ free
//!                      │ failed, or too late: stop                        ▲
//!                      ▼                                                  │
//!                  stopping ──idle: set up, reap the error────────────────┤
//!                      │ still not idle: reap Stuck                       │
//!                      ▼                                                  │
//!                    stuck ──idle at last: set up, reap the token again───┘
//! ```
//!
//! A channel that has failed is the only one that is stopped; the others go on. One that does not
//! stop gets no more jobs, and whoever waits for its memory waits on.

use alloc::vec::Vec;

use super::job::Job;
use super::{Channel, Machine};
use crate::{Copy, Engine, EngineError, Full, Token, Way};

/// Channels that one engine can have.
pub const CHANNELS_MAX: usize = 8;

/// How channels are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The device reads and writes through the cores' caches. Otherwise they are maintained.
    pub is_coherent: bool,
    /// Bytes of a job, if a request has as many.
    pub block_bytes: u32,
    /// How long a job may take, over the time of its bytes; and how long a channel may take to
    /// stop.
    pub patience_ns: u64,
    /// Nanoseconds that a KiB may take.
    pub ns_per_kib: u64,
}

impl Settings {
    /// Settings for a device that moves 64 MB/s at the very least.
    #[must_use]
    pub const fn new(is_coherent: bool) -> Self {
        Self {
            is_coherent,
            block_bytes: 1 << 20,
            patience_ns: 20_000_000,
            ns_per_kib: 16_000,
        }
    }
}

/// What a channel is at.
#[derive(Debug)]
enum Stage {
    Free,
    /// Nothing is left to do but to tell.
    Ended(Result<(), EngineError>),
    /// The time by which it has to end is set when it is first seen not to have.
    Running {
        until_ns: Option<u64>,
    },
    Stopping {
        reason: EngineError,
        until_ns: u64,
    },
    /// It may still write. A channel that was found like this has no job.
    Stuck {
        has_job: bool,
    },
}

#[derive(Debug)]
struct Place<C> {
    channel: C,
    job: Job,
    stage: Stage,
}

/// An engine of up to [`CHANNELS_MAX`] channels.
#[derive(Debug)]
pub struct Channels<C, M> {
    places: Vec<Place<C>>,
    machine: M,
    settings: Settings,
    /// Channels that are not free; a bit for each.
    taken: u32,
    /// Jobs that ended well, and their bytes.
    moved: (u64, u64),
}

impl<C: Channel, M: Machine> Channels<C, M> {
    /// An engine of `channels`, of which the first [`CHANNELS_MAX`] are used. All memory is taken
    /// here. One that is not idle is left alone until it is.
    pub fn new(channels: impl IntoIterator<Item = C>, machine: M, settings: Settings) -> Self {
        let mut places = Vec::with_capacity(CHANNELS_MAX);
        let mut taken = 0;
        for mut channel in channels.into_iter().take(CHANNELS_MAX) {
            let stage = if channel.is_idle() {
                channel.set_up();
                Stage::Free
            } else {
                channel.stop();
                taken |= 1 << places.len();
                Stage::Stuck { has_job: false }
            };
            let job = Job::none();
            places.push(Place {
                channel,
                job,
                stage,
            });
        }
        Self {
            places,
            machine,
            settings,
            taken,
            moved: (0, 0),
        }
    }

    /// Jobs that ended well, and the bytes that the device moved for them.
    pub const fn moved(&self) -> (u64, u64) {
        self.moved
    }

    /// Channels that take jobs, or will when they have ended what they have.
    pub fn in_service(&self) -> usize {
        let stuck = |place: &&Place<C>| matches!(place.stage, Stage::Stuck { .. });
        self.places.len() - self.places.iter().filter(stuck).count()
    }

    /// The first channel that is free.
    fn free(&self) -> Option<usize> {
        let index = self.taken.trailing_ones() as usize;
        (index < self.places.len()).then_some(index)
    }

    /// Looks at one channel. What there is to tell of it.
    fn look_at(&mut self, index: usize) -> Option<(Token, Result<(), EngineError>)> {
        let Self {
            places,
            machine,
            settings,
            ..
        } = self;
        let Place {
            channel,
            job,
            stage,
        } = &mut places[index];
        let result = match stage {
            Stage::Free => return None,
            Stage::Ended(result) => *result,
            Stage::Running { until_ns } => match channel.poll(machine) {
                Some(Ok(())) if !job.is_all_handed_out() => {
                    let list = job.next_list(channel.limits());
                    channel.start(&list, machine);
                    return None;
                }
                Some(Ok(())) => {
                    machine.from_engine();
                    if !settings.is_coherent {
                        job.take_back(machine);
                    }
                    Ok(())
                }
                ended => {
                    let now_ns = machine.now_ns();
                    let allowed_ns =
                        settings.patience_ns + job.total_bytes / 1024 * settings.ns_per_kib;
                    let until = *until_ns.get_or_insert(now_ns + allowed_ns);
                    let reason = match ended {
                        Some(Err(error)) => error,
                        _ if now_ns > until => EngineError::Reset,
                        _ => return None,
                    };
                    channel.stop();
                    *stage = Stage::Stopping {
                        reason,
                        until_ns: now_ns + settings.patience_ns,
                    };
                    return self.look_at(index);
                }
            },
            Stage::Stopping { reason, until_ns } => {
                if channel.is_idle() {
                    channel.set_up();
                    Err(*reason)
                } else if machine.now_ns() > *until_ns {
                    *stage = Stage::Stuck { has_job: true };
                    return Some((job.token, Err(EngineError::Stuck)));
                } else {
                    return None;
                }
            }
            Stage::Stuck { has_job } => {
                if !channel.is_idle() {
                    return None;
                }
                channel.set_up();
                if !*has_job {
                    *stage = Stage::Free;
                    self.taken &= !(1 << index);
                    return None;
                }
                Err(EngineError::Reset)
            }
        };
        if result.is_ok() {
            self.moved.0 += 1;
            self.moved.1 += job.total_bytes;
        }
        *stage = Stage::Free;
        self.taken &= !(1 << index);
        Some((job.token, result))
    }
}

impl<C: Channel, M: Machine> Engine for Channels<C, M> {
    const HAS_JOBS: bool = true;

    fn depth(&self) -> usize {
        self.places.len().max(1)
    }

    #[inline]
    fn way(&self, _request_bytes: u32) -> Way {
        match self.free() {
            Some(_) => Way::Job {
                block_bytes: self.settings.block_bytes,
            },
            None => Way::Full,
        }
    }

    fn start(&mut self, token: Token, copies: &[Copy]) -> Result<(), Full> {
        let index = self.free().ok_or(Full)?;
        let Place {
            channel,
            job,
            stage,
        } = &mut self.places[index];
        let limits = channel.limits();
        let lines = (!self.settings.is_coherent).then(|| self.machine.line_bytes());
        *stage = match job.begin(token, copies, limits, lines) {
            Err(error) => Stage::Ended(Err(error)),
            Ok(()) if job.is_all_handed_out() => Stage::Ended(Ok(())),
            Ok(()) => {
                if !self.settings.is_coherent {
                    job.hand_over(&self.machine);
                }
                let list = job.next_list(limits);
                channel.start(&list, &self.machine);
                Stage::Running { until_ns: None }
            }
        };
        self.taken |= 1 << index;
        Ok(())
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        let mut left = self.taken;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            let told = self.look_at(index);
            if told.is_some() {
                return told;
            }
        }
        None
    }
}
