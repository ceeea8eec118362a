//! Properties and the forms of their values (Devicetree Specification 0.4, 2.2.4).

/// A property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    name: &'a str,
    value: &'a [u8],
}

impl<'a> Property<'a> {
    pub(crate) const fn new(name: &'a str, value: &'a [u8]) -> Self {
        Self { name, value }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Its bytes.
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Its value as one string: UTF-8 with one zero byte, at the end.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        let (last, text) = self.value.split_last()?;
        if *last != 0 || text.contains(&0) {
            return None;
        }
        core::str::from_utf8(text).ok()
    }

    /// Its value as cells, big-endian.
    #[must_use]
    pub fn cells(&self) -> Option<&'a [[u8; 4]]> {
        let (cells, rest) = self.value.as_chunks();
        rest.is_empty().then_some(cells)
    }

    /// Its value as one cell.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self.cells()? {
            [cell] => Some(u32::from_be_bytes(*cell)),
            _ => None,
        }
    }
}

/// One place of a `reg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg {
    /// The first address; 0 if addresses have no cells.
    pub address: u64,
    /// The length in bytes; 0 if sizes have no cells.
    pub len_bytes: u64,
}

/// The places of a `reg`.
#[derive(Clone, Debug)]
pub struct Regs<'a> {
    left: &'a [[u8; 4]],
    address_cells: usize,
    size_cells: usize,
}

impl<'a> Regs<'a> {
    pub(crate) const NONE: Self = Self {
        left: &[],
        address_cells: 1,
        size_cells: 0,
    };

    pub(crate) fn new(value: &'a [u8], [address_cells, size_cells]: [u32; 2]) -> Option<Self> {
        if address_cells > 2 || size_cells > 2 || address_cells == 0 {
            return None;
        }
        let (address_cells, size_cells) = (address_cells as usize, size_cells as usize);
        let (left, rest) = value.as_chunks();
        let is_whole = rest.is_empty() && left.len().is_multiple_of(address_cells + size_cells);
        is_whole.then_some(Self {
            left,
            address_cells,
            size_cells,
        })
    }
}

impl Iterator for Regs<'_> {
    type Item = Reg;

    fn next(&mut self) -> Option<Reg> {
        let (address, left) = self.left.split_at_checked(self.address_cells)?;
        let (size, left) = left.split_at_checked(self.size_cells)?;
        self.left = left;
        Some(Reg {
            address: joined(address),
            len_bytes: joined(size),
        })
    }
}

fn joined(cells: &[[u8; 4]]) -> u64 {
    let join = |high, cell: &[u8; 4]| high << 32 | u64::from(u32::from_be_bytes(*cell));
    cells.iter().fold(0, join)
}
