//! Bytes from the UART into text and channels.
//!
//! It never fails and never waits: whatever comes, each byte gives at most one event.

use crate::check::Crc8;
use crate::{CHUNK_MAX, Channel, END, ESCAPE, START, TURN};

/// What a byte brought to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A byte of plain text.
    Text(u8),
    /// A whole chunk.
    Chunk(Channel, &'a [u8]),
    /// A chunk that was cut off, too long or failed its check was dropped.
    Damaged {
        /// How many bytes of it had come, after unescaping, channel and check included.
        bytes: usize,
    },
}

/// Channel, the bytes and the check.
const FRAME_MAX: usize = 1 + CHUNK_MAX + 1;

/// The state between two bytes.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    frame: [u8; FRAME_MAX],
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    Frame,
    Escaped,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Outside of any chunk.
    pub const fn new() -> Self {
        Self {
            state: State::Text,
            frame: [0; FRAME_MAX],
            len: 0,
        }
    }

    /// Takes the next byte.
    pub fn push(&mut self, byte: u8) -> Option<Event<'_>> {
        match (self.state, byte) {
            (State::Text, START) => {
                self.begin();
                None
            }
            // The end of a chunk that was dropped, or `BREAK` where nothing was broken.
            (State::Text, END) => None,
            (State::Text, _) => Some(Event::Text(byte)),
            (_, START) => {
                let bytes = self.len;
                self.begin();
                Some(Event::Damaged { bytes })
            }
            (State::Escaped, END) => Some(self.drop_frame()),
            (State::Frame, END) => Some(self.end()),
            (State::Frame, ESCAPE) => {
                self.state = State::Escaped;
                None
            }
            (State::Frame, _) => self.put(byte),
            (State::Escaped, _) => {
                self.state = State::Frame;
                self.put(byte ^ TURN)
            }
        }
    }

    /// The stream has ended: what is left of a chunk is damaged.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        match self.state {
            State::Text => None,
            _ => Some(self.drop_frame()),
        }
    }

    fn begin(&mut self) {
        self.state = State::Frame;
        self.len = 0;
    }

    fn put(&mut self, byte: u8) -> Option<Event<'_>> {
        match self.frame.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
                None
            }
            // Its end was lost: what follows is text until the next start.
            None => Some(self.drop_frame()),
        }
    }

    fn drop_frame(&mut self) -> Event<'static> {
        self.state = State::Text;
        Event::Damaged { bytes: self.len }
    }

    fn end(&mut self) -> Event<'_> {
        self.state = State::Text;
        let mut crc = Crc8::default();
        match self.frame.get(..self.len) {
            Some([channel, bytes @ .., check]) => {
                crc.add(*channel);
                bytes.iter().for_each(|byte| crc.add(*byte));
                if crc.value() == *check {
                    Event::Chunk(Channel::from_byte(*channel), bytes)
                } else {
                    Event::Damaged { bytes: self.len }
                }
            }
            _ => Event::Damaged { bytes: self.len },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::collection::vec as list;
    use proptest::prelude::*;

    use super::*;
    use crate::{BREAK, encode};

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Heard {
        text: Vec<u8>,
        channels: BTreeMap<Channel, Vec<u8>>,
        damaged: usize,
    }

    fn hear(stream: &[u8]) -> Heard {
        let mut heard = Heard::default();
        let mut decoder = Decoder::new();
        let mut take = |event: Option<Event<'_>>| match event {
            None => {}
            Some(Event::Text(byte)) => heard.text.push(byte),
            Some(Event::Chunk(channel, bytes)) => {
                heard.channels.entry(channel).or_default().extend(bytes);
            }
            Some(Event::Damaged { .. }) => heard.damaged += 1,
        };
        for byte in stream {
            take(decoder.push(*byte));
        }
        take(decoder.finish());
        heard
    }

    fn sent(channel: Channel, bytes: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        encode(channel, bytes, |byte| stream.push(byte));
        stream
    }

    fn channel() -> impl Strategy<Value = Channel> {
        prop_oneof![Just(Channel::Log), (0u8..255).prop_map(Channel::Guest)]
    }

    /// Bytes that like to be the ones with a meaning.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(START),
            Just(END),
            Just(ESCAPE),
            Just(TURN),
            any::<u8>()
        ];
        list(byte, 0..200)
    }

    #[test]
    fn the_form_is_what_the_head_of_the_crate_says() {
        let check = [0x01, 1, b'h', b'i'];
        let mut crc = Crc8::default();
        check[1..].iter().for_each(|byte| crc.add(*byte));
        // Channel byte 1 is escaped.
        let expected = [START, ESCAPE, 1 ^ TURN, b'h', b'i', crc.value(), END];
        assert_eq!(sent(Channel::Guest(0), b"hi"), expected);
        assert_eq!(sent(Channel::Log, b""), []);
    }

    #[test]
    fn a_panic_in_the_middle_of_a_chunk_is_text() {
        let mut stream = sent(Channel::Guest(3), b"half of this");
        stream.truncate(6);
        stream.extend(BREAK);
        stream.extend(b"panic at EL2\n");
        let heard = hear(&stream);
        assert_eq!(heard.text, b"panic at EL2\n");
        assert_eq!((heard.damaged, heard.channels.len()), (1, 0));
    }

    #[test]
    fn a_lost_end_swallows_no_more_than_a_chunk() {
        let mut stream = sent(Channel::Guest(0), b"x");
        stream.pop();
        stream.extend([b'.'; 100]);
        stream.extend(sent(Channel::Guest(1), b"y"));
        let heard = hear(&stream);
        assert!(heard.text.len() >= 100 - FRAME_MAX);
        assert_eq!(heard.channels[&Channel::Guest(1)], b"y");
        assert_eq!(heard.damaged, 1);
    }

    proptest! {
        #[test]
        fn interleaved_channels_come_out_apart(
            parts in list((channel(), hostile()), 0..8),
            text in "[ -~\n]{0,40}",
        ) {
            let mut stream = text.clone().into_bytes();
            let mut expected = Heard { text: stream.repeat(parts.len() + 1), ..Heard::default() };
            for (channel, bytes) in &parts {
                stream.extend(sent(*channel, bytes));
                stream.extend(text.as_bytes());
                if !bytes.is_empty() {
                    expected.channels.entry(*channel).or_default().extend(bytes);
                }
            }
            prop_assert_eq!(hear(&stream), expected);
        }

        /// What a guest prints, chunks of another channel included, stays its own.
        #[test]
        fn a_forged_chunk_stays_on_the_channel_of_its_forger(
            prefix in hostile(),
            victim in channel(),
            forged in hostile(),
        ) {
            let mut bytes = prefix;
            bytes.extend(sent(victim, &forged));
            let heard = hear(&sent(Channel::Guest(7), &bytes));
            prop_assert!(heard.text.is_empty() && heard.damaged == 0);
            prop_assert!(heard.channels.keys().all(|channel| *channel == Channel::Guest(7)));
            if !bytes.is_empty() {
                prop_assert_eq!(&heard.channels[&Channel::Guest(7)], &bytes);
            }
        }

        /// After a loss, the next chunk but one is whole: the loss may reach into one neighbour.
        #[test]
        fn a_loss_costs_at_most_the_chunks_it_touches(
            first in list(any::<u8>(), 1..=CHUNK_MAX),
            lost in any::<prop::sample::Index>(),
            count in 1usize..4,
        ) {
            let mut stream = sent(Channel::Guest(0), &first);
            let from = lost.index(stream.len());
            stream.drain(from..(from + count).min(stream.len()));
            stream.extend(sent(Channel::Guest(1), b"again"));
            let heard = hear(&stream);
            prop_assert_eq!(&heard.channels[&Channel::Guest(1)], b"again");
        }

        #[test]
        fn any_bytes_are_taken(bytes in hostile()) {
            hear(&bytes);
        }
    }
}
