//! The header of an arm64 `Image`, after the Linux kernel's `Documentation/arch/arm64/booting.rst`.
//!
//! It does not load anything.

use unimux_paravirt::map::{DTB_SIZE_MAX, IMAGE_OFFSET};
use unimux_text::texts;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const HEADER_LEN: usize = 64;

/// Images are placed at their `text_offset` from a multiple of this (booting.rst, section 4).
const BASE_ALIGN: u64 = 2 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"ARM\x64");

/// The 64 bytes as they lie in the file. All fields are little-endian whatever the kernel is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RawHeader {
    /// Executable code: jumps over the header.
    pub code: [U32; 2],
    /// Image load offset from a 2 MiB boundary.
    pub text_offset: U64,
    /// Effective size: everything the program touches before it reads its device tree.
    pub image_size: U64,
    /// Bit 0: big-endian kernel; bits 1-2: page size; bit 3: anywhere in memory.
    pub flags: U64,
    /// Reserved.
    pub reserved: [U64; 3],
    /// `ARM\x64`.
    pub magic: U32,
    /// Offset of the PE header, for EFI only.
    pub pe_offset: U32,
}

const _: () = {
    assert!(size_of::<RawHeader>() == HEADER_LEN);
    assert!(core::mem::offset_of!(RawHeader, text_offset) == 8);
    assert!(core::mem::offset_of!(RawHeader, image_size) == 16);
    assert!(core::mem::offset_of!(RawHeader, magic) == 56);
};

/// What a loader must know of an `Image`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Bytes of memory it takes from its first byte on; at least the length of the file.
    pub memory_bytes: u64,
    /// Where the PE header is, if there is one: for EFI, and for who wants to know the length of
    /// the file.
    pub pe_offset: u32,
}

/// Why a file is not an arm64 `Image` that a guest can be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Shorter than the header.
    Short {
        /// Length of the file.
        len_bytes: u64,
    },
    /// No `ARM\x64` at offset 56: an ELF file, a compressed kernel, or something else.
    Magic {
        /// The four bytes that are there, as a little-endian number.
        found: u32,
    },
    /// A big-endian program.
    BigEndian,
    /// It wants to lie elsewhere than 2 MiB after the start of RAM.
    TextOffset {
        /// What the header says.
        text_offset: u64,
    },
}

texts!(ImageError {
    Self::Short { len_bytes } =>
        "{} bytes are too few for the 64-byte header of an arm64 Image", len_bytes;
    Self::Magic { found } =>
        "no arm64 Image: magic is {:#x} and not {:#x} (\"ARM\\x64\")", found, MAGIC;
    Self::BigEndian => "the Image is big-endian";
    Self::TextOffset { text_offset } =>
        "text_offset {:#x}: a guest's Image lies at {:#x} from its RAM, so it must be 0 or that",
        text_offset, IMAGE_OFFSET;
});

impl core::error::Error for ImageError {}

impl ImageHeader {
    /// Reads the header from the first bytes of a file that is `len_bytes` long.
    ///
    /// # Errors
    /// [`ImageError`], if a guest cannot be started with it.
    pub fn parse(first_bytes: &[u8], len_bytes: u64) -> Result<Self, ImageError> {
        let Ok((raw, _)) = RawHeader::read_from_prefix(first_bytes) else {
            return Err(ImageError::Short { len_bytes });
        };
        if len_bytes < HEADER_LEN as u64 {
            return Err(ImageError::Short { len_bytes });
        }
        let found = raw.magic.get();
        if found != MAGIC {
            return Err(ImageError::Magic { found });
        }
        if raw.flags.get() & 1 != 0 {
            return Err(ImageError::BigEndian);
        }
        let text_offset = raw.text_offset.get();
        let fits = IMAGE_OFFSET
            .checked_sub(text_offset)
            .is_some_and(|it| it.is_multiple_of(BASE_ALIGN));
        if !fits {
            return Err(ImageError::TextOffset { text_offset });
        }
        Ok(Self {
            memory_bytes: raw.image_size.get().max(len_bytes),
            pe_offset: raw.pe_offset.get(),
        })
    }
}

const _: () = assert!(
    DTB_SIZE_MAX <= IMAGE_OFFSET,
    "the device tree ends before the Image"
);

/// A well-formed header, for xtask and for tests.
pub fn header(text_offset: u64, image_size: u64) -> RawHeader {
    RawHeader {
        // b #64: over the header.
        code: [U32::new(0x1400_0010), U32::new(0)],
        text_offset: U64::new(text_offset),
        image_size: U64::new(image_size),
        // Little-endian, 4 KiB pages, placed anywhere.
        flags: U64::new(0b1010),
        reserved: [U64::new(0); 3],
        magic: U32::new(MAGIC),
        pe_offset: U32::new(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(raw: RawHeader, len: u64) -> Result<ImageHeader, ImageError> {
        ImageHeader::parse(raw.as_bytes(), len)
    }

    #[test]
    fn memory_is_the_larger_of_file_and_claim() {
        let bytes = |raw, len| parse(raw, len).map(|it| it.memory_bytes);
        assert_eq!(bytes(header(0, 0x5000), 0x4000), Ok(0x5000));
        assert_eq!(bytes(header(0x20_0000, 0x3000), 0x4000), Ok(0x4000));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let mut raw = header(0, 1);
        let found = u32::from_le_bytes(*b"\x7fELF");
        raw.magic = U32::new(found);
        assert_eq!(parse(raw, 64), Err(ImageError::Magic { found }));
        assert_eq!(
            ImageHeader::parse(&[0; 63], 63),
            Err(ImageError::Short { len_bytes: 63 })
        );
        let mut raw = header(0, 1);
        raw.flags = U64::new(1);
        assert_eq!(parse(raw, 64), Err(ImageError::BigEndian));
        for text_offset in [0x8_0000, 0x40_0000, u64::MAX] {
            let refused = Err(ImageError::TextOffset { text_offset });
            assert_eq!(parse(header(text_offset, 1), 64), refused);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes: [u8; 80], len in 0usize..80) {
            let _ = ImageHeader::parse(&bytes[..len], len as u64);
        }
    }
}
