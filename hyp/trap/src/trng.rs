//! Random numbers as guests ask for them (*Arm True Random Number Generator Firmware Interface*,
//! DEN0098, 1.0).
//!
//! It makes none: it decodes the calls and lays out an answer.

use crate::psci::ErrorCode;

/// TRNG_VERSION's answer: 1.0.
pub const VERSION_1_0: u64 = 0x1_0000;

/// TRNG_GET_UUID's answer, in w0 to w3 (2.4): who makes the numbers.
pub const UUID: [u64; 4] = [0x1c54_8a3e, 0x6d4f_97b2, 0xe08b_51aa, 0x27c9_03d4];

const VERSION: u32 = 0x8400_0050;
const FEATURES: u32 = 0x8400_0051;
const GET_UUID: u32 = 0x8400_0052;
const RND32: u32 = 0x8400_0053;
const RND64: u32 = 0xc400_0053;

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// TRNG_VERSION.
    Version,
    /// TRNG_FEATURES: whether `function` is there.
    Features {
        /// The function asked about.
        function: u32,
    },
    /// TRNG_GET_UUID.
    GetUuid,
    /// TRNG_RND32 and TRNG_RND64.
    Random(Amount),
}

/// How many random bits, and in how wide registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    bits: u32,
    register_bits: u32,
}

impl Amount {
    /// The answer in x0 to x3, of random numbers: status, then the bits, the lowest in x3, and zeros
    /// above them (2.5).
    #[must_use]
    pub const fn answer(self, random: [u64; 3]) -> [u64; 4] {
        let mut answer = [0; 4];
        let mut left = self.bits;
        let mut place = 3;
        while left > 0 && place > 0 {
            let taken = if left < self.register_bits {
                left
            } else {
                self.register_bits
            };
            answer[place] = random[place - 1] & (u64::MAX >> (64 - taken));
            left -= taken;
            place -= 1;
        }
        answer
    }
}

impl Function {
    /// The call `function` with x1; none if it is not one of these.
    pub(crate) const fn decode(function: u32, first: u64) -> Option<Result<Self, ErrorCode>> {
        Some(Ok(match function {
            VERSION => Self::Version,
            FEATURES => Self::Features {
                function: first as u32,
            },
            GET_UUID => Self::GetUuid,
            RND32 | RND64 => {
                let (register_bits, bits) = match function {
                    RND64 => (64, first),
                    _ => (32, first & 0xffff_ffff),
                };
                if bits == 0 || bits > 3 * register_bits as u64 {
                    return Some(Err(ErrorCode::InvalidParameters));
                }
                Self::Random(Amount {
                    bits: bits as u32,
                    register_bits,
                })
            }
            _ => return None,
        }))
    }

    /// Whether TRNG_FEATURES says of `function` that it is there.
    #[must_use]
    pub const fn is_served(function: u32) -> bool {
        matches!(function, VERSION..=RND32 | RND64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amount(function: u32, bits: u64) -> Result<Amount, ErrorCode> {
        match Function::decode(function, bits).expect("a call of these") {
            Ok(Function::Random(amount)) => Ok(amount),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    }

    #[test]
    fn as_many_bits_as_fit_three_registers() {
        for (function, most) in [(RND32, 96), (RND64, 192)] {
            for bits in [1, most] {
                assert!(amount(function, bits).is_ok(), "{bits}");
            }
            for bits in [0, most + 1, 0xffff_ffff] {
                assert_eq!(amount(function, bits), Err(ErrorCode::InvalidParameters));
            }
        }
        assert!(amount(RND32, 0xdead_0000_0020).is_ok(), "w1 counts");
        assert!(amount(RND64, 0xdead_0000_0020).is_err(), "x1 counts");
    }

    #[test]
    fn bits_lie_where_the_specification_puts_them() {
        let all = [u64::MAX; 3];
        let of = |function, bits| amount(function, bits).expect("it fits").answer(all);
        assert_eq!(of(RND64, 192), [0, u64::MAX, u64::MAX, u64::MAX]);
        assert_eq!(of(RND64, 65), [0, 0, 1, u64::MAX]);
        assert_eq!(of(RND32, 96), [0, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff]);
        assert_eq!(of(RND32, 33), [0, 0, 1, 0xffff_ffff]);
        assert_eq!(of(RND32, 5), [0, 0, 0, 0x1f]);
    }

    proptest! {
        #[test]
        fn no_more_bits_than_asked_for(bits in 1_u64..=192, random: [u64; 3]) {
            let answer = amount(RND64, bits).expect("it fits").answer(random);
            let set: u32 = answer.iter().map(|it| it.count_ones()).sum();
            prop_assert!(u64::from(set) <= bits);
            let full = amount(RND64, bits).expect("it fits").answer([u64::MAX; 3]);
            let set: u32 = full.iter().map(|it| it.count_ones()).sum();
            prop_assert_eq!(u64::from(set), bits);
        }
    }

    #[test]
    fn features_know_what_is_served() {
        for function in VERSION..=RND32 {
            assert!(Function::is_served(function));
            assert!(Function::decode(function, 1).is_some());
        }
        assert!(Function::is_served(RND64));
        for function in [0x8400_0054, 0xc400_0050, 0x8400_004f] {
            assert!(!Function::is_served(function));
            assert_eq!(Function::decode(function, 1), None);
        }
    }
}
