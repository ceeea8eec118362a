//! A verbs-like driver for an RDMA function.
#![no_std]
#![forbid(unsafe_code)]
