//! Windows, however they are granted and merged, are a map from pages to pages.

use std::collections::BTreeMap;

use proptest::prelude::*;
use unimux_memory::{GrantError, Ipa, Pa, Span, Windows};

const PAGE: u64 = 4096;
/// Pages of IPAs, and of memory.
const PAGES: u64 = 32;
const ROOM: usize = 6;

/// Memory of `PAGES` pages. It is never touched here.
fn memory() -> Span {
    static MEMORY: [u64; (PAGES * PAGE / 8) as usize] = [0; (PAGES * PAGE / 8) as usize];
    let pa = Pa::new(MEMORY.as_ptr().expose_provenance() as u64);
    let mut windows = Windows::new();
    #[expect(unsafe_code, reason = "test memory is granted")]
    // SAFETY: nothing in this file reads or writes through a span.
    unsafe { windows.grant(Ipa::new(0), pa, PAGES * PAGE) }.expect("one window");
    windows
        .translate(Ipa::new(0), PAGES * PAGE)
        .expect("just granted")
}

/// Runs of pages that are adjacent on both sides.
fn runs(model: &BTreeMap<u64, u64>) -> usize {
    let begins = |(page, frame): (&u64, &u64)| {
        page.checked_sub(1)
            .and_then(|below| model.get(&below))
            .is_none_or(|below| below + 1 != *frame)
    };
    model.iter().filter(|&pair| begins(pair)).count()
}

proptest! {
    #[test]
    fn of_pages(grants in prop::collection::vec((0..PAGES, 0..PAGES, 1..4u64), 1..60)) {
        let memory = memory();
        let mut windows = Windows::with_capacity(ROOM);
        let mut model = BTreeMap::new();
        for (page, frame, count) in grants {
            let count = count.min(PAGES - frame);
            let part = memory.part(frame * PAGE, count * PAGE).expect("inside");
            let granted = windows.grant_span(Ipa::new(page * PAGE), part);
            let mut next = model.clone();
            next.extend((0..count).map(|i| (page + i, frame + i)));
            if (0..count).any(|i| model.contains_key(&(page + i))) {
                prop_assert!(matches!(granted, Err(GrantError::Overlaps(_))));
            } else if runs(&next) > ROOM {
                prop_assert_eq!(granted, Err(GrantError::Full(ROOM)));
            } else {
                prop_assert_eq!(granted, Ok(()));
                model = next;
            }
            prop_assert_eq!(windows.count(), runs(&model));
            prop_assert_eq!(windows.len_bytes(), model.len() as u64 * PAGE);
        }
        for page in 0..PAGES + 4 {
            let at = Ipa::new(page * PAGE + 8);
            let expected = model.get(&page).map(|frame| memory.pa().get() + frame * PAGE + 8);
            let found = windows.translate(at, PAGE - 8).ok().map(|span| span.pa().get());
            prop_assert_eq!(found, expected);
            let next = model.get(&page).map(|frame| model.get(&(page + 1)) == Some(&(frame + 1)));
            let both = windows.translate(at, PAGE).is_ok();
            prop_assert_eq!(both, next == Some(true));
            let some = windows.translate_some(at, PAGE).map_or(0, Span::len_bytes);
            let len = match next {
                None => 0,
                Some(false) => PAGE - 8,
                Some(true) => PAGE,
            };
            prop_assert_eq!(some, len);
        }
    }
}
