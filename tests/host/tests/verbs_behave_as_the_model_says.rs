//! Whatever verbs are called in whatever order, they behave as a model of a few lines says.
//!
//! The model knows memory as bytes and queues as lists, and carries out one request after the
//! other; there is no firmware in it.

use std::collections::VecDeque;

use proptest::prelude::*;
use unimux_driver::{Completion, Opcode, RecvWr, Remote, SendWr, Status};
use unimux_host_tests::{Pair, Shape, pattern};

const BYTES: usize = 1024;
const QUEUE: usize = 16;

/// A step of either side (`false` is a).
#[derive(Clone, Debug)]
enum Step {
    /// Posts a receive for the range.
    Receive(bool, u16, u16),
    /// Posts a request: what, signaled, local range, remote offset.
    Send(bool, What, bool, u16, u16, u16),
    /// Lets all that was posted run, and looks at every completion.
    Run,
    /// Both sides begin anew.
    Reconnect,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Send,
    SendImm,
    Write,
    WriteImm,
    Read,
    FetchAdd,
    CompareSwap,
    Inline,
}

fn step() -> impl Strategy<Value = Step> {
    let range = || (0..1100u16, 0..300u16);
    let what = prop_oneof![
        Just(What::Send),
        Just(What::SendImm),
        Just(What::Write),
        Just(What::WriteImm),
        Just(What::Read),
        Just(What::FetchAdd),
        Just(What::CompareSwap),
        Just(What::Inline),
    ];
    // Mostly inside the region, so that most requests go well.
    let inside = || (0..700u16, 0..300u16);
    prop_oneof![
        6 => (any::<bool>(), inside()).prop_map(|(side, (at, len))| Step::Receive(side, at, len)),
        1 => (any::<bool>(), range()).prop_map(|(side, (at, len))| Step::Receive(side, at, len)),
        12 => (any::<bool>(), what.clone(), any::<bool>(), inside(), 0..700u16)
            .prop_map(|(side, what, signaled, (at, len), to)| Step::Send(side, what, signaled, at, len, to & !7)),
        1 => (any::<bool>(), what, any::<bool>(), range(), 0..1100u16)
            .prop_map(|(side, what, signaled, (at, len), to)| Step::Send(side, what, signaled, at, len, to)),
        6 => Just(Step::Run),
        1 => Just(Step::Reconnect),
    ]
}

/// What a completion says, as far as the model knows.
type Told = (Opcode, u64, Status, u32, Option<u32>);

/// One side, as the model has it.
#[derive(Default)]
struct Side {
    memory: Vec<u8>,
    sends: VecDeque<Send>,
    receives: VecDeque<(u64, usize, usize)>,
    told: VecDeque<Told>,
    error: bool,
}

#[derive(Clone, Copy)]
struct Send {
    id: u64,
    what: What,
    signaled: bool,
    at: usize,
    len: usize,
    to: usize,
}

impl Send {
    const fn opcode(&self) -> Opcode {
        match self.what {
            What::Send => Opcode::Send,
            What::SendImm => Opcode::SendImm,
            What::Write | What::Inline => Opcode::Write,
            What::WriteImm => Opcode::WriteImm,
            What::Read => Opcode::Read,
            What::FetchAdd => Opcode::FetchAdd,
            What::CompareSwap => Opcode::CompareSwap,
        }
    }
}

/// Operand and comparand of the model's atomics.
const OPERAND: u64 = 0x0101_0101_0101_0101;
const COMPARE: u64 = 0;

