//! A guest gets random numbers from the firmware's interface (DEN0098), and none twice.
#![no_std]
#![no_main]

use heapless::Vec;
use unimux_guest_rt::hypercall::call;
use unimux_guest_rt::psci::{by_hvc, status};
use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::Checks;

entry!(main);

const VERSION: u32 = 0x8400_0050;
const FEATURES: u32 = 0x8400_0051;
const GET_UUID: u32 = 0x8400_0052;
const RND32: u32 = 0x8400_0053;
const RND64: u32 = 0xc400_0053;

const DRAWS: usize = 256;

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    checks.equal("version 1.0", call(VERSION, &[])[0], 0x1_0000);
    for function in [VERSION, FEATURES, GET_UUID, RND32, RND64] {
        let there = by_hvc(FEATURES, [function.into(), 0, 0]);
        checks.equal("a function that there must be is there", there, 0);
    }
    let there = by_hvc(FEATURES, [0x8400_0054, 0, 0]);
    checks.equal("no other is", there, status::NOT_SUPPORTED);
    for (function, bits) in [(RND32, 0), (RND32, 97), (RND64, 0), (RND64, 193)] {
        let refused = by_hvc(function, [bits, 0, 0]);
        checks.equal("too many or none", refused, status::INVALID_PARAMETERS);
    }
    let [result, high, middle, low] = call(RND64, &[70]);
    checks.equal("70 bits are there", result, 0);
    checks.holds("in their places", high == 0 && middle < 64 && low != 0);
    let [_, high, middle, low] = call(RND32, &[96]);
    let narrow = [high, middle, low].iter().all(|it| *it <= 0xffff_ffff);
    checks.holds("narrow registers are narrow", narrow);

    let mut drawn = Vec::<u64, { 3 * DRAWS }>::new();
    for _ in 0..DRAWS {
        let [_, numbers @ ..] = call(RND64, &[192]);
        drawn.extend_from_slice(&numbers).expect("there is room");
    }
    let ones: u32 = drawn.iter().map(|it| it.count_ones()).sum();
    let bits = 64 * drawn.len() as u32;
    // 49152 fair bits: the deviation is 111; this is nine of it.
    checks.holds("as many ones as zeros", ones.abs_diff(bits / 2) < 1000);
    drawn.sort_unstable();
    let twice = drawn.windows(2).any(|pair| pair[0] == pair[1]);
    checks.equal("no number twice", twice, false);
    checks.code()
}
