//! Labels of a manifest, and what selects objects by them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Labels or annotations: text keys to text values, in key order.
///
/// Those of a manifest are local to `sbx`, since the first generation of the API has no place for them; the second has
/// labels on snapshots and sandboxes.
pub type Labels = BTreeMap<String, String>;

/// Selects objects by their labels: `team=research,tier!=test,warm,!old`, all of which must hold.
///
/// An empty selector selects everything. As with `kubectl`, `a!=b` also holds where there is no label `a`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    label: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Is(String),
    IsNot(String),
    Exists,
    Missing,
}

/// Why a text is not a [`Selector`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is none of `label=value`, `label!=value`, `label` and `!label`")]
pub struct SelectorError {
    text: String,
}

impl Selector {
    /// Returns whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether an object with these labels is selected.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.label);
            match &requirement.rule {
                Rule::Is(wanted) => value == Some(wanted),
                Rule::IsNot(unwanted) => value != Some(unwanted),
                Rule::Exists => value.is_some(),
                Rule::Missing => value.is_none(),
            }
        })
    }

    /// Adds the requirements of another selector.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        text.split(',').map(|part| requirement(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    let (label, rule) = if let Some((label, value)) = text.split_once("!=") {
        (label, Rule::IsNot(value.trim().to_owned()))
    } else if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (label, Rule::Is(value.trim().to_owned()))
    } else if let Some(label) = text.strip_prefix('!') {
        (label, Rule::Missing)
    } else {
        (text, Rule::Exists)
    };
    let label = label.trim();
    if label.is_empty() || label.contains(['!', '=', ' ']) {
        return Err(SelectorError { text: text.to_owned() });
    }
    Ok(Requirement { label: label.to_owned(), rule })
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { label, rule }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match rule {
                Rule::Is(value) => write!(f, "{comma}{label}={value}")?,
                Rule::IsNot(value) => write!(f, "{comma}{label}!={value}")?,
                Rule::Exists => write!(f, "{comma}{label}")?,
                Rule::Missing => write!(f, "{comma}!{label}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_must_hold() {
        let labels = Labels::from([("team".into(), "research".into()), ("warm".into(), String::new())]);
        for (text, selects) in [
            ("team=research", true),
            ("team==research", true),
            ("team=infra", false),
            ("team!=infra", true),
            ("other!=infra", true),
            ("team!=research", false),
            ("warm", true),
            ("!warm", false),
            ("!cold", true),
            ("team = research , warm", true),
            ("team=research,!warm", false),
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.selects(&labels), selects, "{text}");
            assert_eq!(selector.to_string().parse(), Ok(selector), "{text}");
        }
        assert!(Selector::default().selects(&Labels::new()));
    }

    #[test]
    fn a_text_that_says_nothing_is_refused() {
        for text in ["", "a,,b", "=x", "!", "!a=b", "a b", "!=x"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
