//! Patterns for the paths of files: `**` for any number of names, and `*`, `?` and `[…]` within one.
//!
//! A pattern is followed along a path one name at a time ([`Glob::follow`]), so that a search leaves out whole folders in
//! which nothing can match. Whoever writes a pattern may mean harm: matching a name takes time by the product of the two
//! lengths at most, and a pattern has at most 4096 bytes. Crates for this match whole paths, which a search would have to
//! be through with first.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes: as long as a path can be.
const LONGEST: usize = 4096;

/// A pattern for paths below a folder.
///
/// Names that begin with a dot are like others. A `\` takes away what the character behind it means; a `[` that no `]`
/// follows means itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// It names nothing.
    #[error("Input should be a pattern with at least one name")]
    Empty,
    /// It is too long.
    #[error("Input should have at most {LONGEST} bytes")]
    TooLong,
}

/// What one or more names of a path have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any number of names.
    Any,
    /// One name.
    Name(Vec<Token>),
}

/// What one or more characters of a name have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Exactly(char),
    One,
    Many,
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

/// How far along a pattern the path of a folder can be: the numbers of the parts that may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<usize>);

impl Glob {
    /// Returns where every path begins.
    pub fn start(&self) -> Place {
        let mut place = Place(Vec::new());
        self.reach(&mut place, 0);
        place
    }

    /// Goes on by one name; returns whether the path up to it matches, and where it is.
    pub fn follow(&self, from: &Place, name: &str) -> (bool, Place) {
        let name: Vec<char> = name.chars().collect();
        let mut place = Place(Vec::new());
        for &at in &from.0 {
            match self.parts.get(at) {
                Some(Part::Any) => self.reach(&mut place, at),
                Some(Part::Name(tokens)) if matches(tokens, &name) => self.reach(&mut place, at + 1),
                _ => {}
            }
        }
        (place.0.contains(&self.parts.len()), place)
    }

    /// Returns whether a path further down can match.
    pub fn goes_on(&self, place: &Place) -> bool {
        place.0.iter().any(|&at| at < self.parts.len())
    }

    /// Returns whether a path matches.
    pub fn is_match(&self, path: &str) -> bool {
        let mut state = (false, self.start());
        for name in path.split('/').filter(|name| !name.is_empty()) {
            state = self.follow(&state.1, name);
        }
        state.0
    }

    /// Returns the pattern for files of the whole tree, where one that is a mere name means them at any depth.
    #[must_use]
    pub fn at_any_depth(mut self) -> Self {
        if !self.text.contains('/') && !self.text.contains("**") {
            self.text.insert_str(0, "**/");
            self.parts.insert(0, Part::Any);
        }
        self
    }

    /// Adds a part to a place, and the one behind it where the part may stand for no name.
    fn reach(&self, place: &mut Place, at: usize) {
        let skipped = self.parts[at..].iter().take_while(|part| **part == Part::Any).count();
        for at in at..=at + skipped {
            if !place.0.contains(&at) {
                place.0.push(at);
            }
        }
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST {
            return Err(GlobError::TooLong);
        }
        let mut parts: Vec<Part> = text.split('/').filter(|part| !part.is_empty()).map(part).collect();
        // Several are no more than one.
        parts.dedup_by(|next, last| *next == Part::Any && *last == Part::Any);
        if parts.is_empty() { Err(GlobError::Empty) } else { Ok(Self { text: text.to_owned(), parts }) }
    }
}

