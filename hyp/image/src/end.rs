//! How a run ends: through the board, which a simulator is told, and a real machine is not.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use unimux_board::Board;
use unimux_tree::Tree;

use crate::board::ThisBoard;

/// Empty, and there if whoever runs the machine takes semihosting calls.
const SEMIHOSTING: &str = "unimux,semihosting";

static SIMULATOR: AtomicBool = AtomicBool::new(false);

/// Learns from `/chosen` whether a simulator is there to be told.
pub(crate) fn learn(tree: &Tree<'_>) {
    let chosen = tree.find_node("/chosen");
    let told = chosen.is_some_and(|node| node.property(SEMIHOSTING).is_some());
    SIMULATOR.store(told, Relaxed);
}

/// Ends the run with an exit code.
pub(crate) fn run(code: u8) -> ! {
    ThisBoard::end_run(code, SIMULATOR.load(Relaxed))
}
