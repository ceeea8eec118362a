//! A fixed number of places for objects of one kind; a place's number is the object's handle.

use alloc::boxed::Box;

/// Places for objects. It allocates when it is made and never again.
#[derive(Debug)]
pub(crate) struct Table<T> {
    places: Box<[Option<T>]>,
    /// How many of the places may be used.
    quota: u16,
}

impl<T> Table<T> {
    pub(crate) fn new(places: u16) -> Self {
        Self {
            places: (0..places).map(|_| None).collect(),
            quota: places,
        }
    }

    /// How many places there are.
    pub(crate) const fn places(&self) -> usize {
        self.places.len()
    }

    /// Lets `quota` of the places be used, while none is.
    pub(crate) const fn set_quota(&mut self, quota: u16) {
        self.quota = quota;
    }

    /// Puts the object that `make` makes of its handle in a free place, or returns `None` if no
    /// place is free.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u16) -> T) -> Option<u16> {
        let index = self.free_place()?;
        let handle = u16::try_from(index).ok()?;
        self.places[index] = Some(make(handle));
        Some(handle)
    }

    pub(crate) fn get(&self, handle: u16) -> Option<&T> {
        self.places.get(usize::from(handle))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, handle: u16) -> Option<&mut T> {
        self.places.get_mut(usize::from(handle))?.as_mut()
    }

    pub(crate) fn remove(&mut self, handle: u16) -> Option<T> {
        self.places.get_mut(usize::from(handle))?.take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.free_place().is_some()
    }

    fn free_place(&self) -> Option<usize> {
        let quota = usize::from(self.quota);
        self.places.iter().take(quota).position(Option::is_none)
    }

    pub(crate) fn clear(&mut self) {
        self.places.fill_with(|| None);
    }

    /// Bytes that the places take.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of_val(&*self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_freed_is_taken_again() {
        let mut table = Table::new(2);
        assert_eq!(table.insert(|_| 'a'), Some(0));
        assert_eq!(table.insert(|_| 'b'), Some(1));
        assert_eq!(table.insert(|_| 'c'), None);
        assert_eq!(table.remove(0), Some('a'));
        assert_eq!(table.remove(0), None);
        assert_eq!(table.insert(|_| 'c'), Some(0));
        assert_eq!(table.get(7), None);
    }

    #[test]
    fn a_quota_may_be_less_than_there_is_room_for() {
        let mut table = Table::new(2);
        table.set_quota(1);
        assert_eq!(table.insert(|_| 'a'), Some(0));
        assert!(!table.has_room());
        assert_eq!(table.insert(|_| 'b'), None);
    }
}
