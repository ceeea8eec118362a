//! Results that can only be good, after what was checked before.

/// The value of `result`. Unlike `Result::expect` it says nothing of the error, whose text nobody
/// would read and every image would carry.
///
/// # Panics
/// If it is an error: a bug of Unimux, named by `invariant`.
#[track_caller]
pub(crate) fn holds<T, E>(result: Result<T, E>, invariant: &'static str) -> T {
    match result {
        Ok(value) => value,
        Err(_) => panic!("{invariant}"),
    }
}
