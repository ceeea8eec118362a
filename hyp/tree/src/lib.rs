//! Reads a flattened device tree where it lies (Devicetree Specification 0.4, chapter 5).
//!
//! It writes no tree, and allocates, panics and formats nothing: EL2 reads its scenario with it,
//! and every byte of code counts there. A tree is looked at whole once, by [`Tree::new`]; one that
//! is cut off, crooked or deeper than [`DEPTH_MAX`] is refused whole.
#![no_std]
#![forbid(unsafe_code)]

mod node;
mod property;
mod token;

pub use node::{Children, Node, Properties};
pub use property::{Property, Reg, Regs};

use token::{Token, cell, token};

/// Deepest nesting of nodes, the root included: whoever walks a tree by recursion needs a bound.
pub const DEPTH_MAX: usize = 32;

/// First word of a tree.
const MAGIC: u32 = 0xd00d_feed;
/// The version of the format that is read; later ones are readable as long as they say so.
const VERSION: u32 = 17;
/// Ten words.
const HEADER_BYTES: usize = 40;

/// Why bytes are no device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The first word is not the magic number.
    Magic,
    /// A version that is not compatible with 17.
    Version,
    /// A block of the tree passes its end.
    CutOff,
    /// The structure is not nodes in nodes with properties first, or too deep.
    Structure,
}

unimux_text::texts!(TreeError {
    Self::Magic => "no device tree: it does not begin with the magic number";
    Self::Version => "a device tree of a version that is not compatible with 17";
    Self::CutOff => "a device tree that is cut off";
    Self::Structure => "a device tree whose nodes are broken or nested too deep";
});

impl core::error::Error for TreeError {}

/// A device tree.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    bytes: &'a [u8],
    reservations: &'a [u8],
    structure: &'a [u8],
    strings: &'a [u8],
}

/// Memory that the boot program reserved (5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// First address.
    pub address: u64,
    /// Length in bytes.
    pub len_bytes: u64,
}

impl<'a> Tree<'a> {
    /// The length in bytes of the tree that begins with `first_bytes`; `None` if none does.
    #[must_use]
    pub fn len_bytes(first_bytes: &[u8; 8]) -> Option<usize> {
        (cell(first_bytes, 0)? == MAGIC).then_some(cell(first_bytes, 4)? as usize)
    }

    /// The tree in `bytes`, which may be longer.
    ///
    /// # Errors
    /// [`TreeError`], if it is not one from end to end.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TreeError> {
        let word = |index: usize| cell(bytes, 4 * index).ok_or(TreeError::CutOff);
        if word(0)? != MAGIC {
            return Err(TreeError::Magic);
        }
        let total = word(1)? as usize;
        let bytes = bytes.get(..total).ok_or(TreeError::CutOff)?;
        // Last compatible version; the words after the first seven came with versions 2, 3 and 17.
        if word(5)? < VERSION || word(6)? > VERSION {
            return Err(TreeError::Version);
        }
        if total < HEADER_BYTES {
            return Err(TreeError::CutOff);
        }
        let from = |at: u32| bytes.get(at as usize..).ok_or(TreeError::CutOff);
        let block = |at: u32, len: u32| from(at)?.get(..len as usize).ok_or(TreeError::CutOff);
        let tree = Self {
            bytes,
            reservations: from(word(4)?)?,
            structure: block(word(2)?, word(9)?)?,
            strings: block(word(3)?, word(8)?)?,
        };
        tree.check().ok_or(TreeError::Structure)?;
        Ok(tree)
    }

    /// Walks over all of the structure block.
    fn check(&self) -> Option<()> {
        let (mut at, mut depth) = (0, 0);
        let mut takes_properties = false;
        loop {
            let (token, next) = token(self, at)?;
            match token {
                Token::Begin(_) if depth == DEPTH_MAX || (depth == 0 && at != 0) => return None,
                Token::Begin(_) => {
                    depth += 1;
                    takes_properties = true;
                }
                Token::End => {
                    depth = depth.checked_sub(1_usize)?;
                    takes_properties = false;
                }
                Token::Property(_) => takes_properties.then_some(())?,
                Token::Finish => return (depth == 0 && at > 0).then_some(()),
            }
            at = next;
        }
    }

    /// All of the tree's bytes.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.bytes
    }

    /// The root node.
    #[must_use]
    pub fn root(&self) -> Node<'a> {
        Node::root(*self)
    }

    /// The node at `path`: names between slashes, with or without their unit addresses.
    #[must_use]
    pub fn find_node(&self, path: &str) -> Option<Node<'a>> {
        let mut node = self.root();
        let parts = path.as_bytes().split(|byte| *byte == b'/');
        for part in parts.filter(|it| !it.is_empty()) {
            let is_it = |it: &Node<'_>| {
                it.name().as_bytes() == part || it.name_without_address().as_bytes() == part
            };
            node = node.children().find(is_it)?;
        }
        Some(node)
    }

    /// The memory reservation block, up to its empty entry.
    pub fn memory_reservations(&self) -> impl Iterator<Item = Reservation> + 'a {
        let (entries, _) = self.reservations.as_chunks::<16>();
        let read = |entry: &[u8; 16]| {
            let joined = u128::from_be_bytes(*entry);
            Reservation {
                address: (joined >> 64) as u64,
                len_bytes: joined as u64,
            }
        };
        let is_entry = |it: &Reservation| it.address != 0 || it.len_bytes != 0;
        entries.iter().map(read).take_while(is_entry)
    }
}
