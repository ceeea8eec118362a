//! Firmware and driver together on the host, with hostile guests.
//!
//! There is no hypervisor here and no interrupt controller: guests are values or threads, their
//! memory is a leaked buffer, and interrupts are counted.
//!
//! ```text
//!   Stepped   one thread; the firmware makes a round whenever a guest waits: deterministic
//!   Threaded  the firmware on a thread of its own, guests on others: races are real
//! ```
//!
//! The tests are in `tests/`, named by what they claim.

mod engine;
pub mod host;
pub mod hostile;
pub mod hostile_host;
mod machine;
mod node;
mod ram;
mod raw;
mod stepped;
mod threaded;

use unimux_firmware::{FunctionId, Quota};

pub use engine::FailingEngine;
pub use machine::Machine;
pub use node::{LIMIT_NS, Node, Shape, connect};
pub use ram::{Guest, RAM_BYTES, RAM_IPA, Ram, new_guest, pattern};
pub use raw::RawFunction;
pub use stepped::{Stepped, World};
pub use threaded::{FirmwareThread, Threaded};

/// Two guests with connected nodes, in a stepped world.
#[derive(Debug)]
pub struct Pair {
    /// The world.
    pub world: World,
    /// One.
    pub a: Node<Stepped>,
    /// The other.
    pub b: Node<Stepped>,
    /// Their functions.
    pub ids: [FunctionId; 2],
}

impl Pair {
    /// Two nodes of `shape`, connected.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self::in_world(&World::default(), shape)
    }

    /// Two nodes of `shape` in `world`, connected.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    #[must_use]
    pub fn in_world(world: &World, shape: Shape) -> Self {
        Self::weighted(world, shape, 1)
    }

    /// Two nodes of `shape` in `world`, connected, whose functions have `weight`.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    #[must_use]
    pub fn weighted(world: &World, shape: Shape, weight: u16) -> Self {
        let ram_bytes = RAM_BYTES + shape.data_bytes.next_multiple_of(4096);
        Self::of(world, shape, || {
            world.guest_with(ram_bytes, Quota::default(), |config| config.weight = weight)
        })
    }

    /// Two nodes of `shape` in `world`, connected, whose guests are what `guest` makes.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    #[must_use]
    pub fn of(world: &World, shape: Shape, guest: impl Fn() -> (Guest, FunctionId)) -> Self {
        let [(a, id_a), (b, id_b)] = [(); 2].map(|()| guest()).map(|(guest, id)| {
            let device = world.attach(&guest).expect("attach");
            (Node::new(device, &guest, shape), id)
        });
        let (mut a, mut b) = (a, b);
        connect(&mut a, &mut b);
        Self {
            world: world.clone(),
            a,
            b,
            ids: [id_a, id_b],
        }
    }

    /// Takes both queue pairs through the reset state, and connects them again.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    pub fn reconnect(&mut self) {
        let (to_a, to_b) = (self.a.as_peer(), self.b.as_peer());
        self.a.reconnect(&to_b);
        self.b.reconnect(&to_a);
        while self.a.cq.poll_one().expect("sense").is_some() {}
        while self.b.cq.poll_one().expect("sense").is_some() {}
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(Shape::default())
    }
}
