//! A terminal whose keys are given on one by one, until it is let go.
//!
//! Output stays as it is: a line feed is still a new line.

use std::io;
use std::os::fd::AsFd;
use std::thread;

use anyhow::Result;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// Exit code of a program that a signal ended, as shells count.
const KILLED: i32 = 128;

/// The mode, until it is dropped or this process is ended by a signal that can be caught.
pub(crate) struct RawMode<T: AsFd> {
    terminal: T,
    before: Termios,
    signals: Handle,
}

impl<T: AsFd> RawMode<T> {
    /// Has `terminal` give each key as it is pressed, Ctrl-C as well.
    pub(crate) fn enter(terminal: T) -> Result<Self> {
        let before = tcgetattr(&terminal)?;
        // First: a signal in between would leave the terminal as it is then.
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let restore = (terminal.as_fd().try_clone_to_owned()?, before.clone());
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let (terminal, before) = restore;
                let _ = leave(&terminal, &before);
                std::process::exit(KILLED + signal);
            }
        });
        let mut raw = before.clone();
        raw.make_raw();
        raw.output_modes = before.output_modes;
        tcsetattr(&terminal, OptionalActions::Drain, &raw)?;
        Ok(Self {
            terminal,
            before,
            signals: handle,
        })
    }
}

impl<T: AsFd> Drop for RawMode<T> {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = leave(&self.terminal, &self.before);
        self.signals.close();
    }
}

fn leave(terminal: &impl AsFd, before: &Termios) -> io::Result<()> {
    Ok(tcsetattr(terminal, OptionalActions::Drain, before)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::LocalModes;

    use super::*;

    /// The two ends of a terminal; it is one as long as the first is there.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let terminal = open(name.as_c_str(), flags, Mode::empty()).unwrap();
        (controller, terminal)
    }

    #[test]
    fn the_terminal_is_as_it_was_whatever_happens() {
        let (_controller, terminal) = terminal();
        let modes = || {
            let now = tcgetattr(&terminal).unwrap();
            (now.input_modes, now.output_modes, now.local_modes)
        };
        let before = modes();
        let raw = RawMode::enter(&terminal).unwrap();
        let (input, output, local) = modes();
        assert_ne!(input, before.0);
        assert_eq!(output, before.1);
        assert!(!local.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        drop(raw);
        assert_eq!(modes(), before);

        let panicked = std::panic::catch_unwind(|| {
            let _raw = RawMode::enter(&terminal).unwrap();
            panic!("in the middle of a run");
        });
        assert!(panicked.is_err());
        assert_eq!(modes(), before);
    }
}
