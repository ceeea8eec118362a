//! The engine `zdma`: the general-purpose DMA of a Zynq UltraScale+, eight channels.
//!
//! One piece goes by the registers alone (*simple* mode), several by two lists of descriptors in
//! memory, one of sources and one of destinations, linear or linked. It moves any bytes to any
//! alignment and shifts them itself; 49 bits of address.
//!
//! # Caches
//!
//! *Coherent:* every access is an inner-and-outer-cacheable one (AxCACHE 0xf) with the coherency
//! bit, in data and descriptors alike, so the CCI-400 asks the cores' caches. That needs the cores
//! to answer for inner-shareable lines: BRDC_INNER (bit 0 of LPD_SLCR's `lpd_apu`, 0xFF41_A040),
//! which must be set before the cores leave reset, so by the firmware below (Xilinx wiki, "Zynq
//! UltraScale+ MPSoC Cache Coherency"). A device tree says so by `dma-coherent`.
//!
//! *Not coherent:* caches are maintained around every job, see [`dma`](crate::dma).
//!
//! # Sources
//!
//! UG1087, module ZDMA: registers and bits; UG1085, chapter "DMA Controller", and AM011, "Buffer
//! Descriptor Format" and "Hybrid Descriptor Use Case" (the successor's, more detailed): lists.
#![forbid(unsafe_code)]

mod channel;
mod list;
pub mod register;

pub use channel::{Completion, ZdmaChannel};
pub use list::Form;

use crate::dma::Channels;

/// The engine of up to eight channels.
pub type Zdma<R, M> = Channels<ZdmaChannel<R>, M>;
