//! How `unimux vm` asks the agent: one line of JSON each way over a Unix socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use unimux_driver::RateLimits;

use super::store::Vm;

/// How long a client waits for an agent that is being started.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long either waits for the other's line.
pub(super) const LINE_TIMEOUT: Duration = Duration::from_secs(60);

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Create {
        name: String,
        memory_bytes: u64,
        partition: u16,
        weight: u16,
    },
    List,
    Reset {
        name: String,
    },
    Limit {
        name: String,
        weight: u16,
        bytes_per_second: u64,
        requests_per_second: u64,
    },
    Destroy {
        name: String,
        force: bool,
    },
}

/// A virtual machine with all that is known of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) vm: Vm,
    pub(super) state: String,
    pub(super) qemu: Option<u32>,
    pub(super) ram: PathBuf,
    pub(super) doorbell: PathBuf,
    pub(super) wake: PathBuf,
    pub(super) window_bytes: u64,
    pub(super) objects_in_use: u32,
    pub(super) attaches: u32,
    pub(super) bytes_per_second: u64,
    pub(super) requests_per_second: u64,
    pub(super) counters: Vec<u64>,
}

/// What `Limit` means to the firmware.
pub(super) const fn limits(bytes_per_second: u64, requests_per_second: u64) -> RateLimits {
    RateLimits {
        bytes_per_second,
        requests_per_second,
    }
}

/// Where the agent listens.
pub(super) fn socket(run: &Path) -> PathBuf {
    run.join("agent.sock")
}

/// Asks the agent in `run`.
pub(super) fn ask<T: DeserializeOwned>(run: &Path, request: &Request) -> Result<T> {
    let path = socket(run);
    let began = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "no agent at {}: start one with `unimux agent &` as root",
                        path.display()
                    )
                });
            }
        }
    };
    stream.set_read_timeout(Some(LINE_TIMEOUT))?;
    writeln!(stream, "{}", serde_json::to_string(request)?)?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .context("the agent does not answer")?;
    let reply: Result<T, String> = serde_json::from_str(&line).context("the agent broke off")?;
    reply.map_err(|text| anyhow!(text))
}
