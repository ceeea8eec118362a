//! The RDMA function: from a doorbell to a completion.
#![no_std]
#![forbid(unsafe_code)]
