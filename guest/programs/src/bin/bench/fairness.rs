//! Whether busy functions share the engine evenly: Jain's index over the bytes each has moved.
//!
//! The index is (Σx)² / (n Σx²): 1 when all get the same, 1/n when one gets all (Jain, Chiu and
//! Hawe, DEC TR-301, 1984).

use heapless::Vec;
use unimux_programs::failure::Failure;
use unimux_programs::letter::Letter;

use crate::bench::{Bench, HELPERS_MAX, common_beginning};
use crate::output::{Decimals, metric, sample};
use crate::{flow, task};

/// Bytes of a request of flow `index`, when all are alike and when they are not.
pub(crate) const ALIKE: u32 = 64 << 10;

pub(crate) fn mixed(index: u32) -> u32 {
    [32 << 10, 64 << 10, 256 << 10, 1 << 20][index as usize % 4]
}

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let alike = shares(bench, task::FLOW, ALIKE)?;
    let different = shares(bench, task::MIXED_FLOW, mixed(bench.session.id()))?;
    metric("fairness_jain", jain(&alike), "index");
    metric("fairness_jain_mixed", jain(&different), "index");
    metric("fairness_functions", alike.len(), "functions");
    for (index, (alike, different)) in alike.iter().zip(&different).enumerate() {
        sample("share_alike", index + 1, alike);
        sample("share_mixed", index + 1, different);
    }
    Ok(())
}

/// Bytes that each function moved: this one first, then the helpers'.
fn shares(
    bench: &mut Bench,
    number: u64,
    len_bytes: u32,
) -> Result<Vec<u64, { HELPERS_MAX + 1 }>, Failure> {
    let begin = common_beginning();
    for helper in &bench.helpers {
        bench
            .session
            .send(helper.peer, Letter::task(number, begin))?;
    }
    let mine = flow::run(&mut bench.helpers[0], &bench.region, len_bytes, begin)?;
    let mut shares = Vec::from_array([mine]);
    for helper in &bench.helpers {
        shares.extend([bench.session.result(helper.peer)?]);
    }
    Ok(shares)
}

fn jain(shares: &[u64]) -> Decimals<4> {
    let sum: u128 = shares.iter().map(|&share| u128::from(share)).sum();
    let squares: u128 = shares.iter().map(|&share| u128::from(share).pow(2)).sum();
    Decimals(sum.pow(2) * 10_000 / (shares.len() as u128 * squares).max(1))
}
