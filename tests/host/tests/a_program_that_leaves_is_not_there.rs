//! A program that ends says so: until another one attaches the function, its peers are told that
//! nobody is there, and what it made is taken back.

use unimux_driver::{CommandStatus, Error, Event};
use unimux_host_tests::World;

#[test]
fn until_the_next_one_attaches() {
    let world = World::default();
    let [(guest, id), (other, _)] = [(); 2].map(|()| world.guest());
    let mut leaver = world.attach(&guest).unwrap();
    let mut peer = world.attach(&other).unwrap();
    let function = leaver.limits().function;
    leaver.alloc_pd().unwrap();
    peer.message(function, [1, 2, 3]).unwrap();

    leaver.detach();
    world.settle();
    let refused = peer.message(function, [4, 5, 6]);
    assert_eq!(refused, Err(Error::Refused(CommandStatus::PeerBusy)));
    assert_eq!(world.in_use(id), 0);

    let mut next = world.attach(&guest).unwrap();
    peer.message(function, [7, 8, 9]).unwrap();
    world.settle();
    let event = next.poll_event().unwrap();
    assert!(
        matches!(
            event,
            Some(Event::Message {
                words: [7, 8, 9],
                ..
            })
        ),
        "{event:?} is not for the program that left"
    );
}
