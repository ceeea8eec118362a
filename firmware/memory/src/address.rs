//! Addresses with their space in the type.
//!
//! Arithmetic is checked: an address that would wrap is `None`, never a small number.
#![forbid(unsafe_code)]

use core::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident, $space:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The address `value`.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The address as a number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// This address plus `offset_bytes`, or `None` if that wraps.
            #[must_use]
            pub const fn checked_add(self, offset_bytes: u64) -> Option<Self> {
                match self.0.checked_add(offset_bytes) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// How far this address lies above `base`, or `None` if it lies below.
            #[must_use]
            pub const fn offset_from(self, base: Self) -> Option<u64> {
                self.0.checked_sub(base.0)
            }

            /// Whether the address is a multiple of `alignment`, a power of two.
            #[must_use]
            pub const fn is_aligned(self, alignment: u64) -> bool {
                self.0 & (alignment - 1) == 0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($space, " {:#x}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address! {
    /// An intermediate physical address: what a guest takes for physical.
    Ipa, "IPA"
}

address! {
    /// A physical address. At EL2 memory is mapped at its physical address; on the host, where
    /// the firmware is tested, it is the address of a test's buffer.
    Pa, "PA"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_wraps() {
        assert_eq!(Ipa::new(u64::MAX).checked_add(1), None);
        assert_eq!(Ipa::new(8).checked_add(8), Some(Ipa::new(16)));
        assert_eq!(Pa::new(4).offset_from(Pa::new(8)), None);
        assert_eq!(Pa::new(8).offset_from(Pa::new(4)), Some(4));
    }

    #[test]
    fn alignment_is_judged_on_the_number() {
        assert!(Pa::new(0x2000).is_aligned(0x1000));
        assert!(!Pa::new(0x2008).is_aligned(0x1000));
    }
}
