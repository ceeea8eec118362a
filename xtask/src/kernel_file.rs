//! Kernel files as distributions ship them: an arm64 `Image`, or one that is compressed by gzip.
//!
//! EL2 takes an `Image` only and has nothing that unpacks. Two wrappings are taken off here: `Image.gz`
//! (RFC 1952), and what Linux calls zboot, an EFI program that carries an `Image` and says where
//! (linux, drivers/firmware/efi/libstub/zboot-header.S). Every other file is left as it is.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::workspace;

const GZIP: &[u8] = b"\x1f\x8b";

/// Of a zboot program: at byte 4.
const ZBOOT: &[u8] = b"zimg";
/// Offset and length of what it carries, two words.
const ZBOOT_CARRIES: usize = 8;
/// Name of the compression, with zeros to the end of the header's field.
const ZBOOT_TYPE: std::ops::Range<usize> = 24..56;

/// A larger kernel is no kernel: a few bytes can unpack to anything.
const IMAGE_MAX: u64 = 512 << 20;

/// The file to load for the kernel at `path`: itself, or the `Image` in it, which is put into
/// `folder` under the name of its contents.
pub(crate) fn image(path: &Path, folder: &Path) -> Result<PathBuf> {
    // A file that is not there is refused by who loads it, for all kinds alike.
    let Ok(file) = fs::read(path) else {
        return Ok(path.to_owned());
    };
    let Some(gzip) = gzip(&file).with_context(|| workspace::short(path))? else {
        return Ok(path.to_owned());
    };
    let digest = Sha256::digest(gzip);
    let name: String = digest[..8].iter().map(|it| format!("{it:02x}")).collect();
    let unpacked = folder.join(format!("kernel-{name}"));
    if !unpacked.exists() {
        let image = unpack(gzip).with_context(|| workspace::short(path))?;
        // Under its name only when it is whole.
        let mut whole = tempfile::NamedTempFile::new_in(folder)?;
        whole.write_all(&image)?;
        whole.persist(&unpacked)?;
    }
    Ok(unpacked)
}

/// What of a file is a kernel compressed by gzip, if any is.
fn gzip(file: &[u8]) -> Result<Option<&[u8]>> {
    if file.starts_with(GZIP) {
        return Ok(Some(file));
    }
    if file.get(4..8) != Some(ZBOOT) {
        return Ok(None);
    }
    let word = |at: usize| {
        let bytes = file.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let compression = file.get(ZBOOT_TYPE).context("the file was cut off")?;
    let name = compression.split(|byte| *byte == 0).next().unwrap_or(&[]);
    if name != b"gzip" {
        let name = String::from_utf8_lossy(name);
        bail!("its Image is compressed by {name}; unpack it, or take one of gzip");
    }
    let carried = word(ZBOOT_CARRIES).zip(word(ZBOOT_CARRIES + 4));
    let carried = carried.and_then(|(at, len)| file.get(at..)?.get(..len));
    carried.map(Some).context("the file was cut off")
}

fn unpack(gzip: &[u8]) -> Result<Vec<u8>> {
    let mut image = Vec::new();
    let read = GzDecoder::new(gzip).take(IMAGE_MAX).read_to_end(&mut image);
    let len = read.context("it cannot be unpacked (gzip)")? as u64;
    ensure!(len < IMAGE_MAX, "it unpacks to more than a kernel can be");
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zboot(compression: &[u8], carried: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..8].copy_from_slice(b"MZ\0\0zimg");
        file[8..12].copy_from_slice(&64_u32.to_le_bytes());
        file[12..16].copy_from_slice(&u32::try_from(carried.len()).unwrap().to_le_bytes());
        file[24..24 + compression.len()].copy_from_slice(compression);
        [file, carried.to_vec(), b"signature".to_vec()].concat()
    }

    /// What is loaded for a file of these bytes, if it is not the file itself.
    fn loaded(file: &[u8]) -> Result<Option<Vec<u8>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vmlinuz");
        fs::write(&path, file).unwrap();
        let image = image(&path, folder.path())?;
        Ok((image != path).then(|| fs::read(image).unwrap()))
    }

    #[test]
    fn an_image_is_unpacked_and_other_files_are_left_alone() {
        let kernel = b"an Image, or so ".repeat(1000);
        let gzip = compressed(&kernel);
        assert_eq!(loaded(&gzip).unwrap().as_ref(), Some(&kernel));
        assert_eq!(loaded(&zboot(b"gzip", &gzip)).unwrap(), Some(kernel));
        for other in [&b"MZ, a stub and an Image"[..], b"", b"\x7fELF"] {
            assert_eq!(loaded(other).unwrap(), None);
        }
    }

    #[test]
    fn a_file_that_was_cut_off_or_changed_is_refused() {
        let gzip = compressed(&b"an Image, or so ".repeat(1000));
        for len in 3..gzip.len() {
            assert!(loaded(&gzip[..len]).is_err(), "cut at {len}");
        }
        let whole = zboot(b"gzip", &gzip);
        for len in 8..64 + gzip.len() {
            assert!(loaded(&whole[..len]).is_err(), "cut at {len}");
        }
        let mut changed = gzip;
        let sum = changed.len() - 8;
        changed[sum] ^= 1;
        assert!(loaded(&changed).is_err());
        let zstd = format!("{:#}", loaded(&zboot(b"zstd22", b"x")).unwrap_err());
        assert!(zstd.contains("zstd22"), "{zstd}");
    }
}