impl TryFrom<String> for Glob {
    type Error = GlobError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn part(text: &str) -> Part {
    if text == "**" {
        return Part::Any;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let (token, length) = match (char, chars.get(at + 1)) {
            ('*', _) => (Token::Many, 1),
            ('?', _) => (Token::One, 1),
            ('\\', Some(&next)) => (Token::Exactly(next), 2),
            ('[', _) => class(&chars[at..]).unwrap_or((Token::Exactly('['), 1)),
            _ => (Token::Exactly(char), 1),
        };
        if token != Token::Many || tokens.last() != Some(&Token::Many) {
            tokens.push(token);
        }
        at += length;
    }
    Part::Name(tokens)
}

/// Reads a class at its `[`, and returns how many characters it takes; `None` when it has no end. A `]` that comes first
/// is one of the class.
fn class(chars: &[char]) -> Option<(Token, usize)> {
    let is_negated = matches!(chars.get(1), Some('!' | '^'));
    let first = if is_negated { 2 } else { 1 };
    let end = first + 1 + chars.get(first + 1..)?.iter().position(|&char| char == ']')?;
    let (mut ranges, mut at) = (Vec::new(), first);
    while at < end {
        let has_range = at + 2 < end && chars[at + 1] == '-';
        let last = if has_range { at + 2 } else { at };
        ranges.push((chars[at], chars[last]));
        at = last + 1;
    }
    Some((Token::Class { is_negated, ranges }, end + 1))
}

/// Returns whether a name is what the tokens say. After a mismatch only the last `*` takes one more: those before it
/// need not be tried anew.
fn matches(tokens: &[Token], name: &[char]) -> bool {
    let (mut token, mut char) = (0, 0);
    let mut last_many = None;
    while char < name.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                last_many = Some((token, char));
                token += 1;
            }
            Some(wanted) if wanted.takes(name[char]) => (token, char) = (token + 1, char + 1),
            _ => {
                let Some((many, taken)) = last_many else { return false };
                last_many = Some((many, taken + 1));
                (token, char) = (many + 1, taken + 1);
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

impl Token {
    /// Returns whether it stands for this one character.
    fn takes(&self, char: char) -> bool {
        match self {
            Self::Exactly(wanted) => *wanted == char,
            Self::One => true,
            Self::Many => false,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&char)) != *is_negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        text.parse().expect("a pattern")
    }

    #[test]
    fn what_matches() {
        for (pattern, path, expected) in [
            ("*", "a", true),
            ("*", ".a", true),
            ("*", "a/b", false),
            ("*.py", "a.py", true),
            ("*.py", "d/a.py", false),
            ("**/*.py", "a.py", true),
            ("**/*.py", "d/e/a.py", true),
            ("d/**", "d/e/a.py", true),
            ("d/**", "d", true),
            ("d/**/f", "d/f", true),
            ("d/**/f", "d/x/y/f", true),
            ("d/**/f", "d/x/y/g", false),
            ("**/**/**", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a?c", "ac", false),
            ("?", "ä", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("**.py", "a.py", true),
            ("/a//b/", "a/b", true),
            ("..", "a", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
        ] {
            assert_eq!(glob(pattern).is_match(path), expected, "{pattern} {path}");
        }
        assert_eq!("/".parse::<Glob>(), Err(GlobError::Empty));
        assert_eq!("a".repeat(4097).parse::<Glob>(), Err(GlobError::TooLong));
    }

    #[test]
    fn a_mere_name_is_meant_at_any_depth() {
        assert!(glob("*.py").at_any_depth().is_match("d/e/a.py"));
        assert!(!glob("d/*.py").at_any_depth().is_match("e/d/a.py"));
        assert_eq!(glob("*.py").at_any_depth(), glob("**/*.py"));
    }

    #[test]
    fn what_cannot_match_is_not_gone_into() {
        for (pattern, folder, expected) in
            [("*", "a", false), ("a/*", "a", true), ("a/*", "b", false), ("a/**", "a/b/c", true), ("*/b", "a/b", false)]
        {
            let glob = glob(pattern);
            let place = folder.split('/').fold(glob.start(), |place, name| glob.follow(&place, name).1);
            assert_eq!(glob.goes_on(&place), expected, "{pattern} {folder}");
        }
    }

    /// What the pattern of one name means, said without regard to time.
    fn by_definition(tokens: &[Token], name: &[char]) -> bool {
        match (tokens.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((Token::Many, rest)), _) => (0..=name.len()).any(|taken| by_definition(rest, &name[taken..])),
            (Some((token, tokens)), Some((char, name))) => token.takes(*char) && by_definition(tokens, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_name_matches_as_is_defined(pattern in "[ab*?]{1,8}", name in "[ab]{1,8}") {
            let Part::Name(tokens) = part(&pattern) else { return Ok(()) };
            let name: Vec<char> = name.chars().collect();
            prop_assert_eq!(matches(&tokens, &name), by_definition(&tokens, &name));
        }

        #[test]
        fn no_text_is_too_odd(pattern in any::<String>(), path in any::<String>()) {
            if let Ok(glob) = pattern.parse::<Glob>() {
                let _ = glob.is_match(&path);
                let text = String::from(glob.clone());
                prop_assert_eq!(text.parse::<Glob>(), Ok(glob));
            }
        }
    }
}
