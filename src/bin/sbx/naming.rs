//! What command lines call objects: `KIND/NAME`, or a kind followed by names.

use sbx::kinds::{self, Key, KindId};
use sbx::manifest::suggest;
use sbx::types::Name;

use crate::failure::Failure;

/// Returns the kind that a word means.
///
/// # Errors
///
/// [`Failure::Usage`] when it means none.
pub(crate) fn kind(word: &str) -> Result<KindId, Failure> {
    kinds::meant_by(word).ok_or_else(|| {
        let words = || kinds::all().flat_map(|kind| [kind.info().singular, kind.info().plural]);
        let hint = match suggest(word, words()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                format!("the kinds are {}", kinds::all().map(|kind| kind.info().plural).collect::<Vec<_>>().join(", "))
            }
        };
        Failure::Usage { message: format!("there is no kind `{word}`"), hint: Some(hint) }
    })
}

/// Returns the objects that words mean: each `KIND/NAME`, or the first a kind and all others names.
///
/// # Errors
///
/// [`Failure::Usage`] when they mean none.
pub(crate) fn keys(words: &[String]) -> Result<Vec<Key>, Failure> {
    let Some((first, rest)) = words.split_first() else { return Ok(Vec::new()) };
    if first.contains('/') {
        return words.iter().map(|word| key(word)).collect();
    }
    let kind = kind(first)?;
    if rest.is_empty() {
        let singular = kind.info().singular;
        let hint = format!("write {singular}/NAME; `sbx get {}` lists them", kind.info().plural);
        return Err(Failure::Usage { message: format!("which {singular}?"), hint: Some(hint) });
    }
    rest.iter().map(|word| Ok(Key { kind, name: name(word)? })).collect()
}

/// Returns the object that a word means.
///
/// # Errors
///
/// [`Failure::Usage`] when it means none.
pub(crate) fn key(word: &str) -> Result<Key, Failure> {
    let Some((kind_word, name_word)) = word.split_once('/') else {
        return Err(Failure::usage(format!("`{word}` is not KIND/NAME")));
    };
    Ok(Key { kind: kind(kind_word)?, name: name(name_word)? })
}

fn name(word: &str) -> Result<Name, Failure> {
    Name::parse(word).map_err(|error| Failure::usage(format!("`{word}` cannot be a name: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let keys = keys(&words).map_err(|failure| format!("{failure}; {}", failure.hints().join("; ")))?;
        Ok(keys.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn both_forms() {
        assert_eq!(shown(&["po/a", "volumes/b"]), Ok(vec!["pool/a".to_owned(), "volume/b".to_owned()]));
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
