//! An agent that dies at any step leaves no function that the next one cannot see and end, and no
//! memory that is touched after that.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use unimux_driver::{Error, FunctionRecord, PhysicalFunction, Platform, SendWr};
use unimux_host_tests::host::{FRAME, HostWorld};
use unimux_host_tests::{Node, RAM_IPA, Shape, Stepped, connect, pattern};

/// A machine on which the agent dies after so many steps.
#[derive(Clone, Debug)]
struct Mortal {
    machine: Stepped,
    steps: Rc<Cell<u64>>,
}

/// What an agent dies of.
struct Killed;

impl Mortal {
    fn step(&self) {
        match self.steps.get().checked_sub(1) {
            Some(left) => self.steps.set(left),
            // Not a panic with a message: it is what should happen.
            None => std::panic::resume_unwind(Box::new(Killed)),
        }
    }
}

impl Platform for Mortal {
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        self.step();
        self.machine.store_to_doorbell(offset_bytes, value);
        self.step();
    }

    fn now_ns(&self) -> u64 {
        self.machine.now_ns()
    }

    fn relax(&self) {
        self.step();
        self.machine.relax();
    }
}

/// Frames that the agents play with: a doorbell page, and memory after it.
const RAM: u64 = 64;
const SHAPE: Shape = Shape {
    cq_entries: 16,
    qp: unimux_driver::QpOptions {
        send_entries: 16,
        recv_entries: 16,
    },
    data_bytes: 64 * 1024,
    flags: unimux_driver::CqFlags::INTERRUPTS,
};

/// All that an agent does in its life, with a transfer under way when it ends the function.
fn life(host: &HostWorld, mortal: &Mortal, peer: &mut Node<Stepped>) -> Result<(), Error> {
    let mut agent = PhysicalFunction::attach(mortal.clone(), host.region())?;
    agent.list(|_| ())?;
    let function = agent.create(&host.new_function(0))?;
    let pages: Vec<u64> = (1..=RAM).map(|frame| host.frame(frame)).collect();
    let (now, later) = pages.split_at(20);
    agent.grant_window(function, RAM_IPA, now[0], 20 * FRAME)?;
    agent.grant_pages(function, RAM_IPA + 20 * FRAME, 12, later)?;
    agent.open(function)?;
    let guest = host.machine(0, RAM);
    let mut node = Node::new(host.attach(&guest), &guest, SHAPE);
    let (to_node, to_peer) = (node.as_peer(), peer.as_peer());
    peer.reconnect(&to_node);
    node.device.connect(&node.qp, &to_peer)?;
    let write = SendWr::write(peer.region.segment(0, 60_000), node.region.remote(0));
    peer.qp.post_send(&write.signaled())?;
    agent.reset(function)?;
    agent.query(function)?;
    agent.destroy(function)
}

#[test]
fn the_next_agent_ends_what_the_last_one_began() {
    let host = HostWorld::new(2);
    let mut first = host.agent();
    let (vm, own) = host.tenant(&mut first, 200, RAM).unwrap();
    let mut peer = Node::new(host.attach(&vm), &vm, SHAPE);
    peer.write(0, &pattern(1, 60_000));
    let mut lived = 0;
    for steps in 0.. {
        let mortal = Mortal {
            machine: host.platform(),
            steps: Rc::new(Cell::new(steps)),
        };
        let died = catch_unwind(AssertUnwindSafe(|| life(&host, &mortal, &mut peer)));
        // The next one may die while it attaches, too, and so may the one after it.
        for steps in [steps % 3, steps % 4] {
            let mortal = Mortal {
                machine: host.platform(),
                steps: Rc::new(Cell::new(steps)),
            };
            let attach = || PhysicalFunction::attach(mortal, host.region()).map(drop);
            drop(catch_unwind(AssertUnwindSafe(attach)));
        }
        let mut agent = host.agent();
        let mut left: Vec<FunctionRecord> = Vec::new();
        agent.list(|record| left.push(*record)).unwrap();
        for record in left.iter().filter(|record| record.function != own) {
            agent.destroy(record.function).unwrap();
        }
        host.mark(0, RAM + 1);
        host.world.settle();
        assert!(host.is_marked(0, RAM + 1), "after {steps} steps");
        while peer.cq.poll_one().unwrap().is_some() {}
        let mut count = 0;
        agent
            .list(|record| {
                assert_eq!(record.function, own);
                count += 1;
            })
            .unwrap();
        assert_eq!(count, 1, "after {steps} steps");
        if let Ok(result) = died {
            assert_eq!(result, Ok(()));
            lived += 1;
            if lived == 3 {
                assert!(steps > 30, "a life has more steps than that");
                break;
            }
        }
    }
    // The tenant that nobody ended has noticed nothing, and the pool is whole.
    let mut agent = host.agent();
    let (vm, _) = host.tenant(&mut agent, 0, RAM).unwrap();
    let mut node = Node::new(host.attach(&vm), &vm, SHAPE);
    peer.device
        .reset_qp(&mut peer.qp, &peer.cq, &peer.cq)
        .unwrap();
    connect(&mut node, &mut peer);
    while peer.cq.poll_one().unwrap().is_some() {}
    let write = SendWr::write(peer.region.segment(0, 60_000), node.region.remote(0));
    assert!(peer.run(write).is_success());
    assert_eq!(node.read(0, 60_000), pattern(1, 60_000));
}
