//! Links every program as a guest.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Tguest.ld");
    println!("cargo:rerun-if-changed=build.rs");
}
