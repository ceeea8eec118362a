//! The FIT image into a board's RAM over its console: U-Boot's `loady`, and YMODEM by lrzsz.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serialport::TTYPort;

use crate::terminal::Step;
use crate::tools::SB;

/// What U-Boot's prompts end with: `=> `, `ZynqMP> `.
const PROMPT: &[u8] = b"> ";
/// Said when reading fails.
pub(super) const GONE: &str = "the port is gone: is the cable still in?";
/// How `loady` says that it waits (U-Boot, cmd/load.c).
const ASKS: &[u8] = b"bps...";
/// How long the user may take to switch the board on, and the board to come to U-Boot's countdown.
const SWITCH_ON: Duration = Duration::from_secs(60);
/// How often a key is pressed meanwhile: U-Boot counts down in seconds.
const PRESS: Duration = Duration::from_millis(300);
/// How long U-Boot may think.
const PATIENCE: Duration = Duration::from_secs(5);

/// A board's console.
#[derive(Debug)]
pub(crate) struct Port(TTYPort);

impl Port {
    /// Opens it.
    pub(crate) fn open(path: &Path, baud: u32) -> Result<Self> {
        let name = path.display().to_string();
        let mut port = serialport::new(&name, baud)
            .timeout(Duration::from_millis(100))
            .open_native()
            .with_context(|| {
                format!(
                    "{name} cannot be opened: is the cable in, and does no other program have it?"
                )
            })?;
        // `sb` opens it again.
        port.set_exclusive(false)?;
        Ok(Self(port))
    }

    /// Has U-Boot read a file into RAM; its prompt is there before and after.
    pub(crate) fn send(&mut self, path: &Path, file: &Path, at: u64) -> Result<()> {
        let bytes = std::fs::metadata(file)?.len();
        let step = Step::begin(format!("Sending {bytes} bytes over {}", path.display()));
        step.detail("waiting for U-Boot: switch the board on");
        self.prompt()?;
        step.detail("`sb` shows how far it is");
        type_line(&mut self.0, &format!("loady {at:#x}"))?;
        wait_for(&mut self.0, ASKS).context("U-Boot does not ask for the file: has it `loady`?")?;
        let tty = |write: bool| {
            std::fs::File::options()
                .read(!write)
                .write(write)
                .open(path)
        };
        let mut sb = SB.command();
        if !io::stderr().is_terminal() {
            sb.arg("--quiet");
        }
        let status = sb
            .arg("--ymodem")
            .arg(file)
            .stdin(Stdio::from(tty(false)?))
            .stdout(Stdio::from(tty(true)?))
            .status()
            .context("sb cannot be started")?;
        if !status.success() {
            bail!("the file did not arrive ({status}): reset the board and repeat the command");
        }
        let said = wait_for(&mut self.0, PROMPT)?;
        let said = String::from_utf8_lossy(&said);
        if !said.contains(&format!("= {bytes} Bytes")) {
            bail!("U-Boot has not {bytes} bytes: {}", said.trim());
        }
        step.done("arrived");
        Ok(())
    }

    /// Comes to U-Boot's prompt.
    pub(crate) fn prompt(&mut self) -> Result<()> {
        prompt(&mut self.0, SWITCH_ON)
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) -> Result<()> {
        type_line(&mut self.0, line)
    }
}

impl Read for Port {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        self.0.read(block)
    }
}

fn type_line(port: &mut impl Write, line: &str) -> Result<()> {
    port.write_all(format!("{line}\r").as_bytes())?;
    Ok(port.flush()?)
}

/// Presses a key until U-Boot's prompt is there, and nothing more comes.
fn prompt(port: &mut (impl Read + Write), patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    type_line(port, "")?;
    while !hear(port, PROMPT, PRESS)?.1 {
        if Instant::now() >= deadline {
            bail!("no U-Boot answers: is the board on, and is this its console?");
        }
        type_line(port, "")?;
    }
    // The prompts for the keys that came too early.
    while hear(port, PROMPT, PRESS)?.1 {}
    Ok(())
}

/// Reads until `end` comes; returns all that came.
fn wait_for(port: &mut impl Read, end: &[u8]) -> Result<Vec<u8>> {
    let (said, has_come) = hear(port, end, PATIENCE)?;
    if !has_come {
        bail!(
            "nothing like {:?} came within {} s, but {:?}",
            String::from_utf8_lossy(end),
            PATIENCE.as_secs(),
            String::from_utf8_lossy(&said)
        );
    }
    Ok(said)
}

/// Reads until `end` comes, or no longer; returns all that came, and whether `end` did.
fn hear(port: &mut impl Read, end: &[u8], patience: Duration) -> Result<(Vec<u8>, bool)> {
    let deadline = Instant::now() + patience;
    let mut said = Vec::new();
    let mut block = [0; 256];
    loop {
        if said.windows(end.len()).any(|it| it == end) {
            return Ok((said, true));
        }
        if Instant::now() >= deadline {
            return Ok((said, false));
        }
        match port.read(&mut block) {
            Ok(count) => said.extend(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error).context(GONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says a piece for each key, and nothing unasked.
    struct Board {
        pieces: Vec<&'static [u8]>,
        keys: usize,
    }

    impl Board {
        fn saying(pieces: &[&'static [u8]]) -> Self {
            Self {
                pieces: pieces.to_vec(),
                keys: 0,
            }
        }
    }

    impl Read for Board {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            if self.pieces.is_empty() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let piece = self.pieces.remove(0);
            block[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    impl Write for Board {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.keys += bytes.iter().filter(|it| **it == b'\r').count();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_prompt_is_found_across_pieces() {
        let mut board = Board::saying(&[b"\r\nZynqMP", b">", b" "]);
        assert_eq!(wait_for(&mut board, PROMPT).unwrap(), b"\r\nZynqMP> ");
    }

    #[test]
    fn keys_are_pressed_until_there_is_a_prompt() {
        let mut board = Board::saying(&[b"=> ", b"=> ", b"=> "]);
        prompt(&mut board, PATIENCE).unwrap();
        assert_eq!((board.keys, board.pieces.len()), (1, 0));
        let error = prompt(&mut Board::saying(&[]), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("is the board on"), "{error}");
    }

    #[test]
    fn a_port_that_goes_away_is_told() {
        struct Gone;
        impl Read for Gone {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let error = wait_for(&mut Gone, PROMPT).unwrap_err();
        assert!(error.to_string().contains("cable"), "{error}");
    }
}
