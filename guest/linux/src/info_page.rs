//! The info page as programs use it: `unimux_paravirt::info` has its layout.

use unimux_paravirt::info::{
    MAGIC, NAME, PEER_COUNT, PEER_WORDS, PEERS, PEERS_MAX, VERSION, WORDS, page,
};

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
        let peers = self.peers.iter();
        let peers = peers.map(|peer| (peer.function, peer.name.as_str()));
        page((self.own.function, &self.own.name), self.partition, peers)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn info(peers: usize) -> InfoPage {
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
            let page = info(peers);
            assert_eq!(InfoPage::from_words(&page.to_words()), Some(page));
        }
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut page = info(PEERS_MAX + 1);
        page.own.name = "ü".repeat(100);
        let read = InfoPage::from_words(&page.to_words()).expect("a page");
        assert_eq!(read.peers.len(), PEERS_MAX);
        assert_eq!(read.own.name, "ü".repeat(31));
    }

    #[test]
    fn other_memory_is_no_page() {
        let good = info(1).to_words();
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
