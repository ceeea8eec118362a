//! Writing a disk and reading it back, with what to do if it goes away meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{Advice, OFlags};

use crate::terminal::Step;

/// What is written or read at once.
const BLOCK: usize = 1 << 20;

/// Writes all of `image` to the disk at `path` and compares what is there then.
pub(crate) fn disk(image: &mut File, path: &Path) -> Result<()> {
    let name = path.display().to_string();
    let bytes = image.metadata()?.len();
    // The kernel refuses to open a block device so while it is mounted or part of something.
    let mut disk = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::EXCL.bits().cast_signed())
        .open(path)
        .with_context(|| {
            format!("{name} cannot be opened for writing: as root? and is nothing of it mounted?")
        })?;
    let step = Step::measured(format!("Writing {name}"), bytes);
    image.rewind()?;
    copy(image, &mut disk, |count| step.advance(count))
        .and_then(|()| Ok(disk.sync_all()?))
        .with_context(|| half_written(&name))?;
    step.done("written");

    let step = Step::measured(format!("Reading {name} back"), bytes);
    // Otherwise the kernel would show what it remembers.
    rustix::fs::fadvise(&disk, 0, None, Advice::DontNeed)?;
    image.rewind()?;
    disk.rewind()?;
    compare(image, &mut disk, |count| step.advance(count)).with_context(|| half_written(&name))?;
    step.done("it is what was written");
    Ok(())
}

fn half_written(name: &str) -> String {
    format!(
        "{name} was not written whole, and does not boot: put the card in again and repeat the \
         command; if it fails again, `dmesg` says why, and another card or reader may not"
    )
}

fn copy(from: &mut impl Read, to: &mut impl Write, mut each: impl FnMut(u64)) -> Result<()> {
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        let count = fill(from, &mut block)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&block[..count])
            .with_context(|| format!("writing at byte {at}"))?;
        at += count as u64;
        each(count as u64);
    }
}

/// Refuses a `found` that differs from `expected` within its length.
fn compare(
    expected: &mut impl Read,
    found: &mut impl Read,
    mut each: impl FnMut(u64),
) -> Result<()> {
    let mut blocks = [vec![0; BLOCK], vec![0; BLOCK]];
    let mut at = 0;
    loop {
        let [expects, finds] = &mut blocks;
        let count = fill(expected, expects)?;
        if count == 0 {
            return Ok(());
        }
        let (expects, finds) = (&expects[..count], &mut finds[..count]);
        found
            .read_exact(finds)
            .with_context(|| format!("reading at byte {at}"))?;
        if let Some(offset) = expects.iter().zip(&*finds).position(|(a, b)| a != b) {
            bail!("byte {} is not what was written", at + offset as u64);
        }
        at += count as u64;
        each(count as u64);
    }
}

/// Reads until the block is full or nothing is left.
fn fill(from: &mut impl Read, block: &mut [u8]) -> std::io::Result<usize> {
    let mut count = 0;
    while count < block.len() {
        match from.read(&mut block[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Goes away after some bytes, as a card that is pulled.
    struct Pulled(usize);

    impl Write for Pulled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            // Linux answers EIO, or ENXIO, for a disk that is gone.
            if count == 0 {
                Err(io::Error::from_raw_os_error(5))
            } else {
                Ok(count)
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn image(len: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..len).map(|it| (it % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn what_is_there_then_is_what_was_written() {
        let target = tempfile::NamedTempFile::new().unwrap();
        let mut image = image(3 * BLOCK + 5);
        disk(&mut image, target.path()).unwrap();
        let mut written = Vec::new();
        target.as_file().read_to_end(&mut written).unwrap();
        image.rewind().unwrap();
        compare(&mut image, &mut &written[..], |_| ()).unwrap();
    }

    #[test]
    fn a_disk_that_goes_away_is_told_with_its_place() {
        let mut image = image(3 * BLOCK);
        image.rewind().unwrap();
        let error = copy(&mut image, &mut Pulled(BLOCK + 7), |_| ()).unwrap_err();
        assert!(
            format!("{error:#}").contains("at byte 1048576"),
            "{error:#}"
        );
        assert!(half_written("/dev/sdb").contains("repeat"));
    }

    #[test]
    fn a_disk_that_forgets_is_told_with_its_place() {
        let compared = |found: &[u8]| {
            let mut expected: &[u8] = b"0123456789";
            compare(&mut expected, &mut &*found, |_| ()).map_err(|it| format!("{it:#}"))
        };
        assert_eq!(compared(b"0123456789 and more"), Ok(()));
        assert!(compared(b"01234x6789").unwrap_err().contains("byte 5"));
        assert!(compared(b"0123").unwrap_err().contains("reading at byte 0"));
    }

    #[test]
    fn a_full_disk_is_told() {
        let error = disk(&mut image(10), Path::new("/dev/full")).unwrap_err();
        assert!(
            format!("{error:#}").contains("not written whole"),
            "{error:#}"
        );
    }
}
