//! Unimux, the EL2 image: wires the parts, decides nothing.
fn main() {}
