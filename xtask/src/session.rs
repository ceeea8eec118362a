//! Who watches a run and types: a person at a terminal, or whoever has the standard streams.

use std::io::{IsTerminal, Read, Stdin, Stdout, stdin, stdout};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::console::Heard;
use crate::log_files::LogFiles;
use crate::raw_mode::RawMode;
use crate::terminal::Screen;
use crate::typist;
use crate::view::{Pressed, View};

/// The longest piece of what is typed that is given on in one.
const PIECE: usize = 4096;

/// What is asked of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The scenario, by name or path.
    pub(crate) scenario: &'a str,
    /// One JSON object per line.
    pub(crate) json: bool,
    /// The guest that standard input is for, if it is no terminal.
    pub(crate) input: Option<&'a str>,
}

/// Whether a person is there, who sees what is shown and whose keys are read.
pub(crate) fn has_person(json: bool) -> bool {
    !json && stdin().is_terminal() && stdout().is_terminal()
}

/// A session, until it is dropped.
pub(crate) struct Session {
    files: LogFiles,
    face: Face,
}

enum Face {
    Lines(Screen),
    Person {
        view: Arc<Mutex<View<Stdout>>>,
        wants_end: Arc<AtomicBool>,
        _raw: RawMode<Stdin>,
    },
}

impl Session {
    /// Begins one in a run with these guests; what is typed goes to `typed`.
    pub(crate) fn begin(
        wanted: Wanted<'_>,
        names: Vec<String>,
        typed: Sender<Vec<u8>>,
    ) -> Result<Self> {
        let files = LogFiles::create(wanted.scenario, &names)?;
        if has_person(wanted.json) {
            if wanted.input.is_some() {
                bail!("--input is for a file or a pipe; at a terminal Ctrl-A and a number choose");
            }
            return Ok(Self {
                files,
                face: Face::person(names, typed)?,
            });
        }
        if let Some(name) = wanted.input {
            let index = names.iter().position(|it| it == name);
            let index = index.with_context(|| format!("there is no guest {name:?}"))?;
            give_on(move |bytes| typed.send(typist::keys(index, bytes).ok()?).ok());
        }
        Ok(Self {
            files,
            face: Face::Lines(Screen::new(names, wanted.json)),
        })
    }

    /// Shows and keeps what was said; breaks off if the run is to end.
    pub(crate) fn hear(&mut self, heard: Option<Heard<'_>>) -> ControlFlow<()> {
        match &heard {
            Some(Heard::Line(line)) => self.files.line(line),
            Some(Heard::Bytes { index, bytes }) => self.files.bytes(*index, bytes),
            None => {}
        }
        match (&self.face, heard) {
            (Face::Lines(screen), Some(Heard::Line(line))) => screen.show(&line),
            (Face::Lines(_), _) => {}
            (Face::Person { view, .. }, Some(Heard::Line(line))) => locked(view).line(&line),
            (Face::Person { view, .. }, Some(Heard::Bytes { index, bytes })) => {
                locked(view).bytes(index, bytes);
            }
            (Face::Person { wants_end, .. }, None) => {
                if wants_end.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Ends it: the terminal is as it was. Where the log files are.
    pub(crate) fn end(self) -> String {
        self.files.place()
    }
}

impl Face {
    fn person(names: Vec<String>, typed: Sender<Vec<u8>>) -> Result<Self> {
        let raw = RawMode::enter(stdin())?;
        let view = Arc::new(Mutex::new(View::new(stdout(), names)));
        let wants_end = Arc::new(AtomicBool::new(false));
        let (keyed, end) = (Arc::clone(&view), Arc::clone(&wants_end));
        give_on(move |keys| {
            match locked(&keyed).press(keys) {
                Pressed::Nothing => {}
                Pressed::Typed(bytes) => typed.send(bytes).ok()?,
                Pressed::Quit => end.store(true, Ordering::Relaxed),
            }
            Some(())
        });
        Ok(Self::Person {
            view,
            wants_end,
            _raw: raw,
        })
    }
}

/// Reads standard input, on a thread of its own, and gives it to `to` until that gives nothing.
fn give_on(mut to: impl FnMut(&[u8]) -> Option<()> + Send + 'static) {
    thread::spawn(move || {
        let mut piece = [0; PIECE];
        while let Ok(count @ 1..) = stdin().read(&mut piece) {
            if to(&piece[..count]).is_none() {
                return;
            }
        }
    });
}

/// A view that somebody panicked at is still one.
fn locked(view: &Mutex<View<Stdout>>) -> MutexGuard<'_, View<Stdout>> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}
