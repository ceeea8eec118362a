//! The info page: who a function is, beside its doorbell page, for programs under Linux.
//!
//! Whoever made the function writes it before its machine starts: EL2 for a partition guest, the
//! host's agent for a virtual machine (and again when peers come or go). The firmware does not know
//! it. Words are little-endian, as everything between guests and Unimux.
//!
//! ```text
//!  word 0   magic, "UNIMUXFN" in ASCII        word 3    partition
//!  word 1   version, 1                        words 4…  name, 64 bytes, zeros at its end
//!  word 2   function number                   word 12   how many peers are known
//!                                             then of each: function number, name of 64 bytes
//! ```

/// Offset of the page from the doorbell page, in the same BAR.
pub const OFFSET_BYTES: u64 = 4096;
/// The first word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"UNIMUXFN");
/// The second word.
pub const VERSION: u64 = 1;
/// Words of the page.
pub const WORDS: usize = 512;
/// Bytes of a name, zeros included.
pub const NAME_BYTES: usize = 64;

/// Words of a name.
pub const NAME_WORDS: usize = NAME_BYTES / 8;
/// First word of the name.
pub const NAME: usize = 4;
/// The word that counts peers.
pub const PEER_COUNT: usize = NAME + NAME_WORDS;
/// First word of the peers.
pub const PEERS: usize = PEER_COUNT + 1;
/// Words of a peer.
pub const PEER_WORDS: usize = 1 + NAME_WORDS;
/// Peers that fit into the page.
pub const PEERS_MAX: usize = (WORDS - PEERS) / PEER_WORDS;

/// A function by number and name.
pub type Named<'a> = (u32, &'a str);

/// The words as they stand in the page. Names are cut to what fits, peers as well.
#[must_use]
pub fn page<'a>(
    own: Named<'_>,
    partition: u16,
    peers: impl Iterator<Item = Named<'a>>,
) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    words[0] = MAGIC;
    words[1] = VERSION;
    words[3] = partition.into();
    let (function, name) = own;
    words[2] = function.into();
    put_name(&mut words[NAME..PEER_COUNT], name);
    let mut count = 0;
    for (to, (function, name)) in words[PEERS..].chunks_exact_mut(PEER_WORDS).zip(peers) {
        to[0] = function.into();
        put_name(&mut to[1..], name);
        count += 1;
    }
    words[PEER_COUNT] = count;
    words
}

fn put_name(words: &mut [u64], name: &str) {
    let len = name.floor_char_boundary(NAME_BYTES - 1);
    let bytes = name.as_bytes()[..len].chunks(8);
    for (word, bytes) in words.iter_mut().zip(bytes) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(whole);
    }
}
