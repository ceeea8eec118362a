//! Guests on threads of their own, beside the firmware on its: nothing is lost and nothing is
//! torn.

use unimux_driver::{Device, RecvWr, SendWr};
use unimux_engine::cpu::CpuEngine;
use unimux_firmware::{Firmware, Quota};
use unimux_host_tests::{
    FirmwareThread, Guest, LIMIT_NS, Node, RAM_BYTES, Shape, Threaded, connect, new_guest, pattern,
};

/// Messages in each direction.
const MESSAGES: u64 = 3000;
const LEN: u32 = 777;

fn talk(mut node: Node<Threaded>, seed: u64, peer_seed: u64) {
    let (mine, theirs) = (pattern(seed, 8192), pattern(peer_seed, 8192));
    node.write(0, &mine);
    let inbox = |i: u64| 0x1_0000 + i % 16 * 1024;
    for i in 0..16 {
        let segment = node.region.segment(inbox(i), 1024);
        node.receive(RecvWr::new(segment).id(i));
    }
    let (mut sent, mut ended, mut received) = (0u64, 0u64, 0u64);
    while ended < MESSAGES || received < MESSAGES {
        while sent < MESSAGES && sent - ended < 8 {
            let segment = node.region.segment(sent % 7000, LEN);
            let request = SendWr::send_imm(segment, sent as u32).id(sent);
            node.qp.post_send(&request.signaled()).expect("room");
            sent += 1;
        }
        let done = node.cq.wait_one(LIMIT_NS).expect("a completion");
        assert!(done.is_success(), "{done:?}");
        let Some(number) = done.immediate else {
            assert_eq!(done.id, ended, "sends end in order");
            ended += 1;
            continue;
        };
        assert_eq!(u64::from(number), received, "messages arrive in order");
        assert_eq!((done.id, done.len_bytes), (received % 16, LEN));
        let at = (received % 7000) as usize;
        let bytes = node.read(inbox(received), LEN as usize);
        assert!(
            bytes == theirs[at..at + LEN as usize],
            "message {received} is torn"
        );
        let segment = node.region.segment(inbox(received), 1024);
        node.receive(RecvWr::new(segment).id(received % 16));
        received += 1;
    }
}

#[test]
fn three_thousand_messages_both_ways() {
    let mut firmware = Firmware::new(CpuEngine, [8; 32]);
    let guests: [Guest; 2] = std::array::from_fn(|_| {
        let (guest, config) = new_guest(RAM_BYTES, Quota::default());
        firmware.add_function(config).unwrap();
        guest
    });
    let core = FirmwareThread::start(firmware, &guests);
    let [mut a, mut b] = guests.map(|guest| {
        let page = guest.ram.take(4096);
        let device = Device::attach(Threaded::new(guest.doorbell), page).unwrap();
        Node::new(device, &guest, Shape::default())
    });
    connect(&mut a, &mut b);
    std::thread::scope(|scope| {
        scope.spawn(move || talk(a, 1, 2));
        scope.spawn(move || talk(b, 2, 1));
    });
    let _: Firmware<CpuEngine> = core.stop();
}
