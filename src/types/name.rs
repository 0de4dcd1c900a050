//! The name of an object.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The display name of a volume, template, pool, registry or sandbox.
///
/// A DNS-1035 label: 1 to 63 lower-case letters, digits and hyphens, starting with a letter and ending with a letter
/// or digit (contract section 2.8). Names are unique for each kind within a workspace, and an object keeps its id when
/// its name changes. Cloning is cheap.
///
/// ```
/// use sbx::types::Name;
///
/// assert_eq!(Name::parse("python-warm")?.as_str(), "python-warm");
/// assert!(Name::parse("Python").is_err());
/// # Ok::<(), sbx::types::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name that the API takes, in bytes.
    pub const MAX_LEN: usize = 63;

    /// Checks `text` and wraps it.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which part of the rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks the name of something that is published, and wraps it: components separated by `/`, with a tag behind a `:`
    /// maybe, or with an id behind an `@` where no tag points there any more. The tag `latest` is left out.
    ///
    /// ```
    /// use sbx::types::Name;
    ///
    /// assert_eq!(Name::published("team/python:3.12")?.as_str(), "team/python:3.12");
    /// assert_eq!(Name::published("python:latest")?.as_str(), "python");
    /// assert!(Name::published("Python").is_err());
    /// # Ok::<(), sbx::types::NameError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NameError`] says which part of the rule is broken.
    pub fn published(text: &str) -> Result<Self, NameError> {
        let (path, rest) = text.find([':', '@']).map_or((text, ""), |at| text.split_at(at));
        check_path(path)?;
        match rest.split_at_checked(1) {
            None | Some((":", "latest")) => return Ok(Self(path.into())),
            Some((":", tag)) => check_tag(tag)?,
            Some((_, "")) => return Err(NameError::Empty),
            Some((_, id)) => check_all(id, |c| c.is_ascii_alphanumeric() || c == '-')?,
        }
        Ok(Self(text.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text has more than [`Name::MAX_LEN`] characters.
    #[error("a name has at most 63 characters, this one has {len}")]
    TooLong {
        /// How many characters the text has.
        len: usize,
    },
    /// The text has more characters than the name of something that is published, or its tag, may have.
    #[error("the name of a snapshot has at most 255 characters, and its tag 128; this is {len}")]
    TooLongPath {
        /// How many characters the text has.
        len: usize,
    },
    /// A character that the name of something that is published cannot have there.
    #[error(
        "a name has lower-case letters, digits, `-`, `.`, `_` and `/`, and may have a tag behind a `:`, not `{found}`"
    )]
    BadPublished {
        /// The character found.
        found: char,
    },
    /// The first character is not a lower-case letter.
    #[error("a name starts with a lower-case letter, not `{found}`")]
    BadStart {
        /// The character found there.
        found: char,
    },
    /// The last character is a hyphen.
    #[error("a name ends with a letter or a digit, not `-`")]
    BadEnd,
    /// A character that no name may contain.
    #[error("a name has only lower-case letters, digits and hyphens, not `{found}`")]
    BadCharacter {
        /// The character found.
        found: char,
    },
}

/// The longest name of something that is published, without its tag, in bytes.
const MAX_PATH: usize = 255;
/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

fn check_path(path: &str) -> Result<(), NameError> {
    if path.len() > MAX_PATH {
        return Err(NameError::TooLongPath { len: path.len() });
    }
    for component in path.split('/') {
        let first = component.chars().next().ok_or(NameError::Empty)?;
        check_all(component, |c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '_'))?;
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::BadStart { found: first });
        }
        if component.ends_with(['-', '.', '_']) {
            return Err(NameError::BadEnd);
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), NameError> {
    let first = tag.chars().next().ok_or(NameError::Empty)?;
    if tag.len() > MAX_TAG {
        return Err(NameError::TooLongPath { len: tag.len() });
    }
    if matches!(first, '.' | '-') {
        return Err(NameError::BadStart { found: first });
    }
    check_all(tag, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

fn check_all(text: &str, is_good: impl Fn(char) -> bool) -> Result<(), NameError> {
    match text.chars().find(|c| !is_good(*c)) {
        Some(found) => Err(NameError::BadPublished { found }),
        None => Ok(()),
    }
}

fn check(text: &str) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    if let Some(found) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Err(NameError::BadCharacter { found });
    }
    if !first.is_ascii_lowercase() {
        return Err(NameError::BadStart { found: first });
    }
    if text.ends_with('-') {
        return Err(NameError::BadEnd);
    }
    if text.len() > Name::MAX_LEN {
        return Err(NameError::TooLong { len: text.len() });
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        check(&text)?;
        Ok(Self(text.into()))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_rule_takes() {
        let longest = "a".repeat(63);
        for text in ["a", "a1", "a-b", "a--b", "python-3-12", longest.as_str()] {
            assert_eq!(Name::parse(text).map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let too_long = "a".repeat(64);
        let cases = [
            ("", NameError::Empty),
            ("1a", NameError::BadStart { found: '1' }),
            ("-a", NameError::BadStart { found: '-' }),
            ("a-", NameError::BadEnd),
            ("a_b", NameError::BadCharacter { found: '_' }),
            ("Abc", NameError::BadCharacter { found: 'A' }),
            ("é", NameError::BadCharacter { found: 'é' }),
            (too_long.as_str(), NameError::TooLong { len: 64 }),
        ];
        for (text, error) in cases {
            assert_eq!(Name::parse(text), Err(error), "{text}");
        }
    }
}
