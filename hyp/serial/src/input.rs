//! What is typed, and whose it is: the way in.
//!
//! ```text
//! SOH '1' … SOH 'p'   what follows is for guest 0 … 63 (on a keyboard Ctrl-A, then 1 to 9)
//! SOH SOH             one SOH for the guest
//! anything else       for the guest that was chosen last; at first guest 0
//! ```
//!
//! There is no frame and no check: a person at a terminal can type it.

use crate::START;

/// Chooses a guest, or stands for itself.
const CHOOSE: u8 = START;
/// Chooses guest 0.
const FIRST: u8 = b'1';

/// Guests that can be chosen.
pub const TYPISTS_MAX: u8 = 64;

/// What a byte of the way in meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// The guest with this index is chosen. There may be none.
    Chosen(u8),
    /// A byte for the guest with this index.
    Byte(u8, u8),
}

/// The state between two bytes.
#[derive(Clone, Debug)]
pub struct Input {
    chosen: u8,
    is_choosing: bool,
}

impl Input {
    /// Guest 0 is chosen.
    pub const fn new() -> Self {
        Self {
            chosen: 0,
            is_choosing: false,
        }
    }

    /// Takes the next byte. A choice of nothing is nothing.
    pub fn push(&mut self, byte: u8) -> Option<Typed> {
        let is_choosing = core::mem::take(&mut self.is_choosing);
        if byte == CHOOSE && !is_choosing {
            self.is_choosing = true;
            return None;
        }
        if byte == CHOOSE || !is_choosing {
            return Some(Typed::Byte(self.chosen, byte));
        }
        let index = byte.checked_sub(FIRST)?;
        if index >= TYPISTS_MAX {
            return None;
        }
        self.chosen = index;
        Some(Typed::Chosen(index))
    }
}

impl Default for Input {
    fn default() -> Self {
        Self::new()
    }
}

/// Sends `bytes` to guest `index`, which is below [`TYPISTS_MAX`], through `send`.
pub fn type_to(index: u8, bytes: &[u8], mut send: impl FnMut(u8)) {
    send(CHOOSE);
    send(FIRST + index);
    for byte in bytes {
        if *byte == CHOOSE {
            send(CHOOSE);
        }
        send(*byte);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::collection::vec as list;
    use proptest::prelude::*;

    use super::*;

    fn heard(stream: &[u8]) -> Vec<Typed> {
        let mut input = Input::new();
        stream.iter().filter_map(|it| input.push(*it)).collect()
    }

    #[test]
    fn a_person_can_type_it() {
        let typed = heard(b"a\x012b\x01\x01\x01\x0dc\x01qd");
        let expected = [
            Typed::Byte(0, b'a'),
            Typed::Chosen(1),
            Typed::Byte(1, b'b'),
            Typed::Byte(1, 1),
            Typed::Byte(1, b'c'),
            Typed::Byte(1, b'd'),
        ];
        assert_eq!(typed, expected);
    }

    proptest! {
        #[test]
        fn bytes_reach_whom_they_are_for(
            parts in list((0..TYPISTS_MAX, list(prop_oneof![Just(CHOOSE), any::<u8>()], 0..40)), 0..8),
        ) {
            let (mut stream, mut expected) = (Vec::new(), Vec::new());
            for (index, bytes) in &parts {
                type_to(*index, bytes, |byte| stream.push(byte));
                expected.push(Typed::Chosen(*index));
                expected.extend(bytes.iter().map(|byte| Typed::Byte(*index, *byte)));
            }
            prop_assert_eq!(heard(&stream), expected);
        }

        #[test]
        fn any_bytes_are_taken(bytes in list(any::<u8>(), 0..200)) {
            let chosen = |typed: &Typed| match typed {
                Typed::Chosen(index) | Typed::Byte(index, _) => *index,
            };
            prop_assert!(heard(&bytes).iter().all(|typed| chosen(typed) < TYPISTS_MAX));
        }
    }
}
