//! Nodes, and what is in them.

use crate::token::{Token, token};
use crate::{Property, Regs, Tree};

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    tree: Tree<'a>,
    name: &'a str,
    /// Where its first property or child is.
    inside: usize,
    /// Cells of an address and of a size in its `reg`, as its parent says.
    cells: [u32; 2],
}

/// `#address-cells` and `#size-cells` where a node does not say (2.3.5).
const DEFAULT_CELLS: [u32; 2] = [2, 1];

impl<'a> Node<'a> {
    pub(crate) fn root(tree: Tree<'a>) -> Self {
        // It is there in a tree that was checked.
        let inside = token(&tree, 0).map_or(0, |(_, inside)| inside);
        Self {
            tree,
            name: "",
            inside,
            cells: DEFAULT_CELLS,
        }
    }

    /// Its name, with the unit address if it has one. The root's is empty.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its name up to the `@`.
    #[must_use]
    pub fn name_without_address(&self) -> &'a str {
        let at = self.name.bytes().position(|byte| byte == b'@');
        at.and_then(|at| self.name.get(..at)).unwrap_or(self.name)
    }

    /// Its properties.
    #[must_use]
    pub fn properties(&self) -> Properties<'a> {
        Properties {
            tree: self.tree,
            at: self.inside,
        }
    }

    /// Its property `name`.
    #[inline(never)]
    #[must_use]
    pub fn property(&self, name: &str) -> Option<Property<'a>> {
        self.properties().find(|it| it.name() == name)
    }

    /// The nodes in it.
    #[inline(never)]
    #[must_use]
    pub fn children(&self) -> Children<'a> {
        let count = |name, default| {
            self.property(name)
                .and_then(|it| it.number())
                .unwrap_or(default)
        };
        let [address, size] = DEFAULT_CELLS;
        Children {
            tree: self.tree,
            at: self.inside,
            depth: 0,
            cells: [count("#address-cells", address), count("#size-cells", size)],
        }
    }

    /// The places in its `reg`: none if it has no such property. `None` if an entry of it does not
    /// have the length that its parent says, or addresses or sizes have more than 64 bits.
    #[must_use]
    pub fn reg(&self) -> Option<Regs<'a>> {
        match self.property("reg") {
            Some(reg) => Regs::new(reg.value(), self.cells),
            None => Some(Regs::NONE),
        }
    }
}

/// The properties of a node.
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    tree: Tree<'a>,
    at: usize,
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match token(&self.tree, self.at)? {
            (Token::Property(property), next) => {
                self.at = next;
                Some(property)
            }
            _ => None,
        }
    }
}

/// The nodes in a node.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    tree: Tree<'a>,
    at: usize,
    /// How many nodes have begun and not ended.
    depth: usize,
    cells: [u32; 2],
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            let (token, next) = token(&self.tree, self.at)?;
            match token {
                Token::Begin(name) => {
                    self.depth += 1;
                    if self.depth == 1 {
                        self.at = next;
                        return Some(Node {
                            tree: self.tree,
                            name,
                            inside: next,
                            cells: self.cells,
                        });
                    }
                }
                // The end of the node itself: it stays there.
                Token::End => self.depth = self.depth.checked_sub(1)?,
                Token::Property(_) => {}
                Token::Finish => return None,
            }
            self.at = next;
        }
    }
}
