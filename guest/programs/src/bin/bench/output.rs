//! The lines that xtask reads.

use core::fmt::Display;

use unimux_guest_rt::println;
use unimux_programs::latency::Latencies;

/// One number of the result.
pub(crate) fn metric(name: &str, value: impl Display, unit: &str) {
    println!("metric {name} {value} {unit}");
}

/// One point of a plot.
pub(crate) fn sample(series: &str, x: impl Display, y: impl Display) {
    println!("sample {series} {x} {y}");
}

/// A histogram, as points of the series `name`.
pub(crate) fn histogram(name: &str, latencies: &mut Latencies) {
    latencies.histogram(|ns, count| sample(name, ns, count));
}

/// `part` of `whole` with four decimals.
pub(crate) fn ratio(part: u64, whole: u64) -> impl Display {
    Decimals::<4>(u128::from(part) * 10_000 / u128::from(whole.max(1)))
}

/// `total` divided by `count`, with one decimal.
pub(crate) fn mean(total: u64, count: u64) -> impl Display {
    Decimals::<1>(u128::from(total) * 10 / u128::from(count.max(1)))
}

/// A fixed-point number with `N` decimals.
pub(crate) struct Decimals<const N: u32>(pub(crate) u128);

impl<const N: u32> Display for Decimals<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let one = 10_u128.pow(N);
        write!(
            f,
            "{}.{:0width$}",
            self.0 / one,
            self.0 % one,
            width = N as usize
        )
    }
}