/// Carries out the next request of `own`; `None` if it must wait.
fn carry_out(own: &mut Side, peer: &mut Side, send: Send) -> Option<Status> {
    let Send {
        id,
        what,
        at,
        len,
        to,
        ..
    } = send;
    let fits = |at: usize, len: usize| at + len <= BYTES;
    if !matches!(what, What::Inline) && !fits(at, len) {
        return Some(Status::LocalProtection);
    }
    let data: Vec<u8> = match what {
        What::Inline => vec![id as u8; len],
        _ => own.memory[at..at + len].to_vec(),
    };
    let word = |memory: &[u8]| u64::from_le_bytes(memory[to..to + 8].try_into().expect("eight"));
    if peer.error {
        return Some(Status::RetryExceeded);
    }
    match what {
        What::Send | What::SendImm => {
            let (receive, room_at, room) = peer.receives.pop_front()?;
            let refused = if !fits(room_at, room) {
                Some((Status::LocalProtection, Status::RemoteOperation))
            } else if room < len {
                Some((Status::LocalLength, Status::RemoteInvalidRequest))
            } else {
                None
            };
            if let Some((theirs, ours)) = refused {
                peer.told
                    .push_back((Opcode::Receive, receive, theirs, 0, None));
                peer.error = true;
                return Some(ours);
            }
            peer.memory[room_at..room_at + len].copy_from_slice(&data);
            let immediate = matches!(what, What::SendImm).then_some(id as u32);
            peer.told.push_back((
                Opcode::Receive,
                receive,
                Status::Success,
                len as u32,
                immediate,
            ));
        }
        What::Write | What::WriteImm | What::Inline => {
            if len > 0 && !fits(to, len) {
                return Some(Status::RemoteAccess);
            }
            if matches!(what, What::WriteImm) {
                let (receive, ..) = peer.receives.pop_front()?;
                let told = (
                    Opcode::Receive,
                    receive,
                    Status::Success,
                    len as u32,
                    Some(id as u32),
                );
                peer.told.push_back(told);
            }
            if len > 0 {
                peer.memory[to..to + len].copy_from_slice(&data);
            }
        }
        What::Read => {
            if len > 0 {
                if !fits(to, len) {
                    return Some(Status::RemoteAccess);
                }
                let bytes = peer.memory[to..to + len].to_vec();
                own.memory[at..at + len].copy_from_slice(&bytes);
            }
        }
        What::FetchAdd | What::CompareSwap => {
            if !to.is_multiple_of(8) {
                return Some(Status::RemoteInvalidRequest);
            }
            if !fits(to, 8) {
                return Some(Status::RemoteAccess);
            }
            let old = word(&peer.memory);
            let new = match what {
                What::FetchAdd => old.wrapping_add(OPERAND),
                _ if old == COMPARE => OPERAND,
                _ => old,
            };
            peer.memory[to..to + 8].copy_from_slice(&new.to_le_bytes());
            own.memory[at..at + 8].copy_from_slice(&old.to_le_bytes());
        }
    }
    Some(Status::Success)
}

/// Runs `own` until it has nothing to do, or waits for a receive.
fn run(own: &mut Side, peer: &mut Side) {
    while let Some(send) = own.sends.front().copied() {
        let status = if own.error {
            Status::Flushed
        } else {
            let Some(status) = carry_out(own, peer, send) else {
                break;
            };
            status
        };
        own.sends.pop_front();
        let ended_well = status == Status::Success;
        own.error |= !ended_well;
        if send.signaled || !ended_well {
            let len = if ended_well { send.len as u32 } else { 0 };
            own.told
                .push_back((send.opcode(), send.id, status, len, None));
        }
    }
    for side in [own, peer] {
        if side.error {
            for (id, ..) in std::mem::take(&mut side.receives) {
                let flushed = (Opcode::Receive, id, Status::Flushed, 0, None);
                side.told.push_back(flushed);
            }
        }
    }
}

/// The real thing and its model, side by side.
struct Both {
    real: Pair,
    model: [Side; 2],
    next: u64,
}

impl Both {
    fn new() -> Self {
        let shape = Shape {
            data_bytes: BYTES as u64,
            ..Shape::default()
        };
        let real = Pair::new(shape);
        let model = [1, 2].map(|seed| Side {
            memory: pattern(seed, BYTES),
            ..Side::default()
        });
        real.a.write(0, &model[0].memory);
        real.b.write(0, &model[1].memory);
        Self {
            real,
            model,
            next: 0,
        }
    }

    fn apply(&mut self, step: &Step) {
        let id = self.next;
        self.next += 1;
        match *step {
            Step::Receive(side, at, len) => self.receive(side, id, at, len),
            Step::Send(side, what, signaled, at, len, to) => {
                // One side has the word until everything it posted has run.
                if self.model[usize::from(!side)].sends.is_empty() {
                    let len = match what {
                        What::FetchAdd | What::CompareSwap => 8,
                        What::Inline => len % 33,
                        _ => len,
                    };
                    let send = Send {
                        id,
                        what,
                        signaled,
                        at: at.into(),
                        len: len.into(),
                        to: to.into(),
                    };
                    self.send(side, send);
                }
            }
            Step::Run => self.run(),
            Step::Reconnect => {
                self.run();
                self.real.reconnect();
                for side in &mut self.model {
                    side.sends.clear();
                    side.receives.clear();
                    side.error = false;
                }
            }
        }
    }

    fn receive(&mut self, side: bool, id: u64, at: u16, len: u16) {
        let model = &mut self.model[usize::from(side)];
        if model.receives.len() < QUEUE && !model.error {
            let node = if side {
                &mut self.real.b
            } else {
                &mut self.real.a
            };
            let segment = node.region.segment(at.into(), len.into());
            node.receive(RecvWr::new(segment).id(id));
            model.receives.push_back((id, at.into(), len.into()));
        }
    }

