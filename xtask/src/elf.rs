//! An ELF file as a raw arm64 `Image`, and the sizes of its sections.

use anyhow::{Context, Result, bail};
use object::elf::{self, PT_LOAD, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use object::read::elf::{ElfFile64, ProgramHeader, SectionHeader};
use object::{Endianness, Object, ObjectSection};

/// A file larger than this has a segment somewhere else by mistake.
const RAW_MAX: u64 = 256 << 20;

/// The bytes that lie in memory from the first loaded byte to the last, gaps as zeros.
pub(crate) fn flatten(elf: &[u8]) -> Result<Vec<u8>> {
    let file = ElfFile64::<Endianness>::parse(elf).context("not an ELF file of 64 bits")?;
    let endian = file.endian();
    let segments: Vec<_> = file
        .elf_program_headers()
        .iter()
        .filter(|it| it.p_type(endian) == PT_LOAD && it.p_filesz(endian) > 0)
        .collect();
    let Some(base) = segments.iter().map(|it| it.p_paddr(endian)).min() else {
        bail!("the ELF file has nothing to load");
    };
    let mut raw = Vec::new();
    for segment in segments {
        let from = segment.p_paddr(endian) - base;
        let bytes = segment
            .data(endian, elf)
            .map_err(|()| anyhow::anyhow!("a segment of the ELF file lies outside of it"))?;
        let to = from + bytes.len() as u64;
        if to > RAW_MAX {
            bail!("the ELF file spreads over {to:#x} bytes: its linker script has a gap");
        }
        let [from, to] = [from as usize, to as usize];
        if raw.len() < to {
            raw.resize(to, 0);
        }
        raw[from..to].copy_from_slice(bytes);
    }
    Ok(raw)
}

/// A section that takes memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// Name.
    pub(crate) name: String,
    /// Bytes in memory.
    pub(crate) bytes: u64,
    /// What it is for the budget.
    pub(crate) kind: Kind,
}

/// What counts where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Instructions.
    Text,
    /// Constants.
    Rodata,
    /// Initialised variables.
    Data,
    /// In memory, but not in the image.
    Zero,
}

/// The sections of an ELF file that take memory.
pub(crate) fn sections(elf: &[u8]) -> Result<Vec<Section>> {
    let file = ElfFile64::<Endianness>::parse(elf).context("not an ELF file of 64 bits")?;
    let endian = file.endian();
    let mut sections = Vec::new();
    for section in file.sections() {
        let header = section.elf_section_header();
        let flags = header.sh_flags(endian);
        let flag = |flag: elf::SectionFlags| flags & flag == flag;
        if !flag(SHF_ALLOC) || section.size() == 0 {
            continue;
        }
        let kind = if header.sh_type(endian) == elf::SHT_NOBITS {
            Kind::Zero
        } else if flag(SHF_EXECINSTR) {
            Kind::Text
        } else if flag(SHF_WRITE) {
            Kind::Data
        } else {
            Kind::Rodata
        };
        let name = section.name().unwrap_or("?").to_owned();
        sections.push(Section {
            name,
            bytes: section.size(),
            kind,
        });
    }
    Ok(sections)
}

/// Bytes of all sections of these kinds.
pub(crate) fn sum(sections: &[Section], kinds: &[Kind]) -> u64 {
    sections
        .iter()
        .filter(|it| kinds.contains(&it.kind))
        .map(|it| it.bytes)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test program itself is an ELF file of 64 bits.
    fn this_program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn sections_and_raw_bytes_agree() {
        let elf = this_program();
        let sections = sections(&elf).unwrap();
        let text = sections.iter().find(|it| it.name == ".text").unwrap();
        assert_eq!(text.kind, Kind::Text);
        assert_eq!(
            sections.iter().find(|it| it.name == ".bss").unwrap().kind,
            Kind::Zero
        );
        let loaded = sum(&sections, &[Kind::Text, Kind::Rodata, Kind::Data]);
        assert!(flatten(&elf).unwrap().len() as u64 >= loaded - 0x1_0000);
    }

    #[test]
    fn what_is_no_elf_is_an_error() {
        assert!(flatten(b"MZ").is_err() && sections(&[]).is_err());
    }
}
