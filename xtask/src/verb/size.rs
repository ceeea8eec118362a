//! `cargo xtask size`.

use std::fs;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{build::DEFAULT_BOARD, setup};
use crate::artifacts::{self, Profile};
use crate::board::Board;
use crate::elf::{self, Kind, Section};
use crate::terminal::Step;

/// Most bytes of instructions in the EL2 image.
pub(crate) const TEXT_BUDGET: u64 = 128 << 10;
/// Most bytes of instructions, constants and variables in the EL2 image.
pub(crate) const IMAGE_BUDGET: u64 = 256 << 10;

/// Shows the sections of the EL2 image and what is left of its budget.
///
/// Exit code 1 if the budget is exceeded. Sections without bytes in the file (bss, stacks, heap) are
/// listed and do not count.
#[derive(clap::Args)]
pub(crate) struct Size {
    /// The board: a folder of bsp/.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Bytes of text, and of text, rodata and data.
pub(crate) fn totals(sections: &[Section]) -> [u64; 2] {
    let text = elf::sum(sections, &[Kind::Text]);
    [
        text,
        elf::sum(sections, &[Kind::Text, Kind::Rodata, Kind::Data]),
    ]
}

impl Size {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(&self.board)?;
        setup::ensure(&board)?;
        let step = Step::begin(format!("Building Unimux for {}", board.name));
        let unimux = artifacts::unimux(&board, Profile::Release)?;
        step.done("release");
        let sections = elf::sections(&fs::read(&unimux.elf)?)?;
        let [text, image] = totals(&sections);
        let fits = text <= TEXT_BUDGET && image <= IMAGE_BUDGET;
        if self.json {
            let list: Vec<_> = sections
                .iter()
                .map(|it| json!({ "section": it.name, "bytes": it.bytes, "kind": format!("{:?}", it.kind) }))
                .collect();
            let object = json!({
                "sections": list,
                "text_bytes": text, "text_budget": TEXT_BUDGET,
                "image_bytes": image, "image_budget": IMAGE_BUDGET,
                "ok": fits,
            });
            println!("{object:#}");
        } else {
            for section in &sections {
                println!(
                    "{:24} {:>10}  {:?}",
                    section.name, section.bytes, section.kind
                );
            }
            println!(
                "{:24} {text:>10}  of {TEXT_BUDGET} ({} %)",
                "text",
                text * 100 / TEXT_BUDGET
            );
            println!(
                "{:24} {image:>10}  of {IMAGE_BUDGET} ({} %)",
                "text + rodata + data",
                image * 100 / IMAGE_BUDGET
            );
        }
        Ok(if fits {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
