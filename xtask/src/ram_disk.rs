//! Whether a file can be a Linux kernel's initial RAM disk, as far as can be told without unpacking it.
//!
//! A kernel that finds half a file system starts all the same, and fails later for a reason that
//! nobody understands. So a file that was cut off is refused, where its format says how long it is:
//! archives (`newc`) have a last entry, Zstandard has a last block, xz a footer. gzip, bzip2, LZMA, LZO
//! and LZ4 are known by their first bytes alone.
//!
//! Formats: Linux, Documentation/driver-api/early-userspace/buffer-format.rst (several archives,
//! one after the other, with zeros between them) and lib/decompress.c; RFC 8878, 3.1.1; the .xz
//! file format, 2.1.2.

use anyhow::{Context, Result, bail, ensure};

/// What a compressed file begins with, where no more can be told.
const COMPRESSED: [&[u8]; 6] = [
    b"\x1f\x8b", // gzip
    b"\x1f\x9e",
    b"BZh",
    b"\x5d\x00\x00",     // LZMA
    b"\x89LZO",          // LZO
    b"\x02\x21\x4c\x18", // LZ4, as `lz4 -l` makes it
];
const ARCHIVES: [&[u8]; 2] = [b"070701", b"070702"];
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const XZ: &[u8] = b"\xfd7zXZ\0";
const XZ_END: &[u8] = b"YZ";

/// Bytes of an archive's header, before the name.
const HEADER_BYTES: usize = 110;
/// The name of an archive's last entry.
const LAST: &[u8] = b"TRAILER!!!\0";

/// What is said of a file that ends too early.
const CUT_OFF: &str = "the file was cut off";

/// Refuses `bytes` if a kernel could not unpack them.
pub(crate) fn check(bytes: &[u8]) -> Result<()> {
    let mut rest = after_zeros(bytes);
    ensure!(!rest.is_empty(), "there is nothing in it");
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        rest = if is_archive(rest) {
            archive(rest).with_context(|| format!("the archive at byte {at}"))?
        } else if rest.starts_with(ZSTD) {
            zstd(rest).with_context(|| format!("Zstandard at byte {at}"))?
        } else if rest.starts_with(XZ) {
            let padding = rest.iter().rev().take_while(|byte| **byte == 0).count();
            let has_end = rest[..rest.len() - padding].ends_with(XZ_END);
            ensure!(has_end, "xz at byte {at}: {CUT_OFF}");
            &[]
        } else if COMPRESSED.iter().any(|it| rest.starts_with(it)) {
            &[]
        } else {
            bail!("at byte {at} there is neither an archive (newc) nor a compressed one");
        };
        rest = after_zeros(rest);
    }
    Ok(())
}

fn after_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

fn is_archive(bytes: &[u8]) -> bool {
    ARCHIVES.iter().any(|it| bytes.starts_with(it))
}

/// What follows the archive that `bytes` begin with.
fn archive(bytes: &[u8]) -> Result<&[u8]> {
    let mut at = 0;
    loop {
        let entry = bytes.get(at..).context(CUT_OFF)?;
        let header = entry.get(..HEADER_BYTES).context(CUT_OFF)?;
        // Fields of eight digits: the seventh is the content's length, the twelfth the name's.
        let field = |index: usize| {
            let digits = std::str::from_utf8(&header[6 + 8 * index..][..8]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let lengths = field(6).zip(field(11)).filter(|_| is_archive(header));
        let (content_len, name_len) =
            lengths.with_context(|| format!("its entry at byte {at} makes no sense"))?;
        let name_end = HEADER_BYTES + name_len;
        let name = entry.get(HEADER_BYTES..name_end).context(CUT_OFF)?;
        if name == LAST {
            return Ok(&entry[name_end..]);
        }
        at += (name_end.next_multiple_of(4) + content_len).next_multiple_of(4);
    }
}

/// What follows the frame of Zstandard that `bytes` begin with.
fn zstd(bytes: &[u8]) -> Result<&[u8]> {
    let descriptor = *bytes.get(4).context(CUT_OFF)?;
    let is_single = descriptor & 0x20 != 0;
    let window_bytes = usize::from(!is_single);
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = match descriptor >> 6 {
        0 => usize::from(is_single),
        log2 => 1 << log2,
    };
    let checksum_bytes = usize::from(descriptor >> 2 & 1) * 4;
    let mut at = 5 + window_bytes + dictionary_bytes + size_bytes;
    loop {
        let head = bytes.get(at..).and_then(<[u8]>::first_chunk);
        let &[a, b, c] = head.context(CUT_OFF)?;
        let head = u32::from_le_bytes([a, b, c, 0]);
        at += 3 + match head >> 1 & 3 {
            // One byte, repeated.
            1 => 1,
            3 => bail!("its block at byte {at} makes no sense"),
            _ => (head >> 3) as usize,
        };
        if head & 1 != 0 {
            return bytes.get(at + checksum_bytes..).context(CUT_OFF);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::Cpio;

    fn archive_of(names: &[&str]) -> Vec<u8> {
        let mut cpio = Cpio::default();
        for name in names {
            cpio.file(name, 0o644, b"content");
        }
        cpio.finish()
    }

    fn refusal(bytes: &[u8]) -> String {
        format!("{:#}", check(bytes).expect_err("it is refused"))
    }

    #[test]
    fn archives_may_follow_each_other() {
        let mut both = archive_of(&["a", "b/c"]);
        both.extend(archive_of(&["d"]));
        check(&both).expect("it is whole");
        both.truncate(both.trim_ascii_end().len());
        check(&both).expect("it is whole without its padding");
    }

    #[test]
    fn an_archive_that_was_cut_off_is_refused_wherever_that_was() {
        let whole = archive_of(&["a", "b/c"]);
        let used = whole.len() - whole.iter().rev().take_while(|byte| **byte == 0).count();
        for len in 1..used {
            let said = refusal(&whole[..len]);
            let known = said.contains("cut off") || len < 6 && said.contains("neither");
            assert!(known, "cut at {len}: {said}");
        }
    }

    #[test]
    fn a_frame_of_zstandard_ends_with_its_last_block_and_checksum() {
        // With a checksum and a window; a raw block of three bytes, then a last one of a byte repeated.
        let mut frame = [
            ZSTD,
            &[0x04, 0x00, 0x18, 0, 0],
            b"abc",
            &[0x13, 0, 0],
            b"x",
            b"sum!",
        ]
        .concat();
        check(&frame).expect("it is whole");
        for len in 4..frame.len() {
            assert!(refusal(&frame[..len]).contains("cut off"), "cut at {len}");
        }
        frame.extend(archive_of(&["a"]));
        check(&frame).expect("an archive may follow");
        frame[6] = 0x1e;
        assert!(refusal(&frame).contains("makes no sense"));
    }

    #[test]
    fn other_formats_are_known_as_far_as_they_say() {
        let xz = [XZ, b"blocks", XZ_END, &[0; 4]].concat();
        check(&xz).expect("it is whole");
        assert!(refusal(&xz[..10]).contains("cut off"));
        check(b"\x1f\x8b\x08 whatever").expect("gzip");
        for wrong in [&b"#!/bin/sh"[..], &[0; 512], b""] {
            assert!(check(wrong).is_err());
        }
        let mut nonsense = archive_of(&["a"]);
        nonsense[60] = b'x';
        assert!(refusal(&nonsense).contains("makes no sense"));
        assert!(refusal(b"\x7fELF").contains("byte 0"));
    }
}
