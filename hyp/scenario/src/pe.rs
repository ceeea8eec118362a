//! How long the file of a kernel must be, from the PE/COFF header that Linux has for EFI.
//!
//! An arm64 `Image` says how much memory it takes, not how long its file is: one that was cut off
//! would start. Source: Microsoft's PE Format, sections "COFF File Header" and "Section Table".

const SIGNATURE: [u8; 4] = *b"PE\0\0";
/// Bytes of signature and COFF header, and of an entry of the section table.
const HEADER: usize = 24;
const SECTION: usize = 40;

/// Bytes that the file must have at least, if a PE header at `offset` says so. A header that is not
/// all there says nothing.
pub(crate) fn file_bytes(file: &[u8], offset: u32) -> Option<u64> {
    let header = file.get(offset as usize..)?;
    let half = |at: usize| Some(u16::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?));
    if !header.starts_with(&SIGNATURE) {
        return None;
    }
    let (sections, optional_header) = (half(6)?, half(20)?);
    let mut needed = 0;
    for section in 0..usize::from(sections) {
        let at = HEADER + usize::from(optional_header) + section * SECTION;
        let (len, start) = (word(at + 16)?, word(at + 20)?);
        needed = needed.max(u64::from(start) + u64::from(len));
    }
    Some(needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A file with a PE header at 64 and sections of (length, start).
    fn file(sections: &[(u32, u32)]) -> Vec<u8> {
        let mut file = alloc::vec![0; 64];
        file.extend(SIGNATURE);
        file.extend([0x64, 0xaa, sections.len() as u8, 0]);
        file.extend([0; 12]);
        file.extend([8, 0, 0, 0]);
        file.extend([0; 8]);
        for (len, start) in sections {
            file.extend([0; 16]);
            file.extend(len.to_le_bytes());
            file.extend(start.to_le_bytes());
            file.extend([0; 16]);
        }
        file
    }

    #[test]
    fn the_last_section_says_how_long_the_file_is() {
        let file = file(&[(0x100, 0x1000), (0x20, 0x4000), (u32::MAX, 0)]);
        assert_eq!(file_bytes(&file, 64), Some(u64::from(u32::MAX)));
        let whole = self::file(&[(0x100, 0x1000), (0x20, 0x4000)]);
        assert_eq!(file_bytes(&whole, 64), Some(0x4020));
    }

    #[test]
    fn what_is_no_whole_header_says_nothing() {
        let whole = file(&[(1, 2)]);
        for len in 0..whole.len() - 16 {
            assert_eq!(file_bytes(&whole[..len], 64), None, "{len}");
        }
        assert_eq!(file_bytes(&whole, 0), None);
        assert_eq!(file_bytes(&whole, u32::MAX), None);
    }
}
