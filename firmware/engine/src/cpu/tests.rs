//! The engine moves exactly the bytes it was told, at any alignment and length.
#![expect(unsafe_code, reason = "test memory is granted")]

extern crate std;

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use unimux_memory::{Ipa, Pa, Windows};

use super::*;
use crate::Span;

const LEN: u64 = 4096;

fn memory() -> Span {
    let buffer: &'static mut [u64] = Box::leak(vec![0u64; LEN as usize / 8].into_boxed_slice());
    let pa = Pa::new(buffer.as_mut_ptr().expose_provenance() as u64);
    let mut windows = Windows::new();
    // SAFETY: the buffer is leaked, exposed, and nothing else uses it.
    unsafe { windows.grant(Ipa::new(0), pa, LEN) }.unwrap();
    windows.translate(Ipa::new(0), LEN).unwrap()
}

fn bytes(span: Span) -> Vec<u8> {
    let mut words = vec![0; span.len_bytes() as usize / 8];
    span.read(0, &mut words).unwrap();
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

proptest! {
    #[test]
    fn exactly_the_bytes_asked_for_move(from in 0..600u64, to in 0..600u64, len in 0..3000u64) {
        let (source, destination) = (memory(), memory());
        let pattern: Vec<u8> = (0..LEN).map(|i| (i * 7 + i / 256 + 1) as u8).collect();
        source.write_bytes(&pattern).unwrap();

        let copy = Copy::new(source.part(from, len).unwrap(), destination.part(to, len).unwrap());
        CpuEngine.move_now(copy.unwrap());
        prop_assert_eq!(CpuEngine.reap(), None);

        let mut expected = vec![0; LEN as usize];
        expected[to as usize..(to + len) as usize]
            .copy_from_slice(&pattern[from as usize..(from + len) as usize]);
        prop_assert_eq!(bytes(destination), expected);
    }
}

#[test]
fn spans_of_different_lengths_are_not_a_copy() {
    let span = memory();
    assert!(Copy::new(span, span.part(0, 8).unwrap()).is_err());
}
