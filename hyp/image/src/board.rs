//! The board that this image is built for, under one name, and its interrupt controller.
#![expect(unsafe_code, reason = "believes the board about its GIC")]
// UNSAFETY: the driver takes frames by address.

use unimux_board::Board;
#[cfg(feature = "qemu-virt")]
pub(crate) use unimux_board_qemu_virt::QemuVirt as ThisBoard;
#[cfg(feature = "qemu-virt-gicv2")]
pub(crate) use unimux_board_qemu_virt::QemuVirtGicV2 as ThisBoard;
#[cfg(feature = "zcu102")]
pub(crate) use unimux_board_zcu102::Zcu102 as ThisBoard;
use unimux_el2::gic::Gic;

/// The physical interrupt controller.
// SAFETY: the frames are the board's and among its devices, which EL2's own map has from the
// beginning of the boot; this is their only user.
pub(crate) const GIC: Gic<<ThisBoard as Board>::Gic> = unsafe { Gic::new(ThisBoard::GIC) };
