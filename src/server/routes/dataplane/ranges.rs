//! Parts of files, and files that have not changed (RFC 9110, sections 13 and 14; contract section 6 of the second
//! generation).

use std::ops::Range;

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// What a request wants of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// Nothing: the client has it as it is.
    Unchanged,
    /// A part that the file does not have.
    Beyond,
}

/// Says what a request wants of a file of that size, whose state has that tag.
pub(super) fn of(headers: &HeaderMap, size: u64, tag: Option<&str>) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(known) = text(IF_NONE_MATCH)
        && (known.trim() == "*" || known.split(',').any(|known| tag == Some(known.trim().trim_start_matches("W/"))))
    {
        return Wanted::Unchanged;
    }
    let Some(range) = text(RANGE) else { return Wanted::Whole };
    // A part of another state than the one that the client has parts of would fit nothing.
    if text(IF_RANGE).is_some_and(|known| tag != Some(known.trim())) {
        return Wanted::Whole;
    }
    part(range, size)
}

/// Reads `bytes=FIRST-LAST`, where one of the two may be missing. Several parts at once, and what is no range, count as
/// none: the whole file is an answer to that, too.
fn part(text: &str, size: u64) -> Wanted {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), "") => first..size,
        (Ok(first), last) => match last.parse::<u64>() {
            Ok(last) if last >= first => first..last.saturating_add(1).min(size),
            _ => return Wanted::Whole,
        },
        // The last so many bytes.
        (Err(_), last) if first.trim().is_empty() => match last.parse::<u64>() {
            Ok(n) => size.saturating_sub(n)..size,
            Err(_) => return Wanted::Whole,
        },
        _ => return Wanted::Whole,
    };
    if range.is_empty() { Wanted::Beyond } else { Wanted::Part(range) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wanted(pairs: &[(http::HeaderName, &'static str)]) -> Wanted {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        of(&headers, 100, Some("\"t\""))
    }

    #[test]
    fn parts() {
        for (text, expected) in [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=90-1000", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=9-0", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
        ] {
            assert_eq!(wanted(&[(RANGE, text)]), expected, "{text}");
        }
    }

    #[test]
    fn conditions() {
        for (known, expected) in [("\"t\"", Wanted::Unchanged), ("W/\"t\", \"u\"", Wanted::Unchanged)] {
            assert_eq!(wanted(&[(IF_NONE_MATCH, known)]), expected, "{known}");
        }
        assert_eq!(wanted(&[(IF_NONE_MATCH, "*")]), Wanted::Unchanged);
        assert_eq!(wanted(&[(IF_NONE_MATCH, "\"u\"")]), Wanted::Whole);
        assert_eq!(wanted(&[(RANGE, "bytes=0-9"), (IF_RANGE, "\"t\"")]), Wanted::Part(0..10));
        assert_eq!(wanted(&[(RANGE, "bytes=0-9"), (IF_RANGE, "\"u\"")]), Wanted::Whole);
    }
}
