//! A script of what is typed into guests: when a guest prints this, that is typed into it.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use unimux_serial::{TYPISTS_MAX, type_to};

use crate::console::Line;

/// One step of a script. Steps are taken in their order; a line is the cue of one step at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cue {
    /// The guest, by name.
    pub(crate) guest: String,
    /// What one of its lines must have.
    pub(crate) after: String,
    /// What is typed then.
    pub(crate) text: String,
}

impl Cue {
    /// Reads `GUEST: AFTER: TEXT`. In the text `\r`, `\n`, `\t` and `\xHH` are what they are in Rust.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, ": ");
        let (Some(guest), Some(after), Some(text)) = (parts.next(), parts.next(), parts.next())
        else {
            bail!("{text:?}: GUEST: AFTER: TEXT");
        };
        Ok(Self {
            guest: guest.to_owned(),
            after: after.to_owned(),
            text: unescape(text).with_context(|| format!("{text:?}: a wrong escape"))?,
        })
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        plain.push(match character {
            '\\' => match rest.next()? {
                'r' => '\r',
                'n' => '\n',
                't' => '\t',
                '\\' => '\\',
                'x' => {
                    let digits: String = rest.by_ref().take(2).collect();
                    char::from(u8::from_str_radix(&digits, 16).ok()?)
                }
                _ => return None,
            },
            _ => character,
        });
    }
    Some(plain)
}

/// Who types by the script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typist {
    steps: VecDeque<(usize, String, Vec<u8>)>,
    /// Lines that were no cue yet, by guest.
    heard: Vec<Vec<String>>,
}

impl Typist {
    /// Follows `script` in a run with these guests.
    pub(crate) fn new(script: &[Cue], guests: &[String]) -> Result<Self> {
        let step = |cue: &Cue| {
            let index = guests.iter().position(|it| *it == cue.guest);
            let index = index.with_context(|| format!("there is no guest {:?}", cue.guest))?;
            let keys = keys(index, cue.text.as_bytes())?;
            Ok((index, cue.after.clone(), keys))
        };
        let steps = script.iter().map(step).collect::<Result<_>>()?;
        let heard = vec![vec![]; guests.len()];
        Ok(Self { steps, heard })
    }

    /// Whether there is nothing left to type.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    /// Hears a line, and gives what goes over the wire then.
    pub(crate) fn hear(&mut self, line: &Line) -> Vec<u8> {
        if let Line::Guest { index, text } = line
            && !self.is_done()
        {
            self.heard[*index].push(text.clone());
        }
        let mut all = vec![];
        while let Some((index, after, keys)) = self.steps.front() {
            let heard = &mut self.heard[*index];
            let Some(cue) = heard.iter().position(|it| it.contains(after)) else {
                break;
            };
            heard.drain(..=cue);
            all.extend(keys);
            self.steps.pop_front();
        }
        all
    }
}

/// What goes over the wire when `bytes` are typed into the guest number `index`.
pub(crate) fn keys(index: usize, bytes: &[u8]) -> Result<Vec<u8>> {
    let index = u8::try_from(index).ok().filter(|it| *it < TYPISTS_MAX);
    let index = index.context("so many guests cannot be typed to")?;
    let mut keys = Vec::new();
    type_to(index, bytes, |byte| keys.push(byte));
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(index: usize, text: &str) -> Line {
        Line::Guest {
            index,
            text: text.into(),
        }
    }

    #[test]
    fn each_step_waits_for_its_guest_to_say_its_word() {
        let script = [
            "bob: ready: a\\x01\\r",
            "alice: ready: b",
            "alice: ready: c",
        ];
        let script: Vec<Cue> = script.iter().map(|it| Cue::parse(it).unwrap()).collect();
        let names = ["alice", "bob"].map(str::to_owned);
        let mut typist = Typist::new(&script, &names).unwrap();
        assert_eq!(typist.hear(&said(0, "ready")), b"", "it is bob's turn");
        assert_eq!(typist.hear(&said(1, "not yet")), b"");
        let typed = typist.hear(&said(1, "is ready now"));
        assert_eq!(typed, b"\x012a\x01\x01\r\x011b");
        assert!(!typist.is_done());
        assert_eq!(typist.hear(&said(1, "is ready now")), b"");
        assert_eq!(typist.hear(&said(0, "ready")), b"\x011c");
        assert!(typist.is_done());
        assert!(Typist::new(&script, &names[..1]).is_err(), "no bob");
    }

    #[test]
    fn a_script_that_cannot_be_read_is_refused() {
        for text in [
            "",
            "alice",
            "alice: ready",
            "alice: ready: \\q",
            "alice: ready: \\xg0",
        ] {
            assert!(Cue::parse(text).is_err(), "{text:?}");
        }
    }
}
