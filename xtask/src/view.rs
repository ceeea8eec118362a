//! What a terminal shows of a run: all that is said, or one console alone, and who is typed to.
//!
//! All lines together are shown as elsewhere, with what guests say made visible. A console alone is as it
//! is: escape sequences of that guest are obeyed, as at a terminal of its own.

use std::collections::VecDeque;
use std::io::Write;

use crate::console::Line;
use crate::terminal::Screen;
use crate::typist;

/// The key before a command: Ctrl-A.
const COMMAND: u8 = 0x01;
/// Lines that are kept of all, and of the log.
const LINES_KEPT: usize = 500;
/// Bytes that are kept of each console.
const BYTES_KEPT: usize = 32 << 10;
/// Clears the screen and goes to its first place (ECMA-48: ED, CUP), with no colour left (SGR).
const CLEAR: &str = "\x1b[0m\x1b[2J\x1b[H";

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    All,
    Log,
    Guest(usize),
}

/// What a key leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// Nothing outside of the view.
    Nothing,
    /// These bytes go over the wire.
    Typed(Vec<u8>),
    /// The run is to end.
    Quit,
}

/// The last lines of something, as they are shown.
type Lines = VecDeque<String>;

/// A view, on a terminal `W`.
pub(crate) struct View<W> {
    out: W,
    screen: Screen,
    names: Vec<String>,
    shown: Shown,
    is_command: bool,
    all: Lines,
    log: Lines,
    guests: Vec<VecDeque<u8>>,
}

impl<W: Write> View<W> {
    /// Shows all, and how to see less.
    pub(crate) fn new(out: W, names: Vec<String>) -> Self {
        let mut view = Self {
            out,
            screen: Screen::new(names.clone(), false),
            shown: Shown::All,
            is_command: false,
            all: Lines::new(),
            log: Lines::new(),
            guests: vec![VecDeque::new(); names.len()],
            names,
        };
        view.hint();
        view
    }

    /// A line of the run.
    pub(crate) fn line(&mut self, line: &Line) {
        let text = self.screen.text(line);
        let is_log = !matches!(line, Line::Guest { .. });
        if self.shown == Shown::All || (is_log && self.shown == Shown::Log) {
            self.write(format!("{text}\n").as_bytes());
        }
        if is_log {
            keep(&mut self.log, text.clone());
        }
        keep(&mut self.all, text);
    }

    /// Bytes of a guest's console, as they came.
    pub(crate) fn bytes(&mut self, guest: usize, bytes: &[u8]) {
        let Some(kept) = self.guests.get_mut(guest) else {
            return;
        };
        kept.extend(bytes);
        let too_many = kept.len().saturating_sub(BYTES_KEPT);
        kept.drain(..too_many);
        if self.shown == Shown::Guest(guest) {
            self.write(bytes);
        }
    }

    /// Takes keys, up to one that ends the run.
    pub(crate) fn press(&mut self, keys: &[u8]) -> Pressed {
        let mut typed = Vec::new();
        for key in keys {
            if std::mem::take(&mut self.is_command) {
                match key {
                    b'q' => return Pressed::Quit,
                    &COMMAND => typed.push(COMMAND),
                    key => self.command(*key),
                }
            } else if *key == COMMAND {
                self.is_command = true;
            } else {
                typed.push(*key);
            }
        }
        match self.shown {
            Shown::Guest(guest) if !typed.is_empty() => {
                // A guest that cannot be typed to has no key that shows it.
                typist::keys(guest, &typed).map_or(Pressed::Nothing, Pressed::Typed)
            }
            _ => Pressed::Nothing,
        }
    }

    fn command(&mut self, key: u8) {
        let shown = match key {
            b'0' => Shown::All,
            b'e' => Shown::Log,
            b'1'..=b'9' if usize::from(key - b'1') < self.names.len() => {
                Shown::Guest(usize::from(key - b'1'))
            }
            _ => return self.hint(),
        };
        self.shown = shown;
        self.write(CLEAR.as_bytes());
        let backlog: Vec<u8> = match shown {
            Shown::All => lines(&self.all),
            Shown::Log => lines(&self.log),
            Shown::Guest(guest) => self.guests[guest].iter().copied().collect(),
        };
        self.hint();
        self.write(&backlog);
    }

