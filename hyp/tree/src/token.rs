//! The tokens of the structure block (Devicetree Specification 0.4, 5.4).

use crate::{Property, Tree};

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// What stands at a place of the structure block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token<'a> {
    /// A node of this name begins.
    Begin(&'a str),
    /// The node that began last ends.
    End,
    /// A property of the node that began last.
    Property(Property<'a>),
    /// The end of the tree.
    Finish,
}

/// The big-endian word at `at`.
pub(crate) fn cell(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*word))
}

/// The token at `at`, and where the next one is. `None` where there is none.
#[inline(never)]
pub(crate) fn token<'a>(tree: &Tree<'a>, mut at: usize) -> Option<(Token<'a>, usize)> {
    let structure = tree.structure;
    loop {
        let kind = cell(structure, at)?;
        at += 4;
        return Some(match kind {
            BEGIN_NODE => {
                let name = text_at(structure, at)?;
                (Token::Begin(name), aligned(at + name.len() + 1))
            }
            END_NODE => (Token::End, at),
            PROPERTY => {
                let len = cell(structure, at)? as usize;
                let name = text_at(tree.strings, cell(structure, at + 4)? as usize)?;
                at += 8;
                let value = structure.get(at..)?.get(..len)?;
                let next = aligned(at + len);
                (Token::Property(Property::new(name, value)), next)
            }
            NOP => continue,
            END => (Token::Finish, at),
            _ => return None,
        });
    }
}

/// The string at `at`, without the zero byte that ends it.
fn text_at(bytes: &[u8], at: usize) -> Option<&str> {
    let bytes = bytes.get(at..)?;
    let len = bytes.iter().position(|byte| *byte == 0)?;
    core::str::from_utf8(bytes.get(..len)?).ok()
}

fn aligned(at: usize) -> usize {
    (at + 3) & !3
}
