//! The SIMD registers of a guest are what they were, whatever it exits for.
#![no_std]
#![no_main]

use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::paravirt::map::GICD_BASE;
use unimux_guest_rt::{Guest, entry, exception, hypercall, mmio, print, psci, simd, timer, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::comes_true;

entry!(main);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static OTHER_KEPT_ITS: AtomicBool = AtomicBool::new(false);

/// A value of which no two halves of any two registers are alike.
fn values(seed: u64) -> simd::Registers {
    core::array::from_fn(|register| {
        let number = register as u64 * 2;
        [number, number + 1].map(|half| (seed + half).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    })
}

fn survive(seed: u64, exit: impl FnOnce()) -> bool {
    simd::fill(&values(seed));
    exit();
    simd::read() == values(seed)
}

fn on_interrupt(_: IntId) {
    timer::stop();
    INTERRUPTED.store(true, Release);
}

/// The other vCPU fills its registers, and powers off and on in between the first one's checks.
fn other(seed: u64) {
    OTHER_KEPT_ITS.store(survive(seed, || _ = psci::version()), Release);
}

#[expect(unsafe_code, reason = "reads and writes device registers by address")]
fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    let mut seed = 0;
    let mut check = |what, exit: &dyn Fn()| {
        seed += 1000;
        let kept = (0..64).all(|round| survive(seed + round, exit));
        checks.holds(what, kept);
    };
    check("a PSCI call by HVC", &|| _ = psci::version());
    check("a PSCI call by SMC", &|| {
        _ = psci::by_smc(0x8400_0000, [0; 3])
    });
    check("a vendor hypercall", &|| {
        _ = hypercall::call(0x8600_ff00, &[])
    });
    check("an unknown call", &|| _ = hypercall::call(0xc600_7fff, &[]));
    // SAFETY: GICD_TYPER, a register that is only read.
    check("a load from the emulated distributor", &|| unsafe {
        mmio::read32(GICD_BASE as usize + 4);
    });
    // SAFETY: GICD_ICPENDR(1), where writing zero does nothing.
    check("a store to the emulated distributor", &|| unsafe {
        mmio::write32(GICD_BASE as usize + 0x284, 0);
    });
    check("a character on the console", &|| print!("."));
    print!("\n");

    gic::start();
    gic::enable(timer::INTID);
    exception::on_interrupt(on_interrupt);
    exception::unmask_interrupts();
    check("an interrupt of the virtual timer", &|| {
        INTERRUPTED.store(false, Release);
        timer::interrupt_in(100_000);
        assert!(
            comes_true(|| INTERRUPTED.load(Acquire)),
            "the timer interrupts"
        );
    });
    exception::mask_interrupts();
    check("sleep until the virtual timer", &|| {
        timer::interrupt_in(100_000);
        gic::wait(|_| timer::stop());
    });
    check("another vCPU that comes and goes", &|| {
        OTHER_KEPT_ITS.store(false, Release);
        let started = vcpu::start(1, other, 77_777);
        assert_eq!(started, Ok(()), "the other vCPU starts");
        assert!(comes_true(|| !vcpu::is_on(1)), "it stops");
        assert!(OTHER_KEPT_ITS.load(Acquire), "it kept its own");
    });
    checks.code()
}
