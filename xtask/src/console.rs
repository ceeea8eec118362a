//! The stream of the UART as lines: guests' consoles, EL2's log, plain text.
//!
//! What a guest prints is shown, not obeyed: control characters are made visible, so that no guest
//! can play with the terminal or pretend to be another.

use defmt_decoder::{DecodeError, StreamDecoder, Table};
use serde_json::json;
use unimux_serial::{Channel, Decoder, Event};

/// A guest that never ends its line does not make the host run out of memory.
const LINE_MAX: usize = 4096;

/// One line of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A guest said it.
    Guest {
        /// Which guest of the scenario.
        index: usize,
        /// What it said.
        text: String,
    },
    /// EL2 logged it.
    Log {
        /// Seconds since the machine was started.
        time: Option<String>,
        /// Which core.
        core: Option<String>,
        /// `error` to `trace`; empty for lines without one.
        level: String,
        /// What it says.
        message: String,
    },
    /// Plain text of the UART: early boot, or a panic.
    Text(String),
    /// Something was lost on the line.
    Damaged {
        /// Bytes that came of it.
        bytes: usize,
    },
}

impl Line {
    /// The line as an object, with the guest's name.
    pub(crate) fn to_json(&self, guests: &[String]) -> serde_json::Value {
        match self {
            Self::Guest { index, text } => json!({ "guest": guests.get(*index), "text": text }),
            Self::Log {
                time,
                core,
                level,
                message,
            } => {
                json!({ "time": time, "core": core, "level": level, "log": message })
            }
            Self::Text(text) => json!({ "text": text }),
            Self::Damaged { bytes } => json!({ "damaged_bytes": bytes }),
        }
    }
}

/// What comes out of the stream.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    /// A line.
    Line(Line),
    /// Bytes of a guest's console as they came; lines are made of the same.
    Bytes {
        /// Which guest of the scenario.
        index: usize,
        /// What it said.
        bytes: &'a [u8],
    },
}

/// Makes lines from bytes.
pub(crate) struct Console<'t> {
    decoder: Decoder,
    log: Option<Box<dyn StreamDecoder + Send + Sync + 't>>,
    text: Vec<u8>,
    guests: Vec<Vec<u8>>,
}

impl<'t> Console<'t> {
    /// With the strings of EL2's log, which are in its ELF file; without them, log frames are
    /// counted as damaged.
    pub(crate) fn new(table: Option<&'t Table>, guests: usize) -> Self {
        Self {
            decoder: Decoder::new(),
            log: table.map(Table::new_stream_decoder),
            text: Vec::new(),
            guests: vec![Vec::new(); guests],
        }
    }

    /// Takes bytes; gives every line that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(Line)) {
        self.push_all(bytes, |heard| {
            if let Heard::Line(whole) = heard {
                line(whole);
            }
        });
    }

    /// The same, and gives what guests say as it comes.
    pub(crate) fn push_all(&mut self, bytes: &[u8], mut each: impl FnMut(Heard<'_>)) {
        for byte in bytes {
            let event = self.decoder.push(*byte);
            if let Some(Event::Chunk(Channel::Guest(index), bytes)) = event {
                let index = usize::from(index);
                each(Heard::Bytes { index, bytes });
            }
            event_to_lines(
                event,
                &mut self.log,
                &mut self.text,
                &mut self.guests,
                &mut |line| each(Heard::Line(line)),
            );
        }
    }

    /// The stream has ended; gives the lines that were not ended.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(Line)) {
        let event = self.decoder.finish();
        event_to_lines(
            event,
            &mut self.log,
            &mut self.text,
            &mut self.guests,
            &mut line,
        );
        if !self.text.is_empty() {
            line(Line::Text(visible(&std::mem::take(&mut self.text))));
        }
        for (index, rest) in self.guests.iter_mut().enumerate() {
            if !rest.is_empty() {
                line(Line::Guest {
                    index,
                    text: visible(&std::mem::take(rest)),
                });
            }
        }
    }
}

fn event_to_lines(
    event: Option<Event<'_>>,
    log: &mut Option<Box<dyn StreamDecoder + Send + Sync + '_>>,
    text: &mut Vec<u8>,
    guests: &mut [Vec<u8>],
    line: &mut impl FnMut(Line),
) {
    match event {
        None => {}
        Some(Event::Text(byte)) => {
            if let Some(whole) = add(text, byte) {
                line(Line::Text(whole));
            }
        }
        Some(Event::Damaged { bytes }) => line(Line::Damaged { bytes }),
        Some(Event::Chunk(Channel::Guest(index), bytes)) => {
            let index = usize::from(index);
            match guests.get_mut(index) {
                Some(rest) => {
                    for text in bytes.iter().filter_map(|byte| add(rest, *byte)) {
                        line(Line::Guest { index, text });
                    }
                }
                None => line(Line::Damaged { bytes: bytes.len() }),
            }
        }
        Some(Event::Chunk(Channel::Log, bytes)) => match log {
            None => line(Line::Damaged { bytes: bytes.len() }),
            Some(log) => {
                log.received(bytes);
                decode_log(log.as_mut(), line);
            }
        },
    }
}

