//! Every QEMU of xtask: one time limit, one exit path, no orphan.
//!
//! A [`Qemu`] that is dropped is killed. If xtask itself dies, by Ctrl-C or otherwise, the kernel
//! kills QEMU: it is started through `setpriv --pdeathsig` (util-linux), which needs no unsafe code
//! here and holds even for `kill -9` of xtask.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The image ended it, with this code.
    Exit(i32),
    /// The time limit did.
    TimedOut(Duration),
    /// The caller did.
    Stopped,
    /// Something else did: a signal.
    Killed(String),
}

/// How long QEMU may take to be gone once it has closed its output.
const EXIT_PATIENCE: Duration = Duration::from_secs(5);

/// How long nobody is asked whether to go on.
const IDLE: Duration = Duration::from_millis(100);

/// A path as the value of an option of QEMU's: a comma separates options; two are one in a value.
pub(crate) fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A command line that starts QEMU so that it cannot outlive this process.
pub(crate) fn command(binary: &str, arguments: &[String]) -> Command {
    let mut command = match which::which("setpriv") {
        Ok(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--", binary]);
            command
        }
        Err(_) => Command::new(binary),
    };
    command.args(arguments);
    command
}

/// A QEMU that runs.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command until it ends, `limit` is over, or `each`, which is given its output as it comes,
/// breaks off. While there is no output it is called all the same, now and then, with none. The command's
/// standard input is what comes out of `input`. Returns how it ended and what it said on
/// standard error.
pub(crate) fn run(
    mut command: Command,
    input: Option<Receiver<Vec<u8>>>,
    limit: Option<Duration>,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(End, String)> {
    let stdin = match input {
        Some(_) => Stdio::piped(),
        None => Stdio::null(),
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let mut qemu = Qemu(command.spawn().with_context(|| {
        format!("{program} cannot be started; `cargo xtask doctor` says what is missing")
    })?);
    let (Some(mut stdout), Some(mut stderr)) = (qemu.0.stdout.take(), qemu.0.stderr.take()) else {
        bail!("{program} has no output");
    };
    if let (Some(mut stdin), Some(input)) = (qemu.0.stdin.take(), input) {
        // Apart: it waits for a program that does not read.
        thread::spawn(move || {
            input
                .into_iter()
                .try_for_each(|bytes| stdin.write_all(&bytes))
        });
    }
    let errors = thread::spawn(move || {
        let mut said = Vec::new();
        // What was read until an error is all there is to say.
        let _ = stderr.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let deadline = limit.map(|limit| Instant::now() + limit);
    let end = loop {
        let left = deadline.map_or(IDLE, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        match receive.recv_timeout(left.min(IDLE)) {
            Ok(bytes) => {
                if each(&bytes).is_break() {
                    break End::Stopped;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break ended(&mut qemu.0)?,
            Err(RecvTimeoutError::Timeout) => {
                if each(&[]).is_break() {
                    break End::Stopped;
                }
            }
        }
        if let (Some(limit), Some(deadline)) = (limit, deadline)
            && Instant::now() >= deadline
        {
            break End::TimedOut(limit);
        }
    };
    drop(qemu);
    let said = errors.join().unwrap_or_default();
    Ok((end, said))
}

fn ended(child: &mut Child) -> Result<End> {
    let since = Instant::now();
    while since.elapsed() < EXIT_PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(end_of(status));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(End::TimedOut(EXIT_PATIENCE))
}

fn end_of(status: ExitStatus) -> End {
    match status.code() {
        Some(code) => End::Exit(code),
        None => End::Killed(status.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        command("sh", &["-c".to_owned(), script.to_owned()])
    }

    fn run_shell(script: &str, limit: Duration) -> (End, String, String) {
        let mut output = Vec::new();
        let (end, errors) = run(shell(script), None, Some(limit), |bytes| {
            output.extend_from_slice(bytes);
            ControlFlow::Continue(())
        })
        .unwrap();
        (end, String::from_utf8(output).unwrap(), errors)
    }

    #[test]
    fn output_errors_and_exit_code_are_returned() {
        let (end, output, errors) =
            run_shell("echo out; echo err >&2; exit 7", Duration::from_secs(20));
        assert_eq!(
            (end, output.as_str(), errors.as_str()),
            (End::Exit(7), "out\n", "err\n")
        );
    }

    #[test]
    fn a_program_is_given_its_input() {
        let (send, input) = mpsc::channel();
        for part in ["one ", "two\n"] {
            send.send(part.into()).unwrap();
        }
        let mut output = Vec::new();
        let limit = Some(Duration::from_secs(20));
        let read = shell("read line; echo \"$line\"");
        let (end, _) = run(read, Some(input), limit, |bytes| {
            output.extend_from_slice(bytes);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!((end, output.as_slice()), (End::Exit(0), &b"one two\n"[..]));
    }

    #[test]
    fn a_silent_program_is_stopped_at_its_limit() {
        let since = Instant::now();
        let limit = Duration::from_millis(200);
        let (end, ..) = run_shell("exec sleep 60", limit);
        assert_eq!(end, End::TimedOut(limit));
        assert!(since.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_that_never_stops_talking_is_stopped_too() {
        let limit = Duration::from_millis(200);
        let (end, _) = run(shell("exec yes"), None, Some(limit), |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(end, End::TimedOut(limit));
    }

    #[test]
    fn the_caller_can_break_off() {
        let limit = Some(Duration::from_secs(20));
        let talk = shell("echo enough; exec sleep 60");
        let (end, _) = run(talk, None, limit, |_| ControlFlow::Break(())).unwrap();
        assert_eq!(end, End::Stopped);
    }

    #[test]
    fn a_signal_is_told() {
        let (end, ..) = run_shell("kill -9 $$", Duration::from_secs(20));
        assert!(matches!(end, End::Killed(_)), "{end:?}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_says_what_to_do() {
        let error = run(Command::new("/no/such/program"), None, None, |_| {
            ControlFlow::Continue(())
        })
        .unwrap_err();
        assert!(format!("{error:#}").contains("doctor"), "{error:#}");
    }
}
