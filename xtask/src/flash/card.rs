//! A disk as boot firmware wants it: an MBR and one FAT32 partition, as a file, without root.
//!
//! The boot ROM of Zynq UltraScale+ looks for BOOT.BIN on the first FAT partition of an MBR (UG1085,
//! SD boot mode); U-Boot's distribution boot looks for its script there too.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use anyhow::{Context, Result, bail};
use fatfs::{
    Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};
use fscommon::StreamSlice;
use mbrman::{BOOT_ACTIVE, CHS, MBR, MBRPartitionEntry};

const SECTOR: u64 = 512;
/// FAT32 with 32-bit sector numbers.
const FAT32_LBA: u8 = 0x0c;
/// Where partitions begin since disks have larger blocks than sectors.
pub(crate) const PARTITION_AT: u64 = 1 << 20;
/// FAT32 is what has at least 65,525 clusters (Microsoft's FAT specification, 3.5): with the
/// smallest ones these are 32 MiB.
const PARTITION_BYTES_MIN: u64 = 64 << 20;
/// Free space for the user's own additions, beside what FAT takes itself.
const FREE_BYTES: u64 = 8 << 20;

/// A file on the disk.
#[derive(Clone, Debug)]
pub(crate) struct CardFile {
    /// Its name.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) data: Vec<u8>,
}

/// How long a disk with these files is.
pub(crate) fn disk_bytes(files: &[CardFile]) -> u64 {
    let content: u64 = files.iter().map(|it| it.data.len() as u64).sum();
    PARTITION_AT
        + (content + content / 64 + FREE_BYTES)
            .max(PARTITION_BYTES_MIN)
            .next_multiple_of(1 << 20)
}

/// Writes such a disk. What it does not write stays a hole in the file.
pub(crate) fn build(disk: &mut File, files: &[CardFile]) -> Result<()> {
    let bytes = disk_bytes(files);
    if bytes / SECTOR > u64::from(u32::MAX) {
        bail!("{bytes} bytes are more than an MBR can say");
    }
    disk.set_len(bytes)?;
    let mut mbr = MBR::new_from(disk, SECTOR as u32, *b"UMUX").context("the partition table")?;
    mbr[1] = MBRPartitionEntry {
        boot: BOOT_ACTIVE,
        first_chs: CHS::empty(),
        sys: FAT32_LBA,
        last_chs: CHS::empty(),
        starting_lba: (PARTITION_AT / SECTOR) as u32,
        sectors: ((bytes - PARTITION_AT) / SECTOR) as u32,
    };
    mbr.write_into(disk).context("the partition table")?;

    let sectors = u32::try_from((bytes - PARTITION_AT) / SECTOR)?;
    let mut partition = partition(disk, bytes)?;
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .total_sectors(sectors)
        .volume_label(*b"UNIMUX     ");
    fatfs::format_volume(&mut partition, options).context("the FAT32 file system")?;
    partition.seek(SeekFrom::Start(0))?;
    let system = FileSystem::new(&mut partition, FsOptions::new().time_provider(&Epoch))?;
    for file in files {
        let mut entry = system.root_dir().create_file(&file.name)?;
        entry
            .write_all(&file.data)
            .with_context(|| file.name.clone())?;
    }
    system.unmount()?;
    Ok(())
}

/// FAT's first day, for every file: of the same files the same disk is made. (The library's own
/// is the day 0 of the month 0.)
#[derive(Debug)]
struct Epoch;

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        let time = Time {
            hour: 0,
            min: 0,
            sec: 0,
            millis: 0,
        };
        DateTime {
            date: self.get_current_date(),
            time,
        }
    }
}

/// The part of the disk that is the partition.
fn partition(disk: &mut File, bytes: u64) -> io::Result<StreamSlice<&mut File>> {
    StreamSlice::new(disk, PARTITION_AT, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn disk(files: &[CardFile]) -> File {
        let mut disk = tempfile::tempfile().unwrap();
        build(&mut disk, files).unwrap();
        disk
    }

    fn bytes(disk: &mut File) -> Vec<u8> {
        let mut bytes = Vec::new();
        disk.seek(SeekFrom::Start(0)).unwrap();
        disk.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn files_are_there_and_two_disks_of_them_are_the_same() {
        let files = [
            CardFile {
                name: "unimux.itb".into(),
                data: vec![1; 100_000],
            },
            CardFile {
                name: "BOOT.BIN".into(),
                data: vec![2; 3],
            },
        ];
        let mut one = disk(&files);
        let image = bytes(&mut one);
        assert_eq!(image.len() as u64, disk_bytes(&files));
        assert!(image == bytes(&mut disk(&files)), "they differ");

        let mbr = MBR::read_from(&mut one, SECTOR as u32).unwrap();
        assert_eq!(
            (mbr[1].sys, mbr[1].starting_lba, mbr[1].boot),
            (0x0c, 2048, 0x80)
        );
        let partition = partition(&mut one, disk_bytes(&files)).unwrap();
        let system = FileSystem::new(partition, FsOptions::new()).unwrap();
        assert_eq!(system.fat_type(), FatType::Fat32);
        for file in &files {
            let mut found = Vec::new();
            let mut entry = system.root_dir().open_file(&file.name).unwrap();
            entry.read_to_end(&mut found).unwrap();
            assert!(found == file.data, "{}", file.name);
        }
    }

    #[test]
    fn a_disk_grows_with_its_files() {
        let file = |len| {
            vec![CardFile {
                name: "a".into(),
                data: vec![0; len],
            }]
        };
        assert_eq!(disk_bytes(&file(1)), 65 << 20);
        let large = file(80 << 20);
        assert!(disk_bytes(&large) > 89 << 20);
        disk(&large);
    }
}
