//! Builds, runs, tests and measures Unimux.
fn main() {}
