//! The board that this image is built for, under one name.

#[cfg(feature = "qemu-virt")]
pub(crate) use unimux_board_qemu_virt::QemuVirt as ThisBoard;
