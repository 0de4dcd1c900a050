//! What command lines call objects: `KIND/NAME`, or a kind followed by names.

use sbx::kinds::{self, Key, KindId, KindInfo};
use sbx::manifest::suggest;
use sbx::types::NameError;

use crate::failure::Failure;

/// An object that a command line names. Kinds of several versions may have the name of its kind; which of them is meant is
/// decided by what there is.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// At least one, of one name.
    keys: Vec<Key>,
}

impl Named {
    /// Returns the objects that may be meant, at least one.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Returns the object that is meant, where `is_there` tells which there are; if there is none, the first that may be.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when there are several.
    pub(crate) fn among(&self, is_there: impl Fn(&Key) -> bool) -> Result<Key, Failure> {
        let there: Vec<_> = self.keys.iter().filter(|key| is_there(key)).collect();
        match *there {
            [] => Ok(self.keys[0].clone()),
            [key] => Ok(key.clone()),
            [first, ..] => {
                let full = |key: &&Key| {
                    let info = key.kind.info();
                    format!("{}.{}/{}", info.singular, info.api_version.suffix(), key.name)
                };
                let hint = format!("write {}", there.iter().map(full).collect::<Vec<_>>().join(" or "));
                Err(Failure::Usage { message: format!("{first} may be one of several"), hint: Some(hint) })
            }
        }
    }
}

/// Returns the objects that are meant, where `is_there` tells which there are.
///
/// # Errors
///
/// Those of [`Named::among`].
pub(crate) fn among(named: &[Named], is_there: impl Fn(&Key) -> bool) -> Result<Vec<Key>, Failure> {
    named.iter().map(|named| named.among(&is_there)).collect()
}

/// Returns the kinds that a word may mean: several where versions have kinds of the same name.
///
/// # Errors
///
/// [`Failure::Usage`] when it means none.
pub(crate) fn kinds(word: &str) -> Result<Vec<KindId>, Failure> {
    let found = kinds::meant_by(word);
    if found.is_empty() { Err(unknown(word)) } else { Ok(found) }
}

fn unknown(word: &str) -> Failure {
    let words = || kinds::all().flat_map(|kind| [kind.info().singular, kind.info().plural]);
    let hint = match suggest(word, words()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("the kinds are {}", list(|info| info.plural))
        }
    };
    Failure::Usage { message: format!("there is no kind `{word}`"), hint: Some(hint) }
}

/// Lists a word of every kind, once where kinds of several versions have it.
pub(crate) fn list(word: impl Fn(&KindInfo) -> &'static str) -> String {
    let mut words: Vec<_> = Vec::new();
    for word in kinds::all().map(|kind| word(kind.info())) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// Returns the objects that words mean: each `KIND/NAME`, or the first a kind and all others names.
///
/// # Errors
///
/// [`Failure::Usage`] when they mean none.
pub(crate) fn keys(words: &[String]) -> Result<Vec<Named>, Failure> {
    let Some((first, rest)) = words.split_first() else { return Ok(Vec::new()) };
    if first.contains('/') {
        return words.iter().map(|word| key(word)).collect();
    }
    let kinds = kinds(first)?;
    if rest.is_empty() {
        let info = kinds[0].info();
        let hint = format!("write {}/NAME; `sbx get {}` lists them", info.singular, info.plural);
        return Err(Failure::Usage { message: format!("which {}?", info.singular), hint: Some(hint) });
    }
    rest.iter().map(|word| named(&kinds, word)).collect()
}

/// Returns the object that a word means.
///
/// # Errors
///
/// [`Failure::Usage`] when it means none.
pub(crate) fn key(word: &str) -> Result<Named, Failure> {
    let Some((kind_word, name_word)) = word.split_once('/') else {
        return Err(Failure::usage(format!("`{word}` is not KIND/NAME")));
    };
    named(&kinds(kind_word)?, name_word)
}

fn named(kinds: &[KindId], word: &str) -> Result<Named, Failure> {
    let key = |kind: &KindId| Ok(Key { kind: *kind, name: kind.name(word)? });
    let keys: Result<_, NameError> = kinds.iter().map(key).collect();
    let keys = keys.map_err(|error| Failure::usage(format!("`{word}` cannot be a name: {error}")))?;
    Ok(Named { keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let keys = keys(&words).map_err(|failure| format!("{failure}; {}", failure.hints().join("; ")))?;
        Ok(keys.iter().map(|named| named.keys()[0].to_string()).collect())
    }

    #[test]
    fn both_forms() {
        assert_eq!(shown(&["po/a", "volumes/b"]), Ok(vec!["pool/a".to_owned(), "volume/b".to_owned()]));
        assert_eq!(shown(&["snapshot/a/b:1"]), Ok(vec!["snapshot/a/b:1".to_owned()]));
        assert_eq!(
            shown(&["snapshots", "a/b", "c:latest"]),
            Ok(vec!["snapshot/a/b".to_owned(), "snapshot/c".to_owned()])
        );
        assert_eq!(shown(&["boxes", "a", "b"]), Ok(vec!["sandbox/a".to_owned(), "sandbox/b".to_owned()]));
    }

    #[test]
    fn what_makes_no_sense() {
        let error = |words: &[&str]| shown(words).unwrap_err();
        assert_eq!(error(&["pol/a"]), "there is no kind `pol`; did you mean `pool`?");
        assert_eq!(error(&["pool"]), "which pool?; write pool/NAME; `sbx get pools` lists them");
        assert_eq!(error(&["pool/a", "b"]), "`b` is not KIND/NAME; ");
        assert!(error(&["pool/A"]).starts_with("`A` cannot be a name: "));
    }
}