    fn send(&mut self, side: bool, send: Send) {
        let model = &mut self.model[usize::from(side)];
        if model.sends.len() >= QUEUE {
            return;
        }
        let (node, peer) = if side {
            (&mut self.real.b, &self.real.a)
        } else {
            (&mut self.real.a, &self.real.b)
        };
        let local = node.region.segment(send.at as u64, send.len as u32);
        let remote: Remote = peer.region.remote(send.to as u64);
        let request = match send.what {
            What::Send => SendWr::send(local),
            What::SendImm => SendWr::send_imm(local, send.id as u32),
            What::Write => SendWr::write(local, remote),
            What::WriteImm => SendWr::write_imm(local, remote, send.id as u32),
            What::Read => SendWr::read(local, remote),
            What::FetchAdd => SendWr::fetch_add(local, remote, OPERAND),
            What::CompareSwap => SendWr::compare_swap(local, remote, COMPARE, OPERAND),
            What::Inline => SendWr::write_inline(&vec![send.id as u8; send.len], remote)
                .expect("at most 32 bytes"),
        };
        let request = request.id(send.id);
        let request = if send.signaled {
            request.signaled()
        } else {
            request
        };
        // Unsignaled entries come back late: the model does not know when there is room.
        if node.qp.post_send(&request).is_ok() {
            model.sends.push_back(send);
        }
    }

    /// Runs both, and compares all completions and all bytes.
    fn run(&mut self) {
        // A peer in the error state is retried for a while, and a missing receive for ever.
        self.real.world.rounds(200);
        let waits = self.model.iter().any(|side| !side.sends.is_empty());
        if waits && self.model.iter().any(|side| side.error) {
            for _ in 0..20 {
                self.real.world.pass_ns(300_000_000);
                self.real.world.rounds(50);
            }
        }
        let [a, b] = &mut self.model;
        run(a, b);
        run(b, a);
        for (node, side) in [(&mut self.real.a, a), (&mut self.real.b, b)] {
            // A side's sends and receives complete in order, each for itself.
            let mut told = Vec::new();
            while let Some(done) = node.cq.poll_one().expect("sense") {
                told.push(summary(&done));
            }
            let expected = std::mem::take(&mut side.told);
            for receives in [false, true] {
                let of = |told: &[Told]| -> Vec<Told> {
                    let kind = |told: &&Told| (told.0 == Opcode::Receive) == receives;
                    told.iter().filter(kind).copied().collect()
                };
                let (real, model) = (of(&told), of(expected.as_slices().0));
                assert!(expected.as_slices().1.is_empty());
                assert_eq!(real, model);
            }
            assert!(node.read(0, BYTES) == side.memory, "the bytes differ");
        }
    }
}

fn summary(done: &Completion) -> Told {
    (
        done.opcode,
        done.id,
        done.status,
        done.len_bytes,
        done.immediate,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order(steps in prop::collection::vec(step(), 1..60), seed: u64, crossover in 0..2000_u32) {
        let mut both = Both::new();
        let engine = both.real.world.engine();
        engine.shuffle(seed);
        engine.set_crossover(crossover);
        engine.set_block_bytes(256);
        for step in &steps {
            both.apply(step);
        }
        both.run();
    }
}

/// The model is not vacuous: each kind of step does what it says at least once.
#[test]
fn in_one_order_that_has_everything() {
    let mut both = Both::new();
    for side in [false, true] {
        both.apply(&Step::Receive(!side, 0, 200));
        both.apply(&Step::Receive(!side, 300, 200));
        both.apply(&Step::Receive(!side, 600, 10));
        for what in [
            What::Send,
            What::SendImm,
            What::Write,
            What::WriteImm,
            What::Read,
            What::FetchAdd,
            What::CompareSwap,
            What::Inline,
        ] {
            both.apply(&Step::Send(side, what, true, 16, 100, 512));
        }
        both.apply(&Step::Run);
        assert!(both.model[usize::from(side)].sends.is_empty());
        assert!(!both.model[usize::from(side)].error);
    }
    both.apply(&Step::Send(false, What::Write, false, 0, 300, 900));
    both.apply(&Step::Run);
    assert!(both.model[0].error);
    both.apply(&Step::Reconnect);
    both.apply(&Step::Send(false, What::Write, true, 0, 100, 900));
    both.apply(&Step::Run);
    assert!(!both.model[0].error);
}
