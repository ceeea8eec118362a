//! Once the end of a function is answered, its memory is not touched: by nobody, whatever was
//! under way.

use unimux_abi::command::{Head, Opcode};
use unimux_driver::{CommandStatus, Error, Event, RecvWr, SendWr, Status};
use unimux_host_tests::host::HostWorld;
use unimux_host_tests::{Guest, Node, Shape, Stepped, connect, pattern};

/// Frames of a tenant's RAM.
const RAM: u64 = 64;
const SHAPE: Shape = Shape {
    cq_entries: 64,
    qp: unimux_driver::QpOptions {
        send_entries: 16,
        recv_entries: 16,
    },
    data_bytes: 128 * 1024,
    flags: unimux_driver::CqFlags::INTERRUPTS,
};

fn node(host: &HostWorld, guest: &Guest) -> Node<Stepped> {
    Node::new(host.attach(guest), guest, SHAPE)
}

/// Writes, reads and sends of many blocks each, from one to the other.
fn send_much(from: &mut Node<Stepped>, to: &mut Node<Stepped>) {
    to.receive(RecvWr::new(to.region.segment(0, 70_000)));
    let there = SendWr::write(from.region.segment(0, 100_000), to.region.remote(9));
    let back = SendWr::read(from.region.segment(7, 100_000), to.region.remote(0));
    let send = SendWr::send(from.region.segment(0, 70_000));
    for request in [there, back, send] {
        from.qp.enqueue_send(&request.signaled()).expect("room");
    }
    from.qp.ring();
}

/// The same in both directions.
fn keep_busy(a: &mut Node<Stepped>, b: &mut Node<Stepped>) {
    send_much(a, b);
    send_much(b, a);
}

/// Destroyed and made again under load from its peer and its own, at every moment.
#[test]
fn memory_can_be_used_again_when_destroy_is_answered() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let (vm_b, _) = host.tenant(&mut agent, 200, RAM).unwrap();
    let mut b = node(&host, &vm_b);
    b.write(0, &pattern(1, 100_000));
    for step in 0..150 {
        let (vm_a, function) = host.tenant(&mut agent, 0, RAM).unwrap();
        let mut a = node(&host, &vm_a);
        let (to_a, to_b) = (a.as_peer(), b.as_peer());
        b.reconnect(&to_a);
        a.device.connect(&a.qp, &to_b).unwrap();
        keep_busy(&mut a, &mut b);
        host.world.rounds(step);
        if step % 2 == 0 {
            agent.destroy(function).unwrap();
        } else {
            agent.reset(function).unwrap();
        }
        // From here on the host may give the frames to anybody.
        host.mark(0, RAM + 1);
        host.world.settle();
        assert!(host.is_marked(0, RAM + 1), "step {step}");
        while let Some(done) = b.cq.poll_one().unwrap() {
            let fine = matches!(
                done.status,
                Status::Success
                    | Status::RemoteAccess
                    | Status::RemoteOperation
                    | Status::RetryExceeded
                    | Status::Flushed
            );
            assert!(fine, "{done:?}");
        }
        if step % 2 != 0 {
            agent.destroy(function).unwrap();
        }
    }
}

/// The answer waits for what the engine has.
#[test]
fn destroy_is_answered_when_nothing_is_in_flight() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let (vm_a, function) = host.tenant(&mut agent, 0, RAM).unwrap();
    let (vm_b, _) = host.tenant(&mut agent, 200, RAM).unwrap();
    let (mut a, mut b) = (node(&host, &vm_a), node(&host, &vm_b));
    connect(&mut a, &mut b);
    host.world.engine().hold(true);
    keep_busy(&mut a, &mut b);
    host.world.rounds(50);
    assert!(host.world.engine().held() > 0);
    agent.set_timeout_ns(1_000_000);
    assert_eq!(agent.destroy(function), Err(Error::Timeout));
    let record = agent.query(function);
    assert_eq!(record, Err(Error::Timeout), "one command after the other");

    // Another agent does not wait for the answer of the first one's command.
    let mut next = host.agent();
    let record = next.query(function).unwrap().record;
    assert_eq!(record.state, unimux_driver::FunctionState::Leaving);
    let grant = next.grant_window(function, 0, host.frame(150), 4096);
    assert_eq!(grant, Err(Error::Refused(CommandStatus::WrongState)));
    next.set_timeout_ns(1_000_000);
    assert_eq!(
        next.reset(function),
        Err(Error::Refused(CommandStatus::WrongState))
    );
    host.world.engine().hold(false);
    host.world.settle();
    let gone = next.query(function);
    assert_eq!(gone, Err(Error::Refused(CommandStatus::NotFound)));
    host.mark(0, RAM + 1);
    host.world.settle();
    assert!(host.is_marked(0, RAM + 1));
}

/// A function that was never opened, or never attached, or whose guest never stops ringing.
#[test]
fn functions_can_be_ended_in_any_state() {
    let host = HostWorld::new(1);
    let mut agent = host.agent();
    for _ in 0..3 {
        let closed = agent.create(&host.new_function(0)).unwrap();
        let reset = agent.reset(closed);
        assert_eq!(reset, Err(Error::Refused(CommandStatus::WrongState)));
        agent.destroy(closed).unwrap();
        let again = agent.destroy(closed);
        assert_eq!(again, Err(Error::Refused(CommandStatus::NotFound)));

        let (_, open) = host.tenant(&mut agent, 0, RAM).unwrap();
        agent.reset(open).unwrap();
        agent.destroy(open).unwrap();

        let (vm, attached) = host.tenant(&mut agent, 0, RAM).unwrap();
        let mut device = host.attach(&vm);
        device.set_timeout_ns(1_000_000);
        agent.reset(attached).unwrap();
        assert_eq!(
            device.nop(),
            Err(Error::Timeout),
            "its program was not told"
        );
        agent.destroy(attached).unwrap();
        for ring in 1..50 {
            vm.doorbell[0].store(ring, std::sync::atomic::Ordering::Release);
            host.world.rounds(3);
        }
    }
    assert_eq!(agent.poll_event().unwrap(), None::<Event>);
}

/// Commands that stand in the ring of a control page from its last life are not carried out.
#[test]
fn old_commands_are_not_carried_out_again() {
    let host = HostWorld::new(1);
    let mut agent = host.agent();
    let (_, function) = host.tenant(&mut agent, 0, RAM).unwrap();
    let region = host.region();
    // The host writes the present control page's address again, having cleared only its answer.
    let page = unimux_abi::physical::CONTROL_PAGES[0] / 8;
    let at = |offset: u64| &region.words()[(page + offset / 8) as usize];
    let command = Head::new()
        .with_phase(true)
        .with_opcode(Opcode::DestroyFunction as u8);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    at(unimux_abi::control::COMMANDS + 8).store(u64::from(function), relaxed);
    at(unimux_abi::control::COMMANDS).store(command.into_bits(), relaxed);
    at(unimux_abi::control::RESPONSE_CONSUMER).store(77, relaxed);
    agent.set_timeout_ns(1_000_000);
    for _ in 0..80 {
        let _: Result<_, Error> = agent.query(function);
    }
    let mut next = host.agent();
    let record = next.query(function).unwrap().record;
    assert_eq!(record.state, unimux_driver::FunctionState::Open);
}
