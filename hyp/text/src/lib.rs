//! One text for two readers: people on the host, and the log of EL2.
//!
//! The host formats it (`Display`). EL2 carries neither code that formats nor the text: it logs
//! which text it is and what stands in it (`defmt::Format`). It has no texts itself.
#![no_std]
#![forbid(unsafe_code)]

/// Gives a `Copy` type its texts: for each pattern of `*self` a literal, and what stands in it.
///
/// Display and defmt take the same literal, which therefore has `{}` and hexadecimal forms only,
/// and no names in its braces. `defmt::Format` is implemented where the crate has the feature
/// `defmt`.
///
/// ```
/// #[derive(Clone, Copy)]
/// enum Fault {
///     Absent,
///     At(u64),
/// }
///
/// unimux_text::texts!(Fault {
///     Self::Absent => "nothing is there";
///     Self::At(address) => "fault at {:#x}", address;
/// });
///
/// assert_eq!(Fault::At(16).to_string(), "fault at 0x10");
/// # let _ = Fault::Absent;
/// ```
#[macro_export]
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
