//! `cargo xtask linux`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::debian::{self, Debian, Parts};
use crate::{artifacts, tools, workspace};

/// Brings Debian's arm64 kernel and programs, and makes what a KVM host and its tenants boot with.
///
/// All of it is in target/; nothing of the system changes, and root is not needed. What was
/// downloaded once is used again, without a network.
#[derive(clap::Args)]
pub(crate) struct Linux {
    /// Ask Debian's archive for newer versions.
    #[arg(long)]
    refresh: bool,
    /// The program of Unimux for Linux [default: the one of this repository].
    #[arg(long, value_name = "FILE")]
    tool: Option<PathBuf>,
    /// The file that the tenants move.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
}

impl Linux {
    pub(crate) fn run(self) -> Result<ExitCode> {
        tools::ensure(artifacts::LINUX_TARGET, &[])?;
        let debian = Debian::bring(self.refresh)?;
        let tool = match self.tool {
            Some(tool) => tool,
            None => artifacts::linux_tool()?,
        };
        let parts = Parts {
            tool: Some(tool),
            payload: self.payload,
        };
        let kernel = debian.kernel();
        println!("kernel {}", workspace::short(&kernel));
        for (name, initrd) in [
            ("host", debian::of_host(&debian, &parts)?),
            ("guest", debian::of_guest(&debian, &parts)?),
        ] {
            println!("{name:6} {}", workspace::short(&initrd));
        }
        Ok(ExitCode::SUCCESS)
    }
}
