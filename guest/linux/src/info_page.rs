//! The info page: who a function is, beside its doorbell page.
//!
//! The host's agent writes it before the virtual machine starts, and again when peers come or go.
//! The firmware does not know it.
//!
//! ```text
//!  word 0   magic, "UNIMUXFN" in ASCII        word 3    partition
//!  word 1   version, 1                        words 4…  name, 64 bytes, zeros at its end
//!  word 2   function number                   word 12   how many peers are known
//!                                             then of each: function number, name of 64 bytes
//! ```
//!
//! Words are little-endian, as everything between guests and Unimux.

/// Offset of the page from the doorbell page, in the same BAR.
pub const OFFSET_BYTES: usize = 4096;
/// The first word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"UNIMUXFN");
/// The second word.
pub const VERSION: u64 = 1;
/// Words of the page.
pub const WORDS: usize = 512;
/// Bytes of a name, zeros included.
pub const NAME_BYTES: usize = 64;

const NAME_WORDS: usize = NAME_BYTES / 8;
const NAME: usize = 4;
const PEER_COUNT: usize = NAME + NAME_WORDS;
const PEERS: usize = PEER_COUNT + 1;
const PEER_WORDS: usize = 1 + NAME_WORDS;

/// Peers that fit into the page.
pub const PEERS_MAX: usize = (WORDS - PEERS) / PEER_WORDS;

/// A function by number and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The number that messages and connections name.
    pub function: u32,
    /// What the host calls its virtual machine.
    pub name: String,
}

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoPage {
    /// The function itself.
    pub own: Named,
    /// Its partition: it reaches functions of the same one only.
    pub partition: u16,
    /// Functions of the same partition, as far as the agent knows them.
    pub peers: Vec<Named>,
}

impl InfoPage {
    /// The page in `words`, if it is one of this version.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Option<Self> {
        let words: &[u64; WORDS] = words.get(..WORDS)?.try_into().ok()?;
        if words[0] != MAGIC || words[1] != VERSION {
            return None;
        }
        let count = usize::try_from(words[PEER_COUNT]).ok()?.min(PEERS_MAX);
        let peers = words[PEERS..].chunks_exact(PEER_WORDS).take(count);
        Some(Self {
            own: named(&words[2], &words[NAME..PEER_COUNT])?,
            partition: u16::try_from(words[3]).ok()?,
            peers: peers
                .map(|peer| named(&peer[0], &peer[1..]))
                .collect::<Option<_>>()?,
        })
    }

    /// The words as they stand in the page. Names are cut to what fits, peers as well.
    #[must_use]
    pub fn to_words(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        words[0] = MAGIC;
        words[1] = VERSION;
        words[2] = self.own.function.into();
        words[3] = self.partition.into();
        put_name(&mut words[NAME..PEER_COUNT], &self.own.name);
        let peers = &self.peers[..self.peers.len().min(PEERS_MAX)];
        words[PEER_COUNT] = peers.len() as u64;
        for (to, peer) in words[PEERS..].chunks_exact_mut(PEER_WORDS).zip(peers) {
            to[0] = peer.function.into();
            put_name(&mut to[1..], &peer.name);
        }
        words
    }
}

fn named(function: &u64, name: &[u64]) -> Option<Named> {
    let bytes: Vec<u8> = name.iter().flat_map(|word| word.to_le_bytes()).collect();
    let len = bytes.iter().position(|&byte| byte == 0);
    Some(Named {
        function: u32::try_from(*function).ok()?,
        name: String::from_utf8_lossy(&bytes[..len.unwrap_or(bytes.len())]).into_owned(),
    })
}

fn put_name(words: &mut [u64], name: &str) {
    let mut bytes = [0; NAME_BYTES];
    let len = name.floor_char_boundary(NAME_BYTES - 1);
    bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(peers: usize) -> InfoPage {
        let named = |function: u32| Named {
            function,
            name: format!("machine-{function}"),
        };
        InfoPage {
            own: named(7),
            partition: 3,
            peers: (0..peers as u32).map(named).collect(),
        }
    }

    #[test]
    fn a_page_survives_its_words() {
        for peers in [0, 1, PEERS_MAX] {
            let page = page(peers);
            assert_eq!(InfoPage::from_words(&page.to_words()), Some(page));
        }
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut page = page(PEERS_MAX + 1);
        page.own.name = "ü".repeat(100);
        let read = InfoPage::from_words(&page.to_words()).expect("a page");
        assert_eq!(read.peers.len(), PEERS_MAX);
        assert_eq!(read.own.name, "ü".repeat(31));
    }

    #[test]
    fn other_memory_is_no_page() {
        let good = page(1).to_words();
        for (word, value) in [(0, 1), (1, 2), (2, 1 << 32), (3, 1 << 16)] {
            let mut words = good;
            words[word] = value;
            assert_eq!(InfoPage::from_words(&words), None, "word {word}");
        }
        assert_eq!(InfoPage::from_words(&good[..100]), None);
        let mut lying = good;
        lying[PEER_COUNT] = u64::MAX;
        assert_eq!(
            InfoPage::from_words(&lying).expect("a page").peers.len(),
            PEERS_MAX
        );
    }
}
