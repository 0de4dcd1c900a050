//! Names that no manifest may declare: those of objects that a plan makes, or puts aside, on its way, and those of the
//! service's own.

use crate::types::{Name, ObjectId};

/// What the reserved names have in them.
const MARK: &str = "--sbx-";
/// How many hex digits follow.
const DIGITS: usize = 8;

/// What the names of the service's own snapshots begin with (contract section 2.2 of the second generation). No label has
/// a `/` in it.
const PROVIDED: &str = "system/";

/// Returns whether this is the name of something that the service provides: it is always there, and nobody's to declare,
/// to change or to keep.
pub fn is_provided(name: &str) -> bool {
    name.starts_with(PROVIDED)
}

/// Returns whether no manifest may declare this name.
pub fn is_reserved(name: &Name) -> bool {
    name.as_str().contains(MARK) || known_by_id(name).is_some()
}

/// Returns the name that something published has once its name points elsewhere; `None` if its id is none that a server
/// gives.
pub fn by_id(name: &Name, id: &ObjectId) -> Option<Name> {
    let path = name.as_str().split([':', '@']).next()?;
    Name::published(&format!("{path}@{id}")).ok()
}

/// Returns the path and the id of something that no name points to.
pub fn known_by_id(name: &Name) -> Option<(&str, &str)> {
    name.as_str().split_once('@')
}

/// Returns `NAME--sbx-HASH`, with a hash over `parts`; NAME is cut to where the whole fits, and what no label can have in
/// it is a hyphen.
///
/// # Panics
///
/// Never: the front of a name, with letters and digits behind it, is a name.
///
/// The same arguments give the same name in every version of `sbx`, since a later run has to recognise it.
pub fn reserved_name(name: &Name, parts: &[&str]) -> Name {
    let is_of_labels = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let start = reserved_start(name).trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let start: String = start.chars().map(|c| if is_of_labels(c) { c } else { '-' }).collect();
    let start = if start.is_empty() { "x" } else { &start };
    let text = format!("{start}{MARK}{:0DIGITS$x}", hash(parts));
    Name::parse(&text).expect("a good name, cut, with letters and digits behind it is one")
}

/// Returns what the reserved names that are made from a name start with: the name itself, cut to where the whole fits.
pub fn reserved_start(name: &Name) -> &str {
    let longest = Name::MAX_LEN - MARK.len() - DIGITS;
    name.as_str().get(..longest).unwrap_or(name.as_str())
}

/// Returns what a reserved name starts with; `None` if it is not one that [`reserved_name`] can have made.
pub fn reserved_start_of(name: &Name) -> Option<&str> {
    if let Some((path, _)) = known_by_id(name) {
        return Some(path);
    }
    let (start, digits) = name.as_str().rsplit_once(MARK)?;
    let is_hash = digits.len() == DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hash && !start.is_empty()).then_some(start)
}

/// The 32-bit FNV-1a hash (RFC 9923), with a zero byte behind each part so that parts do not run together.
fn hash(parts: &[&str]) -> u32 {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_reserved_name_is_a_name_and_always_the_same() {
        let reserved = reserved_name(&name("python"), &["template", "python", "a"]);
        assert_eq!(reserved.as_str(), "python--sbx-3c5a7160");
        assert!(is_reserved(&reserved) && !is_reserved(&name("python-sbx")));
        assert_ne!(reserved, reserved_name(&name("python"), &["template", "python", "b"]));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = name(&"a".repeat(63));
        assert_eq!(reserved_name(&long, &["x"]).as_str().len(), Name::MAX_LEN);
        let hyphens = name(&format!("a{}b", "-".repeat(61)));
        let reserved = reserved_name(&hyphens, &["x"]);
        assert!(is_reserved(&reserved));
        assert_eq!(reserved_start_of(&reserved), Some(reserved_start(&hyphens)));
    }

    #[test]
    fn only_what_was_made_here_has_a_start() {
        for text in ["python", "a--sbx-b", "a--sbx-0123456g", "a--sbx-123456789"] {
            assert_eq!(reserved_start_of(&name(text)), None, "{text}");
        }
        assert_eq!(reserved_start_of(&name("a--sbx-01234567")), Some("a"));
    }
}
