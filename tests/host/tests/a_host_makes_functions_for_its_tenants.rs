//! A host makes functions for its tenants, which move data between each other and other guests.

use unimux_abi::command::Opcode;
use unimux_driver::{
    CommandStatus, Counter, Error, Event, FunctionRecord, FunctionState, Objects, RateLimits,
    RecvWr, SendWr, StopReason,
};
use unimux_firmware::{Note, Quota};
use unimux_host_tests::host::{FRAME, FRAMES, HostWorld};
use unimux_host_tests::{
    Guest, Node, RAM_IPA, RawFunction, Shape, Stepped, World, connect, pattern,
};

const SHAPE: Shape = Shape {
    cq_entries: 64,
    qp: unimux_driver::QpOptions {
        send_entries: 16,
        recv_entries: 16,
    },
    data_bytes: 64 * 1024,
    flags: unimux_driver::CqFlags::INTERRUPTS,
};
/// Frames of a tenant's RAM.
const RAM: u64 = 64;

fn node(host: &HostWorld, guest: &Guest) -> Node<Stepped> {
    Node::new(host.attach(guest), guest, SHAPE)
}

fn moves_data(a: &mut Node<Stepped>, b: &mut Node<Stepped>, seed: u64) {
    let data = pattern(seed, 10_000);
    a.write(3, &data);
    let write = SendWr::write(a.region.segment(3, 10_000), b.region.remote(5));
    assert!(a.run(write).is_success());
    assert_eq!(b.read(5, 10_000), data);
    b.receive(RecvWr::new(b.region.segment(0, 256)));
    assert!(a.run(SendWr::send(a.region.segment(3, 64))).is_success());
    assert!(b.completion().is_success());
    assert_eq!(b.read(0, 64), data[..64]);
}

#[test]
fn two_tenants_and_a_partition_guest() {
    let world = World::default();
    let (guest, _) = world.guest();
    let host = HostWorld::in_world(world, 4, FRAMES);
    let mut agent = host.agent();
    let (vm_a, _) = host.tenant(&mut agent, 0, RAM).unwrap();
    let (vm_b, _) = host.tenant(&mut agent, 100, RAM).unwrap();
    let (mut a, mut b) = (node(&host, &vm_a), node(&host, &vm_b));
    connect(&mut a, &mut b);
    moves_data(&mut a, &mut b, 1);
    moves_data(&mut b, &mut a, 2);
    let mut c = Node::new(host.world.attach(&guest).unwrap(), &guest, SHAPE);
    a.device.reset_qp(&mut a.qp, &a.cq, &a.cq).unwrap();
    connect(&mut a, &mut c);
    moves_data(&mut a, &mut c, 3);
    moves_data(&mut c, &mut a, 4);
}

/// Frames in any order: what the tenant takes for adjacent lies anywhere.
#[test]
fn memory_of_scattered_pages() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let (vm_a, function) = host.tenant(&mut agent, 0, RAM).unwrap();
    let (vm_b, _) = host.tenant(&mut agent, 100, RAM).unwrap();
    let frames: Vec<u64> = (0..40).map(|page| 200 + page * 7 % 40).collect();
    let pages: Vec<u64> = frames.iter().map(|frame| host.frame(*frame)).collect();
    agent
        .grant_pages(function, 0x8000_0000, 12, &pages)
        .unwrap();
    let (mut a, mut b) = (node(&host, &vm_a), node(&host, &vm_b));
    connect(&mut a, &mut b);
    let len = 40 * FRAME as u32;
    let access = unimux_driver::Access::all();
    let region = a
        .device
        .register_range(a.pd, 0x8000_0000, u64::from(len), 0, access)
        .unwrap();
    for (page, frame) in frames.iter().enumerate() {
        let words = host.words(*frame, 1);
        words[7].store(page as u64, std::sync::atomic::Ordering::Relaxed);
    }
    for page in 0..40 {
        let at = page * FRAME + 56;
        let local = region.segment(at, 8);
        assert!(
            a.run(SendWr::write(local, b.region.remote(page * 8)))
                .is_success()
        );
        assert_eq!(b.read(page * 8, 8), page.to_le_bytes());
    }
    // One request over all of them, back into other places.
    let whole = SendWr::read(region.segment(100, 32_000), b.region.remote(0));
    assert!(a.run(whole).is_success());
}