    /// Says what is shown and which keys show something else.
    fn hint(&mut self) {
        let (what, input) = match self.shown {
            Shown::All => ("all consoles", "no console is typed to"),
            Shown::Log => ("Unimux's log", "no console is typed to"),
            Shown::Guest(guest) => (self.names[guest].as_str(), "what you type goes there"),
        };
        let keys: String = self
            .names
            .iter()
            .take(9)
            .zip(1..)
            .map(|(name, key)| format!("{key} {name}, "))
            .collect();
        let hint = format!(
            "\x1b[7m {what}: {input}. Ctrl-A and {keys}0 all, e Unimux's log, q ends \x1b[0m\n"
        );
        self.write(hint.as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        // A terminal that went away is no reason to fail the run.
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
    }
}

fn keep(lines: &mut Lines, text: String) {
    lines.push_back(text);
    if lines.len() > LINES_KEPT {
        lines.pop_front();
    }
}

fn lines(lines: &Lines) -> Vec<u8> {
    let whole = lines.iter().flat_map(|line| [line, "\n"]);
    whole.flat_map(str::bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View<Vec<u8>> {
        View::new(vec![], ["alice", "bob"].map(str::to_owned).to_vec())
    }

    /// What was written since the last time, less the hint.
    fn seen(view: &mut View<Vec<u8>>) -> String {
        let text = String::from_utf8(std::mem::take(&mut view.out)).unwrap();
        match text.split_once("\x1b[0m\n") {
            Some((_, rest)) => rest.to_owned(),
            None => text,
        }
    }

    fn say(view: &mut View<Vec<u8>>, guest: usize, text: &str) {
        view.bytes(guest, format!("{text}\r\n").as_bytes());
        let text = text.to_owned();
        view.line(&Line::Guest { index: guest, text });
    }

    #[test]
    fn a_console_alone_is_shown_with_what_it_said_before() {
        let mut view = view();
        say(&mut view, 0, "one");
        say(&mut view, 1, "two");
        view.line(&Line::Text("log".into()));
        assert_eq!(seen(&mut view), "alice| one\n  bob| two\nlog\n");
        assert_eq!(view.press(b"\x01"), Pressed::Nothing);
        assert_eq!(view.press(b"2"), Pressed::Nothing);
        assert_eq!(seen(&mut view), "two\r\n");
        say(&mut view, 0, "three");
        view.bytes(1, b"$ ");
        assert_eq!(seen(&mut view), "$ ");
        view.press(b"\x01e");
        assert_eq!(seen(&mut view), "log\n");
        view.press(b"\x010");
        assert_eq!(
            seen(&mut view),
            "alice| one\n  bob| two\nlog\nalice| three\n"
        );
    }

    #[test]
    fn keys_go_to_the_console_that_is_shown() {
        let mut view = view();
        assert_eq!(view.press(b"lost"), Pressed::Nothing, "all are shown");
        let typed = view.press(b"\x012ls\r\x01\x01");
        assert_eq!(typed, Pressed::Typed(b"\x012ls\r\x01\x01".to_vec()));
        let typed = view.press(b"\x013x");
        assert_eq!(
            typed,
            Pressed::Typed(b"\x012x".to_vec()),
            "there is no third"
        );
        assert_eq!(view.press(b"\x01qx"), Pressed::Quit);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut view = view();
        for _ in 0..2 * BYTES_KEPT {
            view.bytes(0, b"x");
        }
        for _ in 0..2 * LINES_KEPT {
            say(&mut view, 1, "y");
        }
        assert_eq!(view.guests[0].len(), BYTES_KEPT);
        assert_eq!(view.all.len(), LINES_KEPT);
    }
}
