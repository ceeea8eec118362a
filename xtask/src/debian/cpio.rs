//! Archives in the format that Linux takes as its first file system (`newc`).
//!
//! Everything in them belongs to root whoever makes them, and device nodes need no privileges: they
//! are only entries. Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeSet;

/// Kinds of files, as in `st_mode`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// Linux looks for the next of several archives at multiples of this.
const ALIGN: usize = 512;

/// An archive that grows.
#[derive(Debug, Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
    names: BTreeSet<String>,
}

impl Cpio {
    /// Whether there is an entry of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds a directory, with those above it.
    pub(crate) fn directory(&mut self, name: &str) {
        if !name.is_empty() && !self.has(name) {
            self.entry(name, DIRECTORY | 0o755, (0, 0), &[]);
        }
    }

    /// Adds a file with these permissions; the first one of a name stays.
    pub(crate) fn file(&mut self, name: &str, permissions: u32, content: &[u8]) {
        if !self.has(name) {
            self.entry(name, REGULAR | permissions, (0, 0), content);
        }
    }

    /// Adds a symbolic link; the first entry of a name stays.
    pub(crate) fn link(&mut self, name: &str, to: &str) {
        if !self.has(name) {
            self.entry(name, SYMLINK | 0o777, (0, 0), to.as_bytes());
        }
    }

    /// Adds a character device, by major and minor number.
    pub(crate) fn device(&mut self, name: &str, numbers: (u32, u32)) {
        self.entry(name, CHARACTER | 0o600, numbers, &[]);
    }

    /// The archive, padded so that another may follow.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.header("TRAILER!!!", 0, (0, 0), 0);
        self.pad(ALIGN);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, numbers: (u32, u32), content: &[u8]) {
        if let Some((above, _)) = name.rsplit_once('/') {
            self.directory(above);
        }
        self.names.insert(name.to_owned());
        self.inode += 1;
        self.header(name, mode, numbers, content.len());
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    fn header(&mut self, name: &str, mode: u32, numbers: (u32, u32), len_bytes: usize) {
        // inode, mode, uid, gid, links, time, size, device, device of a node, name's length, check
        let fields = [
            self.inode,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(len_bytes).expect("no file of 4 GiB is put into a first file system"),
            0,
            0,
            numbers.0,
            numbers.1,
            u32::try_from(name.len() + 1).expect("names are short"),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad(4);
    }

    fn pad(&mut self, align: usize) {
        let len = self.bytes.len().next_multiple_of(align);
        self.bytes.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8], field: usize) -> usize {
        let at = 6 + 8 * field;
        usize::from_str_radix(std::str::from_utf8(&bytes[at..at + 8]).unwrap(), 16).unwrap()
    }

    /// Name, mode and content of each entry, read as Linux does.
    fn entries(mut bytes: &[u8]) -> Vec<(String, usize, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let (mode, len, name_len) = (number(bytes, 1), number(bytes, 6), number(bytes, 11));
            let name = String::from_utf8(bytes[110..110 + name_len - 1].to_vec()).unwrap();
            let data = (110 + name_len).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return entries;
            }
            entries.push((name, mode, bytes[data..data + len].to_vec()));
            bytes = &bytes[(data + len).next_multiple_of(4)..];
        }
    }

    #[test]
    fn what_is_put_in_is_read_back() {
        let mut cpio = Cpio::default();
        cpio.file("usr/bin/x", 0o755, b"abc");
        cpio.link("bin", "usr/bin");
        cpio.device("dev/console", (5, 1));
        cpio.file("usr/bin/x", 0o755, b"another");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % ALIGN, 0);
        let found = entries(&bytes);
        let names: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(
            names,
            ["usr", "usr/bin", "usr/bin/x", "bin", "dev", "dev/console"]
        );
        assert_eq!(
            (found[2].1, found[2].2.as_slice()),
            (0o100_755, &b"abc"[..])
        );
        assert_eq!(
            (found[3].1, found[3].2.as_slice()),
            (0o120_777, &b"usr/bin"[..])
        );
        assert_eq!(found[5].1, 0o020_600);
    }
}
