//! A quota is a limit: one object more is refused, one given back makes room for one.

use unimux_abi::counters::Counter;
use unimux_driver::{
    Access, CommandStatus, CqFlags, Device, Error, PageList, QpOptions, bytes_for_page_list,
    bytes_for_qp,
};
use unimux_firmware::Quota;
use unimux_host_tests::{Guest, Stepped, World};

const QUOTA: Quota = Quota {
    pds: 3,
    cqs: 4,
    qps: 5,
    mrs: 6,
    pages: 64,
};
const REFUSED: Error = Error::Refused(CommandStatus::QuotaExceeded);

fn device() -> (Device<Stepped>, Guest) {
    let world = World::default();
    let (guest, _) = world.guest_with(1 << 20, QUOTA, |_| ());
    (world.attach(&guest).expect("nothing refuses this"), guest)
}

#[test]
fn the_guest_is_told() {
    let (device, _) = device();
    let limits = device.limits();
    assert_eq!(
        (
            limits.max_pds,
            limits.max_cqs,
            limits.max_qps,
            limits.max_mrs,
            limits.max_pages
        ),
        (3, 4, 5, 6, 64)
    );
}

#[test]
fn protection_domains() {
    let (mut device, _) = device();
    let pds: Vec<_> = (0..3).map(|_| device.alloc_pd().unwrap()).collect();
    assert_eq!(device.alloc_pd(), Err(REFUSED));
    device.dealloc_pd(pds[1]).unwrap();
    device.alloc_pd().unwrap();
    assert_eq!(device.alloc_pd(), Err(REFUSED));
}

#[test]
fn memory_regions() {
    let (mut device, guest) = device();
    let pd = device.alloc_pd().unwrap();
    let data = guest.ram.take(4096);
    let register = |device: &mut Device<Stepped>| {
        device.register_range(pd, data.ipa(), 4096, 0, Access::all())
    };
    let regions: Vec<_> = (0..6).map(|_| register(&mut device).unwrap()).collect();
    assert_eq!(register(&mut device), Err(REFUSED));
    device.deregister(regions[5]).unwrap();
    register(&mut device).unwrap();
}

#[test]
fn page_entries_of_all_lists_together() {
    let (mut device, guest) = device();
    let pd = device.alloc_pd().unwrap();
    let page = guest.ram.take(4096).ipa();
    let block = guest.ram.take(bytes_for_page_list(65));
    let register = |device: &mut Device<Stepped>, count: usize| {
        let pages = vec![page; count];
        let list = PageList {
            pages: &pages,
            page_shift: 12,
            block,
        };
        device.register_pages(pd, &list, 0, count as u64 * 4096, Access::all())
    };
    assert_eq!(register(&mut device, 65), Err(REFUSED));
    let most = register(&mut device, 48).unwrap();
    register(&mut device, 16).unwrap();
    assert_eq!(register(&mut device, 1), Err(REFUSED));
    device.deregister(most).unwrap();
    register(&mut device, 48).unwrap();
}

#[test]
fn completion_queues_and_queue_pairs() {
    let (mut device, guest) = device();
    let pd = device.alloc_pd().unwrap();
    let bytes = device.bytes_for_cq(2);
    let mut cqs: Vec<_> = (0..4)
        .map(|_| {
            let block = guest.ram.take(bytes);
            device.create_cq(2, CqFlags::empty(), block).unwrap()
        })
        .collect();
    let more = device.create_cq(2, CqFlags::empty(), guest.ram.take(bytes));
    assert_eq!(more.err(), Some(REFUSED));
    let options = QpOptions {
        send_entries: 2,
        recv_entries: 2,
    };
    let mut qps: Vec<_> = (0..5)
        .map(|_| {
            let block = guest.ram.take(bytes_for_qp(2, 2));
            device
                .create_qp(pd, &cqs[0], &cqs[1], options, block)
                .unwrap()
        })
        .collect();
    let block = guest.ram.take(bytes_for_qp(2, 2));
    let more = device.create_qp(pd, &cqs[0], &cqs[1], options, block);
    assert_eq!(more.err(), Some(REFUSED));
    // What is in use stays.
    let in_use = Err(Error::Refused(CommandStatus::InUse));
    assert_eq!(device.destroy_cq(&mut cqs[0]), in_use);
    assert_eq!(device.destroy_cq(&mut cqs[1]), in_use);
    assert_eq!(device.dealloc_pd(pd), in_use);
    for qp in &mut qps {
        device.destroy_qp(qp).unwrap();
    }
    for cq in &mut cqs {
        device.destroy_cq(cq).unwrap();
    }
    device.dealloc_pd(pd).unwrap();
}

#[test]
fn what_unimux_holds_for_a_function_does_not_grow() {
    let (mut device, guest) = device();
    let held =
        |device: &mut Device<Stepped>| device.query_counters().unwrap().get(Counter::HeldBytes);
    let before = held(&mut device);
    assert!(before > 0);
    let pd = device.alloc_pd().unwrap();
    let data = guest.ram.take(4096);
    for _ in 0..6 {
        device
            .register_range(pd, data.ipa(), 4096, 0, Access::all())
            .unwrap();
    }
    assert_eq!(held(&mut device), before);
}
