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
/// How `loady` says that it waits (U-Boot, cmd/load.c).
const ASKS: &[u8] = b"bps...";
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
        let step = Step::begin(format!(
            "Sending {bytes} bytes over {} (`sb` shows how far it is)",
            path.display()
        ));
        type_line(&mut self.0, "")?;
        wait_for(&mut self.0, PROMPT, PATIENCE).context(
            "U-Boot does not answer: switch the board on, and press a key while it counts down",
        )?;
        type_line(&mut self.0, &format!("loady {at:#x}"))?;
        wait_for(&mut self.0, ASKS, PATIENCE)
            .context("U-Boot does not ask for the file: has it `loady`?")?;
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
        let said = wait_for(&mut self.0, PROMPT, PATIENCE)?;
        let said = String::from_utf8_lossy(&said);
        if !said.contains(&format!("= {bytes} Bytes")) {
            bail!("U-Boot has not {bytes} bytes: {}", said.trim());
        }
        step.done("arrived");
        Ok(())
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

/// Reads until `end` comes; returns all that came.
fn wait_for(port: &mut impl Read, end: &[u8], patience: Duration) -> Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let mut said = Vec::new();
    let mut block = [0; 256];
    while !said.windows(end.len()).any(|it| it == end) {
        if Instant::now() >= deadline {
            let said = String::from_utf8_lossy(&said).into_owned();
            bail!(
                "nothing like {:?} came within {} s, but {said:?}",
                String::from_utf8_lossy(end),
                patience.as_secs()
            );
        }
        match port.read(&mut block) {
            Ok(count) => said.extend(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error).context("the port is gone: is the cable still in?"),
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says a piece each time it is asked, then nothing more.
    struct Board(Vec<&'static [u8]>);

    impl Read for Board {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let piece = self.0.remove(0);
            block[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn a_prompt_is_found_across_pieces() {
        let mut board = Board(vec![b"\r\nZynqMP", b">", b" "]);
        let said = wait_for(&mut board, PROMPT, Duration::from_secs(5)).unwrap();
        assert_eq!(said, b"\r\nZynqMP> ");
    }

    #[test]
    fn a_silent_board_is_told_with_what_it_said() {
        let mut board = Board(vec![b"login: "]);
        let error = wait_for(&mut board, PROMPT, Duration::from_millis(10)).unwrap_err();
        assert!(error.to_string().contains("login: "), "{error}");
    }
}
