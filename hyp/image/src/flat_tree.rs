//! Writes a flattened device tree (Devicetree Specification 0.4, chapter 5), front to back.
//!
//! A few hundred bytes of code, where a model of a tree with maps and names would be the largest
//! part of the image. Nodes are closed in the order they were opened; properties of a node come
//! before its children.

use alloc::{string::String, vec::Vec};

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const COMPATIBLE_VERSION: u32 = 16;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// Ten words.
const HEADER_BYTES: usize = 40;

/// A part of a tree that is known beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// See [`FlatTree::begin`].
    Begin(&'static str),
    /// A property without a value.
    Flag(&'static str),
    /// See [`FlatTree::texts`].
    Texts(&'static str, &'static [&'static str]),
    /// See [`FlatTree::cells`].
    Cells(&'static str, &'static [u32]),
    /// See [`FlatTree::end`].
    End,
}

/// A number of 64 bits as cells.
pub(crate) const fn pair(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, value as u32]
}

/// A `reg` of two cells each.
pub(crate) const fn reg(base: u64, len_bytes: u64) -> [u32; 4] {
    let ([a, b], [c, d]) = (pair(base), pair(len_bytes));
    [a, b, c, d]
}

/// The name of a node with a unit address: `name@` and the address in hexadecimal.
#[inline(never)]
pub(crate) fn unit(name: &str, address: u64) -> String {
    let mut text = String::from(name) + "@";
    let digits = (u64::BITS - address.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let value = address >> (4 * digit) & 0xf;
        text.push(char::from(b"0123456789abcdef"[value as usize]));
    }
    text
}

/// A tree being written.
#[derive(Debug, Default)]
pub(crate) struct FlatTree {
    reservations: Vec<u8>,
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl FlatTree {
    /// Adds an entry to the memory reservation block.
    pub(crate) fn reserve(&mut self, base: u64, len_bytes: u64) {
        for word in [base, len_bytes] {
            self.reservations.extend_from_slice(&word.to_be_bytes());
        }
    }

    /// Opens a node; the root's name is empty.
    #[inline(never)]
    pub(crate) fn begin(&mut self, name: &str) {
        self.word(BEGIN_NODE);
        self.structure.extend_from_slice(name.as_bytes());
        self.structure.push(0);
        self.pad();
    }

    /// Closes the node that was opened last.
    pub(crate) fn end(&mut self) {
        self.word(END_NODE);
    }

    /// Adds parts, one after the other.
    #[inline(never)]
    pub(crate) fn add(&mut self, parts: &[Part]) {
        for part in parts {
            match *part {
                Part::Begin(name) => self.begin(name),
                Part::Flag(name) => self.bytes(name, &[]),
                Part::Texts(name, texts) => self.texts(name, texts),
                Part::Cells(name, cells) => self.cells(name, cells),
                Part::End => self.end(),
            }
        }
    }

    /// A property of bytes.
    #[inline(never)]
    pub(crate) fn bytes(&mut self, name: &str, value: &[u8]) {
        let name = self.string(name);
        self.word(PROPERTY);
        self.word(value.len() as u32);
        self.word(name);
        self.structure.extend_from_slice(value);
        self.pad();
    }

    /// A property of 32-bit cells.
    #[inline(never)]
    pub(crate) fn cells(&mut self, name: &str, cells: &[u32]) {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &bytes);
    }

    /// A property of strings.
    #[inline(never)]
    pub(crate) fn texts(&mut self, name: &str, texts: &[&str]) {
        let mut bytes = Vec::new();
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        self.bytes(name, &bytes);
    }

    /// The tree, when every node is closed.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.word(END);
        // The terminator.
        self.reserve(0, 0);
        let structure_at = HEADER_BYTES + self.reservations.len();
        let strings_at = structure_at + self.structure.len();
        let header = [
            MAGIC,
            (strings_at + self.strings.len()) as u32,
            structure_at as u32,
            strings_at as u32,
            HEADER_BYTES as u32,
            VERSION,
            COMPATIBLE_VERSION,
            // The boot core's `reg`.
            0,
            self.strings.len() as u32,
            self.structure.len() as u32,
        ];
        let mut tree: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        tree.append(&mut self.reservations);
        tree.append(&mut self.structure);
        tree.append(&mut self.strings);
        tree
    }

    /// The place of a name among the strings, which have each name once.
    fn string(&mut self, name: &str) -> u32 {
        let mut at = 0;
        for known in self.strings.split_inclusive(|byte| *byte == 0) {
            if known.strip_suffix(&[0]) == Some(name.as_bytes()) {
                return at;
            }
            at += known.len() as u32;
        }
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    fn word(&mut self, word: u32) {
        self.structure.extend_from_slice(&word.to_be_bytes());
    }

    fn pad(&mut self) {
        while !self.structure.len().is_multiple_of(4) {
            self.structure.push(0);
        }
    }
}
