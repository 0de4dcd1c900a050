//! Texts that occur again and again, kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// Longer texts are hardly ever repeated, and hashing them costs more than it saves.
const LONGEST: usize = 48;

/// Gives equal short texts the same memory: ten thousand manifests have ten thousand times the same few keys.
#[derive(Debug, Default)]
pub(super) struct Interner(HashSet<Arc<str>>);

impl Interner {
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if text.len() > LONGEST {
            return text.into();
        }
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_their_memory() {
        let mut interner = Interner::default();
        assert!(Arc::ptr_eq(&interner.share("name"), &interner.share("name")));
        assert_eq!(&*interner.share("other"), "other");
        let long = "x".repeat(LONGEST + 1);
        assert!(!Arc::ptr_eq(&interner.share(&long), &interner.share(&long)));
    }
}
