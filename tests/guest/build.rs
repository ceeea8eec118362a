//! Links every claim as a guest program.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Tguest.ld");
    println!("cargo:rerun-if-changed=build.rs");
}
