//! Copies that the engine has not given back.
//!
//! Every copy has a sequence number. A *mark* is the number that the next copy will have: when all
//! copies before a mark are reaped, whatever was true of memory at the mark is safe to change.

use alloc::boxed::Box;
use alloc::vec;

use unimux_engine::Token;

/// Whose copy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) function: u16,
    pub(crate) qp: u16,
    /// The number of the queue pair: another one in its place has another number.
    pub(crate) number: u32,
}

/// The copies in flight, by token.
#[derive(Debug)]
pub(crate) struct Flights {
    /// Number and owner of the copy with each token.
    places: Box<[(u64, Flight)]>,
    /// Tokens of which no copy is in flight; a bit for each.
    free: u64,
    /// Tokens of copies that were told to have failed and may still be going on.
    stuck: u64,
    next_sequence: u64,
}

/// Most tokens there can be: a bit for each in one word.
const TOKENS_MAX: usize = 64;

impl Flights {
    pub(crate) fn new(depth: usize) -> Self {
        let nobody = Flight {
            function: 0,
            qp: 0,
            number: 0,
        };
        let depth = depth.clamp(1, TOKENS_MAX);
        Self {
            places: vec![(0, nobody); depth].into_boxed_slice(),
            free: all(depth),
            stuck: 0,
            next_sequence: 0,
        }
    }

    /// A token for a copy, or `None` if as many are in flight as the engine takes.
    pub(crate) const fn token(&self) -> Option<Token> {
        if self.free == 0 {
            return None;
        }
        Some(Token(self.free.trailing_zeros() as u16))
    }

    /// The engine has taken the copy with this token.
    pub(crate) fn start(&mut self, token: Token, flight: Flight) {
        if let Some(place) = self.places.get_mut(usize::from(token.0)) {
            *place = (self.next_sequence, flight);
            self.free &= !(1 << token.0);
            self.next_sequence += 1;
        }
    }

    /// The copy with this token has come back. `None` if nobody waits for it, or any more.
    pub(crate) fn end(&mut self, token: Token) -> Option<Flight> {
        let &(_, flight) = self.places.get(usize::from(token.0))?;
        if !self.is_in_flight(token) {
            return None;
        }
        self.free |= 1 << token.0;
        let was_told = self.stuck & 1 << token.0 != 0;
        self.stuck &= !(1 << token.0);
        (!was_told).then_some(flight)
    }

    /// The copy with this token has failed and may still be going on: who waits for it is told, and
    /// no mark after it is passed before it has come back.
    pub(crate) fn get_stuck(&mut self, token: Token) -> Option<Flight> {
        let &(_, flight) = self.places.get(usize::from(token.0))?;
        let is_known = self.is_in_flight(token) && self.stuck & 1 << token.0 == 0;
        self.stuck |= u64::from(is_known) << token.0;
        is_known.then_some(flight)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.free == all(self.places.len())
    }

    /// The mark of this moment.
    pub(crate) const fn mark(&self) -> u64 {
        self.next_sequence
    }

    /// Whether all copies before `mark` are back.
    pub(crate) fn has_passed(&self, mark: u64) -> bool {
        let mut tokens = (0..).map(Token).zip(&*self.places);
        tokens.all(|(token, &(sequence, _))| sequence >= mark || !self.is_in_flight(token))
    }

    const fn is_in_flight(&self, token: Token) -> bool {
        self.free & 1 << token.0 == 0
    }
}

/// A bit for each of `depth` tokens.
const fn all(depth: usize) -> u64 {
    u64::MAX >> (TOKENS_MAX - depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLIGHT: Flight = Flight {
        function: 1,
        qp: 2,
        number: 3,
    };

    fn start(flights: &mut Flights) -> Option<Token> {
        let token = flights.token()?;
        flights.start(token, FLIGHT);
        Some(token)
    }

    #[test]
    fn a_mark_is_passed_when_all_before_it_are_back() {
        let mut flights = Flights::new(4);
        let a = start(&mut flights).unwrap();
        let b = start(&mut flights).unwrap();
        let mark = flights.mark();
        let c = start(&mut flights).unwrap();
        assert!(!flights.has_passed(mark));
        flights.end(b);
        assert!(!flights.has_passed(mark));
        flights.end(a);
        assert!(flights.has_passed(mark));
        assert_eq!(flights.end(c), Some(FLIGHT));
        assert_eq!(flights.end(c), None, "a token comes back once");
        assert!(flights.is_empty());
    }

    #[test]
    fn a_copy_that_is_stuck_is_told_once_and_holds_its_mark() {
        let mut flights = Flights::new(2);
        let a = start(&mut flights).unwrap();
        let mark = flights.mark();
        assert_eq!(flights.get_stuck(a), Some(FLIGHT));
        assert_eq!(flights.get_stuck(a), None);
        assert!(!flights.has_passed(mark) && !flights.is_empty());
        assert_eq!(flights.end(a), None);
        assert!(flights.has_passed(mark) && flights.is_empty());
        let again = start(&mut flights).unwrap();
        assert_eq!(flights.end(again), Some(FLIGHT));
    }

    #[test]
    fn there_are_as_many_tokens_as_the_engine_is_deep() {
        for (depth, tokens) in [(0, 1), (2, 2), (64, 64), (1000, 64)] {
            let mut flights = Flights::new(depth);
            for _ in 0..tokens {
                assert!(start(&mut flights).is_some());
            }
            assert!(start(&mut flights).is_none(), "{depth}");
            assert_eq!(flights.end(Token(tokens)), None);
        }
    }
}
