//! The strings of EL2's log, as the decoder wants to find them.
//!
//! A string is the name of a symbol in section `.defmt`, and the log has the low 16 bits of its address. The
//! decoder takes the whole address, as it knows of images only in which the section begins at 0. In ours it
//! lies beside the code (`linker/sections.ld`), so here the upper bits are taken off.

use anyhow::{Context, Result};
use defmt_decoder::Table;
use object::elf::{FileHeader64, SHT_SYMTAB, SectionHeader64, Sym64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, LittleEndian as LE, pod};

const SECTION: &[u8] = b".defmt";

/// The table of strings in an ELF file; `None` if it has no log.
pub(crate) fn table(mut elf: Vec<u8>) -> Result<Option<Table>> {
    shorten(&mut elf).context("the ELF file cannot be read")?;
    Table::parse(&elf).context("the strings of EL2's log cannot be read from its ELF file")
}

/// Takes the upper bits off the addresses of the section's symbols.
fn shorten(elf: &mut [u8]) -> Result<()> {
    let header = FileHeader64::<Endianness>::parse(&*elf)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, &*elf)?;
    let named = |it: &SectionHeader64<_>| sections.section_name(endian, it) == Ok(SECTION);
    let Some(section) = sections.iter().position(named) else {
        return Ok(());
    };
    let tables = sections
        .iter()
        .filter(|it| it.sh_type(endian) == SHT_SYMTAB);
    let places: Vec<_> = tables.filter_map(|it| it.file_range(endian)).collect();
    for (offset, len_bytes) in places {
        let [from, to] = [offset, offset + len_bytes].map(usize::try_from);
        let symbols = elf
            .get_mut(from?..to?)
            .context("a table of symbols outside of it")?;
        let count = symbols.len() / size_of::<Sym64<LE>>();
        let (symbols, _) = pod::slice_from_bytes_mut::<Sym64<LE>>(symbols, count)
            .map_err(|()| anyhow::anyhow!("a table of symbols that is not aligned"))?;
        for symbol in symbols {
            if usize::from(symbol.st_shndx.get(LE).0) == section {
                let low = symbol.st_value.get(LE) & 0xffff;
                symbol.st_value.set(LE, low);
            }
        }
    }
    Ok(())
}
