//! Vendor hypercalls, by HVC, after the SMC Calling Convention.
//!
//! Function identifiers are those of the *vendor specific hypervisor service* (SMCCC, DEN0028,
//! section 6: owner number 6), all fast calls. x0 carries the identifier and takes the result,
//! x1 to x6 carry arguments; x1 to x3 take results; x4 to x17 are preserved. Whatever is not listed here is
//! answered [`NOT_SUPPORTED`].
//!
//! None of these is on the data path: a guest needs none of them to move data.

/// Fast call, 64-bit, owner 6.
const HVC64: u32 = 0xC600_0000;

/// Number of calls of this service. Returns the count.
pub const CALL_COUNT: u32 = 0x8600_FF00;
/// Who answers. Returns [`UID`] in w0 to w3.
pub const CALL_UID: u32 = 0x8600_FF01;
/// Revision of this service. Returns major in w0, minor in w1.
pub const CALL_REVISION: u32 = 0x8600_FF03;

/// Ends the guest, whole. x1 = 0 says all went well; anything else is a failure that Unimux
/// reports and that makes the run fail. Does not return.
pub const EXIT: u32 = HVC64;

/// Measurement baseline: the engine core copies with the cpu engine's own routine, and nothing
/// else. x1 = destination IPA, x2 = source IPA, x3 = bytes; both ranges in the guest's RAM and
/// disjoint. Returns when the copy is done: x0 = status, x1 = ticks of CNTPCT and x2 = cycles of
/// PMCCNTR that the engine core spent in the copy.
pub const BASELINE_COPY: u32 = HVC64 | 1;

/// Measurement baseline: the engine core leaves its loop and answers flags. x1 = IPA of a `u64`,
/// 64-byte aligned, in RAM; x2 = how many answers. Returns when the engine core has begun. Then for
/// each new value that the guest stores at the IPA, the engine core stores the same value at the
/// IPA + [`RELAY_ANSWER_OFFSET`]. It returns to its loop after the last answer, or after
/// [`RELAY_PATIENCE_MS`] without a new value.
pub const BASELINE_RELAY: u32 = HVC64 | 2;

/// Measurement baseline: one request mediated by EL2. EL2 on the guest's core stores x1 to the
/// doorbell's `ring` word for the guest, then waits until the `u64` at the IPA x2, masked by x3,
/// equals x4. x0 = [`SUCCESS`], or [`TIMED_OUT`] after [`HVC_WRITE_PATIENCE_MS`].
pub const BASELINE_HVC_WRITE: u32 = HVC64 | 3;

/// For measurements: requests of x1 bytes and more are left to the machine's DMA engine, shorter ones
/// to the engine core; all to the core with [`CROSSOVER_NEVER`]. x0 = [`SUCCESS`], x1 = cycles of
/// PMCCNTR that the engine core has spent so far in rounds of the firmware that found something to
/// do; or x0 = [`INVALID_PARAMETER`] if there is no DMA engine.
pub const BASELINE_CROSSOVER: u32 = HVC64 | 4;

/// A crossover that no request reaches.
pub const CROSSOVER_NEVER: u64 = u32::MAX as u64;

/// What [`CALL_COUNT`] answers: the calls above, the general ones included.
pub const CALLS: u32 = 8;
/// What [`CALL_REVISION`] answers: major, minor.
pub const REVISION: (u32, u32) = (1, 0);
/// What [`CALL_UID`] answers, be9fec6d-1c0d-4670-8cf4-0b9816ea8c8c in the byte order of SMCCC.
pub const UID: [u32; 4] = [0x6dec_9fbe, 0x7046_0d1c, 0x980b_f48c, 0x8c8c_ea16];

/// Distance from the guest's flag to the answer: another cache line.
pub const RELAY_ANSWER_OFFSET: u64 = 64;
/// How long the relay waits for the next value.
pub const RELAY_PATIENCE_MS: u64 = 1000;
/// How long a mediated request waits for its completion.
pub const HVC_WRITE_PATIENCE_MS: u64 = 1000;

/// Result: done.
pub const SUCCESS: i64 = 0;
/// Result: no such call here (SMCCC), or the scenario does not allow it.
pub const NOT_SUPPORTED: i64 = -1;
/// Result: an argument is out of its range (SMCCC).
pub const INVALID_PARAMETER: i64 = -3;
/// Result: what was waited for did not happen.
pub const TIMED_OUT: i64 = -16;
/// Result: the engine core is serving another baseline.
pub const BUSY: i64 = -17;
