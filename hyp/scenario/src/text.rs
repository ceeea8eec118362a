//! One text for two readers: people on the host, and the log of EL2.
//!
//! The host formats it (`Display`). EL2 does not carry code that formats, nor the text: it logs
//! which one it is, and what stands in it (`defmt::Format`, with the feature `defmt`). Both take
//! the same literal, which therefore has `{}` and `{:#x}` only, and no names in its braces.

/// Gives a `Copy` type its texts: for each pattern of `*self` a literal and what stands in it.
macro_rules! texts {
    ($type:ty { $($pattern:pat => $text:literal $(, $argument:expr)*;)+ }) => {
        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self {
                    $($pattern => write!(f, $text $(, $argument)*),)+
                }
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $type {
            fn format(&self, f: defmt::Formatter<'_>) {
                match *self {
                    $($pattern => defmt::write!(f, $text $(, $argument)*),)+
                }
            }
        }
    };
}

pub(crate) use texts;