/// 2 MiB frames, as hugetlbfs hands them out.
#[test]
fn memory_of_huge_pages() {
    let host = HostWorld::new(1);
    let mut agent = host.agent();
    let function = agent.create(&host.new_function(0)).unwrap();
    let huge = [512, 1536, 1024].map(|frame| host.frame(frame));
    agent.grant_pages(function, RAM_IPA, 21, &huge).unwrap();
    let record = agent.query(function).unwrap().record;
    assert_eq!((record.windows, record.window_bytes), (3, 3 << 21));
    let odd = agent.grant_pages(function, RAM_IPA + 0x1000, 21, &huge);
    assert_eq!(odd, Err(Error::Refused(CommandStatus::InvalidArgument)));
}

#[test]
fn lists_and_queries_tell_what_there_is() {
    let host = HostWorld::new(3);
    let mut agent = host.agent();
    let count = |agent: &mut unimux_driver::PhysicalFunction<Stepped>| {
        let mut records: Vec<FunctionRecord> = Vec::new();
        agent.list(|record| records.push(*record)).unwrap();
        records
    };
    assert!(count(&mut agent).is_empty());
    let (vm, first) = host.tenant(&mut agent, 0, RAM).unwrap();
    let second = agent.create(&host.new_function(100)).unwrap();
    let mut a = node(&host, &vm);
    let records = count(&mut agent);
    assert_eq!(records.len(), 2);
    let [one, two] = [records[0], records[1]];
    assert_eq!((one.function, one.state), (first, FunctionState::Attached));
    assert_eq!(
        (one.window_bytes, one.windows, one.attaches),
        (RAM * FRAME, 1, 1)
    );
    assert_eq!((one.cookie, one.doorbell), (1, host.frame(0)));
    assert!(one.objects_in_use >= 4);
    assert_eq!((two.function, two.state), (second, FunctionState::Closed));
    assert_eq!((two.cookie, two.window_bytes, two.attaches), (2, 0, 0));
    assert_eq!(one.objects.qps(), Quota::default().qps);

    a.device.nop().unwrap();
    let limits = RateLimits {
        bytes_per_second: 1 << 40,
        requests_per_second: 1 << 30,
    };
    agent.set_limits(first, 3, limits).unwrap();
    let report = agent.query(first).unwrap();
    assert_eq!(report.limits, limits);
    assert_eq!(report.record.weight, 3);
    let id = a.device.limits().function;
    assert_eq!(id, u32::from(first));
    assert!(report.counters.get(Counter::Commands) >= 5);
    assert!(report.counters.get(Counter::HeldBytes) > 0);
}

#[test]
fn a_quota_is_a_tenants_own() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let mut new = host.new_function(0);
    new.objects = Objects::new()
        .with_pds(1)
        .with_cqs(2)
        .with_qps(3)
        .with_mrs(1);
    new.pages = 8;
    let function = agent.create(&new).unwrap();
    agent
        .grant_window(function, RAM_IPA, host.frame(1), RAM * FRAME)
        .unwrap();
    agent.open(function).unwrap();
    let guest = host.machine(0, RAM);
    let mut device = host.attach(&guest);
    let limits = *device.limits();
    assert_eq!((limits.max_pds, limits.max_cqs), (1, 2));
    assert_eq!(
        (limits.max_qps, limits.max_mrs, limits.max_pages),
        (3, 1, 8)
    );
    let pd = device.alloc_pd().unwrap();
    let full = Err(Error::Refused(CommandStatus::QuotaExceeded));
    assert_eq!(device.alloc_pd().map(drop), full);
    let all = unimux_driver::Access::all();
    let mut register = || device.register_range(pd, RAM_IPA, 8, 0, all).map(drop);
    assert_eq!(register(), Ok(()));
    assert_eq!(register(), full);

    new.objects = Objects::new().with_qps(65);
    new.doorbell = host.frame(200);
    assert_eq!(
        agent.create(&new).map(drop),
        full,
        "more than there is room for"
    );
    agent.create(&host.new_function(200)).unwrap();
    assert_eq!(
        agent.create(&host.new_function(300)).map(drop),
        full,
        "two is all"
    );
}

