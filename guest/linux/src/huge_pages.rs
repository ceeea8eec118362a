//! Huge pages: where files of them can be made, and how many are left.
//!
//! A file there keeps its pages in memory and in place, for as long as it has a name: also when
//! the program that made it is killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount};

/// Bytes of a huge page.
pub const BYTES: u64 = 2 << 20;

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
/// Where hugetlbfs is mounted if nobody has.
const OWN_MOUNT: &str = "/dev/hugepages";

/// The directory of a mounted hugetlbfs with 2 MiB pages, from the text of /proc/mounts.
#[must_use]
pub fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (_, at, kind, options) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let size = options
            .split(',')
            .find_map(|it| it.strip_prefix("pagesize="));
        let fits = size.is_none_or(|size| matches!(size, "2M" | "2048K" | "2048k"));
        (kind == "hugetlbfs" && fits).then(|| PathBuf::from(at))
    })
}

/// The directory of a hugetlbfs; mounts one if there is none and this user may.
///
/// # Errors
///
/// The kernel's.
pub fn directory() -> io::Result<PathBuf> {
    if let Some(at) = mount_point(&fs::read_to_string("/proc/mounts")?) {
        return Ok(at);
    }
    fs::create_dir_all(OWN_MOUNT)?;
    mount(
        "hugetlbfs",
        OWN_MOUNT,
        "hugetlbfs",
        MountFlags::empty(),
        Some(c"pagesize=2M"),
    )?;
    Ok(OWN_MOUNT.into())
}

/// Sees that `pages` huge pages are free: adds to the pool what lacks, if this user may.
///
/// # Errors
///
/// The kernel's; [`io::ErrorKind::OutOfMemory`] if it finds no more.
pub fn provide(pages: u64) -> io::Result<()> {
    let number = |file: &str| -> io::Result<u64> {
        let text = fs::read_to_string(Path::new(POOL).join(file))?;
        text.trim().parse().map_err(io::Error::other)
    };
    // Reserved pages are free, but somebody else's.
    let available = || -> io::Result<u64> {
        Ok(number("free_hugepages")?.saturating_sub(number("resv_hugepages")?))
    };
    let lacking = pages.saturating_sub(available()?);
    if lacking == 0 {
        return Ok(());
    }
    let wanted = number("nr_hugepages")? + lacking;
    fs::write(Path::new(POOL).join("nr_hugepages"), wanted.to_string())?;
    if available()? < pages {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_the_right_size_is_found() {
        let mounts = "proc /proc proc rw 0 0\n\
                      none /huge1G hugetlbfs rw,relatime,pagesize=1024M 0 0\n\
                      hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n";
        assert_eq!(mount_point(mounts), Some("/dev/hugepages".into()));
        let bare = "none /mnt/huge hugetlbfs rw 0 0\n";
        assert_eq!(mount_point(bare), Some("/mnt/huge".into()));
        assert_eq!(mount_point("tmpfs /tmp tmpfs rw 0 0\n"), None);
    }
}