fn decode_log(log: &mut dyn StreamDecoder, line: &mut impl FnMut(Line)) {
    loop {
        match log.decode() {
            Err(DecodeError::UnexpectedEof) => return,
            Err(DecodeError::Malformed) => line(Line::Damaged { bytes: 0 }),
            Ok(frame) => {
                let stamp = frame.display_timestamp().map(|it| it.to_string());
                let (time, core) = stamp.as_deref().map_or((None, None), time_and_core);
                let message = frame.display_message().to_string();
                line(Line::Log {
                    time,
                    core,
                    level: frame.level().map_or("", |it| it.as_str()).to_owned(),
                    message: message
                        .lines()
                        .map(|it| visible(it.as_bytes()))
                        .collect::<Vec<_>>()
                        .join("\n"),
                });
            }
        }
    }
}

/// EL2 stamps its log with `<seconds> core <number>`.
fn time_and_core(stamp: &str) -> (Option<String>, Option<String>) {
    let (time, core) = match stamp.split_once(" core ") {
        Some((time, core)) => (time, core),
        None => (stamp, ""),
    };
    let word = |it: &str| (!it.is_empty()).then(|| it.to_owned());
    (word(time), word(core))
}

/// Adds a byte to an unfinished line; gives the line if it is finished.
fn add(rest: &mut Vec<u8>, byte: u8) -> Option<String> {
    if byte != b'\n' {
        rest.push(byte);
        if rest.len() < LINE_MAX {
            return None;
        }
    }
    let mut whole = std::mem::take(rest);
    while whole.last() == Some(&b'\r') {
        whole.pop();
    }
    Some(visible(&whole))
}

fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() && character != '\t' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use unimux_serial::encode;

    fn guest(index: usize, text: &str) -> Line {
        Line::Guest {
            index,
            text: text.to_owned(),
        }
    }

    fn lines(stream: &[u8], guests: usize) -> Vec<Line> {
        let mut console = Console::new(None, guests);
        let mut lines = Vec::new();
        console.push(stream, |line| lines.push(line));
        console.finish(|line| lines.push(line));
        lines
    }

    #[test]
    fn each_guest_has_its_lines_however_they_are_cut() {
        let mut stream = b"U-Boot\r\n".to_vec();
        for (index, part) in [(0, "hel"), (1, "one\ntw"), (0, "lo\r\n"), (1, "o\nrest")] {
            encode(Channel::Guest(index), part.as_bytes(), |byte| {
                stream.push(byte)
            });
        }
        let expected = [
            Line::Text("U-Boot".into()),
            guest(1, "one"),
            guest(0, "hello"),
            guest(1, "two"),
            guest(1, "rest"),
        ];
        assert_eq!(lines(&stream, 2), expected);
    }

    #[test]
    fn what_a_guest_says_is_given_as_it_comes_too() {
        let (mut stream, mut said) = (Vec::new(), Vec::new());
        for part in ["$ ", "\x1b[m\r\n"] {
            encode(Channel::Guest(1), part.as_bytes(), |byte| stream.push(byte));
        }
        Console::new(None, 2).push_all(&stream, |heard| match heard {
            Heard::Bytes { index, bytes } => said.push((index, bytes.to_vec())),
            Heard::Line(line) => assert_eq!(line, guest(1, "$ \\u{1b}[m")),
        });
        assert_eq!(said, [(1, b"$ ".to_vec()), (1, b"\x1b[m\r\n".to_vec())]);
    }

    #[test]
    fn control_characters_are_shown() {
        let mut stream = Vec::new();
        encode(Channel::Guest(0), b"\x1b[2J\xff\n", |byte| {
            stream.push(byte)
        });
        assert_eq!(lines(&stream, 1), [guest(0, "\\u{1b}[2J\u{fffd}")]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut stream = Vec::new();
        encode(Channel::Guest(0), &[b'x'; LINE_MAX + 1], |byte| {
            stream.push(byte)
        });
        let lines = lines(&stream, 1);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], guest(0, "x"));
    }

    #[test]
    fn unknown_guests_and_frames_without_table_are_counted() {
        let mut stream = Vec::new();
        encode(Channel::Guest(9), b"who\n", |byte| stream.push(byte));
        encode(Channel::Log, b"\x01\x02\x00", |byte| stream.push(byte));
        let expected = [Line::Damaged { bytes: 4 }, Line::Damaged { bytes: 3 }];
        assert_eq!(lines(&stream, 1), expected);
    }

    #[test]
    fn the_stamp_of_the_log_is_time_and_core() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            time_and_core("0.001234 core 3"),
            (some("0.001234"), some("3"))
        );
        assert_eq!(time_and_core("0.001234"), (some("0.001234"), None));
        assert_eq!(time_and_core(""), (None, None));
    }
}
