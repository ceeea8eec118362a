//! The agent's end of a machine's wake port: a UNIX socket at which QEMU listens.
//!
//! Nothing here waits. The tenant may not read, or write without end; QEMU may be gone, or
//! somebody else at the socket: it costs the agent a system call or two.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

/// Bytes of a tenant that are thrown away at once.
const PIECE_BYTES: usize = 4096;

/// Where QEMU listens for the agent of `run`, for the machine `name`.
pub(super) fn path(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{name}.wake"))
}

/// The peer has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// A connection to a machine's wake port.
#[derive(Debug)]
pub(super) struct WakeLine {
    socket: OwnedFd,
}

impl WakeLine {
    /// Connects, if somebody listens at `path` now.
    pub(super) fn connect(path: &Path) -> Option<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
        Some(Self { socket })
    }

    /// Wakes the tenant. If there is no room, it has not read yet what woke it before.
    pub(super) fn wake(&self) -> Result<(), Gone> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(&self.socket, &[0], flags) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    /// Whether the tenant asks to be looked after. What it wrote is thrown away, a piece at a time:
    /// it may write without end.
    pub(super) fn is_asked(&self) -> Result<bool, Gone> {
        let mut piece = [0; PIECE_BYTES];
        match recv(&self.socket, &mut piece, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(Gone),
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(_) => Err(Gone),
        }
    }
}

impl AsFd for WakeLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    /// A line, and QEMU's end of it.
    fn line() -> (WakeLine, UnixStream) {
        let run = tempfile::tempdir().expect("a directory");
        let path = path(run.path(), "web");
        let qemu = UnixListener::bind(&path).expect("a socket");
        let line = WakeLine::connect(&path).expect("somebody listens");
        (line, qemu.accept().expect("it is there").0)
    }

    #[test]
    fn who_is_not_there_is_not_waited_for() {
        let run = tempfile::tempdir().expect("a directory");
        let path = path(run.path(), "web");
        assert!(WakeLine::connect(&path).is_none(), "no such socket");
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(WakeLine::connect(&path).is_none(), "left by a dead QEMU");
        std::fs::remove_file(&path).expect("it is there");
        // A QEMU that accepts nobody: its backlog is full in the end.
        let _qemu = UnixListener::bind(&path).expect("a socket");
        let lines: Vec<_> = (0..5000).map_while(|_| WakeLine::connect(&path)).collect();
        assert!(lines.len() < 5000);
    }

    #[test]
    fn a_tenant_that_does_not_read_is_woken_all_the_same() {
        let (line, mut qemu) = line();
        for _ in 0..100_000 {
            assert_eq!(line.wake(), Ok(()));
        }
        let mut some = [0; 8];
        assert!(qemu.read(&mut some).expect("bytes") > 0);
    }

    #[test]
    fn a_tenant_that_writes_without_end_is_heard_once() {
        let (line, mut qemu) = line();
        assert_eq!(line.is_asked(), Ok(false));
        qemu.write_all(&[0; 2 * PIECE_BYTES]).expect("room");
        assert_eq!([line.is_asked(), line.is_asked()], [Ok(true); 2]);
        assert_eq!(line.is_asked(), Ok(false));
    }

    #[test]
    fn the_end_of_qemu_is_noticed() {
        let (line, qemu) = line();
        drop(qemu);
        assert_eq!(line.is_asked(), Err(Gone));
        assert_eq!(line.wake(), Err(Gone));
    }
}
