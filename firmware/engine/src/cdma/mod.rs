//! The engine `cdma`: an AXI Central DMA of the FPGA, one channel.
//!
//! What was built into the core comes as [`Build`]: widths of addresses and lengths, whether there
//! is a scatter/gather engine, whether it shifts bytes. One piece goes by registers (*simple* mode),
//! several by a chain of descriptors, or one after the other if the core has no scatter/gather
//! engine. The "Lite" build of the core (at most a burst a transfer) is not supported.
//!
//! # Caches
//!
//! The core's AxCACHE and AxUSER are built in. It is coherent if its master ports are on HPC0 or
//! HPC1 and they are tied for that (Xilinx wiki, "Zynq UltraScale+ MPSoC Cache Coherency"), which a
//! device tree says by `dma-coherent`; otherwise caches are maintained, see [`dma`](crate::dma).
//!
//! # Source
//!
//! PG034, AXI Central Direct Memory Access v4.1: "Register Space", "Programming Sequence",
//! "Scatter Gather Mode", "Scatter Gather Transfer Descriptor Definition".
#![forbid(unsafe_code)]

mod chain;
mod channel;
pub mod register;

pub use channel::{Build, CdmaChannel};

use crate::dma::Channels;

/// The engine of one AXI CDMA.
pub type Cdma<R, M> = Channels<CdmaChannel<R>, M>;
