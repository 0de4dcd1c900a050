//! Finding the place of a field by its path, when something is reported long after reading.

use super::node::Node;
use super::source::Span;

/// A value found by its path.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The key that the value stands under; nothing for the item of a sequence, and for the root.
    pub key: Option<&'a Node>,
    /// The value.
    pub value: &'a Node,
    /// Whether the whole path was found. If not, this is the last part that was.
    pub exact: bool,
}

impl Found<'_> {
    /// Returns the place to point at: the value if it is the one asked for, else the key or head of what is there.
    pub fn span(&self) -> Span {
        match self.key {
            Some(key) if !self.exact || self.value.as_scalar().is_none() => key.span,
            _ => self.value.head(),
        }
    }
}

impl Node {
    /// Returns the value at a path such as `spec.mounts[0].path`.
    ///
    /// Items are counted from 0. A key with a dot or a bracket in it stands in brackets and double quotes:
    /// `metadata.labels["example.com/team"]`. The empty path is the node itself.
    pub fn at(&self, path: &str) -> Option<Found<'_>> {
        Some(self.nearest(path)).filter(|found| found.exact)
    }

    /// Returns the value at a path, or what comes nearest to it: the last part of the path that exists.
    ///
    /// A field that is missing is reported where it should have been.
    pub fn nearest(&self, path: &str) -> Found<'_> {
        let mut found = Found { key: None, value: self, exact: true };
        let mut rest = path;
        while !rest.is_empty() {
            let Some(next) = step(&mut rest).and_then(|step| found.value.child(step)) else {
                return Found { exact: false, ..found };
            };
            found = next;
        }
        found
    }

    fn child(&self, step: Step<'_>) -> Option<Found<'_>> {
        match step {
            Step::Key(key) => {
                let entry = self.entry(key)?;
                Some(Found { key: Some(&entry.key), value: &entry.value, exact: true })
            }
            Step::Index(index) => {
                let value = self.as_sequence()?.get(index)?;
                Some(Found { key: None, value, exact: true })
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

/// Takes the first step off a path; nothing when the path is malformed there.
fn step<'p>(rest: &mut &'p str) -> Option<Step<'p>> {
    if let Some(quoted) = rest.strip_prefix("[\"") {
        let (key, after) = quoted.split_once("\"]")?;
        *rest = after.strip_prefix('.').unwrap_or(after);
        return Some(Step::Key(key));
    }
    if let Some(bracket) = rest.strip_prefix('[') {
        let (index, after) = bracket.split_once(']')?;
        *rest = after.strip_prefix('.').unwrap_or(after);
        return index.parse().ok().map(Step::Index);
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (key, after) = rest.split_at(end);
    *rest = after.strip_prefix('.').unwrap_or(after);
    (!key.is_empty()).then_some(Step::Key(key))
}

#[cfg(test)]
mod tests {
    use crate::manifest::tests::{good, text_at};

    const TEXT: &str = "spec:\n  mounts:\n    - path: /a\n    - path: /b\n  labels: {x.y: z}\n  grid: [[1, 2], [3]]\n";

    #[test]
    fn finds_a_value_and_its_key() {
        let (documents, root) = good(TEXT);
        for (path, expected) in [
            ("spec.mounts[1].path", "/b"),
            ("spec.labels[\"x.y\"]", "z"),
            ("spec.grid[0][1]", "2"),
            ("spec[\"mounts\"][0].path", "/a"),
        ] {
            let found = root.at(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(text_at(&documents, found.value.span), expected, "{path}");
        }
        let key = root.at("spec.mounts[1].path").unwrap().key.unwrap();
        assert_eq!(text_at(&documents, key.span), "path");
        assert!(root.at("").unwrap().key.is_none());
    }

    #[test]
    fn what_is_not_there_is_reported_where_it_should_be() {
        let (documents, root) = good(TEXT);
        for path in ["spec.mounts[1].size", "spec.mounts[1].path.x", "spec.mounts[1].path[0]"] {
            assert!(root.at(path).is_none(), "{path}");
        }
        let nearest = root.nearest("spec.size");
        assert_eq!(text_at(&documents, nearest.span()), "spec");
        let nearest = root.nearest("spec.mounts[1].size");
        assert_eq!(text_at(&documents, nearest.span()), "path");
        let nearest = root.nearest("status");
        assert_eq!(text_at(&documents, nearest.span()), "spec");
    }

    #[test]
    fn malformed_paths_find_nothing() {
        let (_, root) = good(TEXT);
        for path in [".", "spec..mounts", "spec.mounts[", "spec.mounts[x]", "spec.mounts[-1]", "spec[\"mounts", "[0]"] {
            assert!(root.at(path).is_none(), "{path}");
        }
    }
}
