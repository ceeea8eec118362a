//! CRC-8 with the polynomial x^8 + x^2 + x + 1 (ITU-T I.432.1), initial value 0.
//!
//! Bit by bit and not by table: the UART is slower than this by far, and the image is kept small.

/// The check of what was added so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crc8(u8);

impl Crc8 {
    pub(crate) fn add(&mut self, byte: u8) {
        self.0 ^= byte;
        for _ in 0..8 {
            let high = self.0 & 0x80 != 0;
            self.0 = (self.0 << 1) ^ if high { 0x07 } else { 0 };
        }
    }

    pub(crate) fn value(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-8 (poly 07) in the catalogue of parametrised CRC algorithms.
    #[test]
    fn check_value_is_the_published_one() {
        let mut crc = Crc8::default();
        b"123456789".iter().for_each(|byte| crc.add(*byte));
        assert_eq!(crc.value(), 0xf4);
    }
}
