//! Names that no manifest may declare: those of objects that a plan makes, or puts aside, on its way.

use crate::types::Name;

/// What the reserved names have in them.
const MARK: &str = "--sbx-";
/// How many hex digits follow.
const DIGITS: usize = 8;

/// Returns whether no manifest may declare this name.
pub fn is_reserved(name: &Name) -> bool {
    name.as_str().contains(MARK)
}

/// Returns `NAME--sbx-HASH`, with a hash over `parts`; NAME is cut to where the whole fits.
///
/// # Panics
///
/// Never: the front of a name, with letters and digits behind it, is a name.
///
/// The same arguments give the same name in every version of `sbx`, since a later run has to recognise it.
pub fn reserved_name(name: &Name, parts: &[&str]) -> Name {
    let longest = Name::MAX_LEN - MARK.len() - DIGITS;
    let kept = name.as_str().get(..longest).unwrap_or(name.as_str());
    let text = format!("{kept}{MARK}{:0DIGITS$x}", hash(parts));
    Name::parse(&text).expect("a good name, cut, with letters and digits behind it is one")
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
        assert!(is_reserved(&reserved_name(&hyphens, &["x"])));
    }
}
