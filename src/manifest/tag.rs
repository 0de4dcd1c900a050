//! The tags of the core schema, the only ones that a manifest may have.

use super::scalar::ScalarKind;

const PREFIX: &str = "tag:yaml.org,2002:";

/// A tag that has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CoreTag {
    /// `!`: whatever it looks like, it is a text, a sequence or a mapping.
    NonSpecific,
    Null,
    Bool,
    Int,
    Float,
    Text,
    Sequence,
    Mapping,
}

impl CoreTag {
    /// Returns the tag with this handle and suffix; nothing for one that is unknown.
    pub(super) fn of(handle: &str, suffix: &str) -> Option<Self> {
        if handle.is_empty() && suffix == "!" {
            return Some(Self::NonSpecific);
        }
        // A verbatim tag, `!<tag:…>`, comes with everything in the suffix.
        let name = if handle.is_empty() { suffix.strip_prefix(PREFIX)? } else { suffix };
        if !handle.is_empty() && handle != PREFIX {
            return None;
        }
        Some(match name {
            "null" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "str" => Self::Text,
            "seq" => Self::Sequence,
            "map" => Self::Mapping,
            _ => return None,
        })
    }

    /// Returns what a scalar with this tag and text is; nothing if they do not fit.
    pub(super) fn kind_of(self, text: &str) -> Option<ScalarKind> {
        let plain = ScalarKind::of_plain(text);
        match (self, plain) {
            (Self::Text | Self::NonSpecific, _) => Some(ScalarKind::Text),
            (Self::Null, ScalarKind::Null) | (Self::Bool, ScalarKind::Bool) | (Self::Int, ScalarKind::Int) => {
                Some(plain)
            }
            (Self::Float, ScalarKind::Int | ScalarKind::Float) => Some(ScalarKind::Float),
            _ => None,
        }
    }

    /// Returns the short spelling.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NonSpecific => "!",
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Text => "!!str",
            Self::Sequence => "!!seq",
            Self::Mapping => "!!map",
        }
    }

    /// Returns what a value with this tag is, with its article.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Null => ScalarKind::Null.name(),
            Self::Bool => ScalarKind::Bool.name(),
            Self::Int => ScalarKind::Int.name(),
            Self::Float => ScalarKind::Float.name(),
            Self::Text | Self::NonSpecific => ScalarKind::Text.name(),
            Self::Sequence => "a sequence",
            Self::Mapping => "a mapping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_core_schema_in_every_spelling() {
        assert_eq!(CoreTag::of(PREFIX, "str"), Some(CoreTag::Text));
        assert_eq!(CoreTag::of("", "tag:yaml.org,2002:int"), Some(CoreTag::Int));
        assert_eq!(CoreTag::of("", "!"), Some(CoreTag::NonSpecific));
        assert_eq!(CoreTag::of("!", "str"), None);
        assert_eq!(CoreTag::of(PREFIX, "binary"), None);
        assert_eq!(CoreTag::of("", "str"), None);
    }

    #[test]
    fn a_value_fits_its_tag_or_not() {
        assert_eq!(CoreTag::Text.kind_of("1"), Some(ScalarKind::Text));
        assert_eq!(CoreTag::Float.kind_of("1"), Some(ScalarKind::Float));
        assert_eq!(CoreTag::Int.kind_of("1.5"), None);
        assert_eq!(CoreTag::Sequence.kind_of("1"), None);
        assert_eq!(CoreTag::Null.kind_of(""), Some(ScalarKind::Null));
    }
}
