//! Many names in one line.

use std::fmt::Display;

/// How many are named before the rest is counted.
const NAMED: usize = 8;

/// Returns the first of these names, and how many more there are: `a, b and 3 more`.
pub(crate) fn names(all: impl IntoIterator<Item = impl Display>) -> String {
    let mut all = all.into_iter();
    let named: Vec<_> = all.by_ref().take(NAMED).map(|name| name.to_string()).collect();
    match all.count() {
        0 => named.join(", "),
        n_more => format!("{} and {n_more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_first_is_counted() {
        assert_eq!(names([0; 0]), "");
        assert_eq!(names(0..8), "0, 1, 2, 3, 4, 5, 6, 7");
        assert_eq!(names(0..10), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
    }
}
