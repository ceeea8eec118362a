//! What a guest's verbs make: the objects of one function.
//!
//! Objects hold no reference to each other, only handles, which are looked up at every use.

mod completion_queue;
mod function;
mod keys;
mod pages;
mod queue_pair;
mod region;
mod request;
mod table;
mod tenant;

pub(crate) use completion_queue::CompletionQueue;
pub(crate) use function::{Control, Function, GrantPages, RegisterPages, Serving, Unfinished};
pub use function::{FunctionConfig, FunctionId, Quota};
pub(crate) use keys::Keys;
pub use keys::next_seed;
pub(crate) use pages::{PageRun, Pages};
pub(crate) use queue_pair::{Peer, QueuePair, Stage};
pub(crate) use region::{Backing, Region, Regions};
pub(crate) use request::{Pieces, Range, Receive, Request, Source};
pub(crate) use table::Table;
pub(crate) use tenant::{After, Life, Tenant};