/// A tenant's program that was killed: the next one attaches, and finds nothing of the last one.
#[test]
fn a_program_can_begin_where_the_last_one_was_killed() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let (vm_a, function) = host.tenant(&mut agent, 0, RAM).unwrap();
    let (vm_b, _) = host.tenant(&mut agent, 100, RAM).unwrap();
    let mut b = node(&host, &vm_b);
    for life in 1..20 {
        let mut a = node(&host, &vm_a);
        assert_eq!(agent.query(function).unwrap().record.attaches, life);
        let (to_a, to_b) = (a.as_peer(), b.as_peer());
        b.reconnect(&to_a);
        while b.cq.poll_one().unwrap().is_some() {}
        a.device.connect(&a.qp, &to_b).unwrap();
        moves_data(&mut a, &mut b, u64::from(life));
        // Killed with a transfer into its memory in flight.
        let write = SendWr::write(b.region.segment(0, 60_000), a.region.remote(0));
        b.qp.post_send(&write.signaled()).unwrap();
        host.world.rounds(u64::from(life % 5));
    }
}

/// Whoever frees the memory of a program that was killed attaches first.
#[test]
fn memory_of_a_killed_program_is_untouched_once_another_one_is_attached() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let (vm_a, _) = host.tenant(&mut agent, 0, RAM).unwrap();
    let (vm_b, _) = host.tenant(&mut agent, 100, RAM).unwrap();
    let mut b = node(&host, &vm_b);
    for life in 1..20 {
        let mut a = node(&host, &vm_a);
        let (to_a, to_b) = (a.as_peer(), b.as_peer());
        b.reconnect(&to_a);
        a.device.connect(&a.qp, &to_b).unwrap();
        for _ in 0..3 {
            let write = SendWr::write(b.region.segment(0, 60_000), a.region.remote(0));
            b.qp.post_send(&write.signaled()).unwrap();
        }
        host.world.rounds(life);
        let used = RAM - 1;
        let last = vm_a.ram.all().part(used * FRAME, FRAME).unwrap();
        let guardian = host.world.attach_at(&vm_a, last).unwrap();
        host.mark(1, used);
        host.world.settle();
        assert!(host.is_marked(1, used), "life {life}");
        assert_eq!(guardian.limits().max_qps, Quota::default().qps);
        while b.cq.poll_one().unwrap().is_some() {}
    }
}

#[test]
fn a_tenant_that_breaks_its_rings_is_stopped_and_its_host_is_told() {
    let host = HostWorld::new(1);
    let mut agent = host.agent();
    let (vm, function) = host.tenant(&mut agent, 0, RAM).unwrap();
    let mut raw = RawFunction::attach(&host.world, &vm);
    let consumer = (unimux_abi::control::RESPONSE_CONSUMER / 8) as usize;
    raw.page().words()[consumer].store(0xffff, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..40 {
        raw.post([0; 8]);
        raw.ring();
        host.world.rounds(10);
    }
    let state = agent.query(function).unwrap().record.state;
    assert_eq!(state, FunctionState::Stopped);
    let told = Event::TenantStopped {
        function: u32::from(function),
        reason: Some(StopReason::BrokenResponseRing),
        cookie: 1,
    };
    assert_eq!(agent.poll_event().unwrap(), Some(told));
    let stopped = host.notes();
    assert!(matches!(stopped[..], [Note::Stopped(id)] if id.get() == function));
    agent.reset(function).unwrap();
    host.attach(&vm).nop().unwrap();
}

#[test]
fn nobody_else_has_these_verbs() {
    let world = World::default();
    let (guest, _) = world.guest();
    let host = HostWorld::in_world(world, 1, FRAMES);
    let mut agent = host.agent();
    let (vm, function) = host.tenant(&mut agent, 0, RAM).unwrap();
    let mut devices = [host.attach(&vm), host.world.attach(&guest).unwrap()];
    for opcode in (64..=72).filter_map(Opcode::from_bits) {
        for device in &mut devices {
            let refused = device.command(opcode, [u64::from(function), 0, 0, 0, 0, 0, 0]);
            assert_eq!(refused, Err(Error::Refused(CommandStatus::NotSupported)));
        }
    }
}
