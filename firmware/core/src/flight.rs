//! Copies that the engine has not given back.
//!
//! Every copy has a sequence number. A *mark* is the number that the next copy will have: when all
//! copies before a mark are reaped, whatever was true of memory at the mark is safe to change.

use alloc::boxed::Box;

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
    places: Box<[Option<(u64, Flight)>]>,
    in_flight: usize,
    next_sequence: u64,
}

impl Flights {
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            places: (0..depth).map(|_| None).collect(),
            in_flight: 0,
            next_sequence: 0,
        }
    }

    /// A token for a copy, or `None` if as many are in flight as the engine takes.
    pub(crate) fn start(&mut self, flight: Flight) -> Option<Token> {
        let place = self.places.iter().position(Option::is_none)?;
        self.places[place] = Some((self.next_sequence, flight));
        self.next_sequence += 1;
        self.in_flight += 1;
        Some(Token(place as u16))
    }

    /// The copy with this token has come back, or was never taken by the engine.
    pub(crate) fn end(&mut self, token: Token) -> Option<Flight> {
        let (_, flight) = self.places.get_mut(usize::from(token.0))?.take()?;
        self.in_flight -= 1;
        Some(flight)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.in_flight == 0
    }

    /// The mark of this moment.
    pub(crate) const fn mark(&self) -> u64 {
        self.next_sequence
    }

    /// Whether all copies before `mark` are back.
    pub(crate) fn has_passed(&self, mark: u64) -> bool {
        self.is_empty()
            || self
                .places
                .iter()
                .flatten()
                .all(|&(sequence, _)| sequence >= mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLIGHT: Flight = Flight {
        function: 1,
        qp: 2,
        number: 3,
    };

    #[test]
    fn a_mark_is_passed_when_all_before_it_are_back() {
        let mut flights = Flights::new(4);
        let a = flights.start(FLIGHT).unwrap();
        let b = flights.start(FLIGHT).unwrap();
        let mark = flights.mark();
        let c = flights.start(FLIGHT).unwrap();
        assert!(!flights.has_passed(mark));
        flights.end(b);
        assert!(!flights.has_passed(mark));
        flights.end(a);
        assert!(flights.has_passed(mark));
        assert_eq!(flights.end(c), Some(FLIGHT));
        assert_eq!(flights.end(c), None, "a token comes back once");
    }

    #[test]
    fn there_are_as_many_tokens_as_the_engine_is_deep() {
        let mut flights = Flights::new(2);
        assert!(flights.start(FLIGHT).is_some());
        assert!(flights.start(FLIGHT).is_some());
        assert!(flights.start(FLIGHT).is_none());
    }
}
