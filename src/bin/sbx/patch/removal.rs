//! Takes the document of an object out of its file.

use std::ops::Range;

use sbx::kinds::Object;
use sbx::manifest::Span;

use super::{Edit, OfObject, referring_to};
use crate::manifests::Manifests;

/// Returns the edit that takes an object's document out, with the comments in it. What refers to the object is left to who
/// reads the patch.
pub(super) fn of(object: &Object, manifests: &Manifests) -> Result<OfObject, String> {
    let document = manifests.documents.documents.get(object.origin.document).ok_or("it is not declared here")?;
    let text = manifests.documents.sources.get(document.source).text();
    let root = document.root.span;
    let lines = lines_of(text, root.start as usize..root.end as usize)
        .ok_or("it was deleted: take its document out to agree, since its file has `...` or a `%` directive in it")?;
    let at = |offset: usize| u32::try_from(offset).map_err(|_| "it was deleted, and its file is too large to patch");
    let span = Span { source: document.source, start: at(lines.start)?, end: at(lines.end)? };
    let left_out = referring_to(object, manifests).map(|holders| format!("it was deleted, and {holders} refers to it"));
    let edits = vec![Edit { span, text: String::new() }];
    Ok(OfObject { edits, left_out: left_out.into_iter().collect(), ..OfObject::default() })
}

/// Returns the lines of the document whose value stands here, from its `---`, if it has one, to before the next one. `None`
/// where what is around it says more than that one document ends and another begins.
fn lines_of(text: &str, root: Range<usize>) -> Option<Range<usize>> {
    let mut lines = Range { start: 0, end: text.len() };
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        // Within the value there is none: a marker would end it.
        if line.starts_with("...") || line.starts_with('%') {
            return None;
        }
        if !line.starts_with("---") {
            continue;
        }
        if start <= root.start {
            lines.start = start;
        } else if start >= root.end {
            lines.end = start;
            break;
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_goes_with_its_marker_and_its_comments() {
        let without = |text: &str, value: &str| {
            let start = text.find(value).unwrap();
            lines_of(text, start..start + value.len()).map(|lines| {
                let mut text = text.to_owned();
                text.replace_range(lines, "");
                text
            })
        };
        let three = "# one\na: 1\n---\n# two\nb: 2\n--- # three\nc: 3\n";
        assert_eq!(without(three, "a: 1").unwrap(), "---\n# two\nb: 2\n--- # three\nc: 3\n");
        assert_eq!(without(three, "b: 2").unwrap(), "# one\na: 1\n--- # three\nc: 3\n");
        assert_eq!(without(three, "c: 3").unwrap(), "# one\na: 1\n---\n# two\nb: 2\n");
        assert_eq!(without("--- {a: 1}\n--- {b: 2}", "{b: 2}").unwrap(), "--- {a: 1}\n");
        assert_eq!(without("a: 1\n...\n---\nb: 2\n", "b: 2"), None);
        assert_eq!(without("%YAML 1.2\n---\na: 1\n", "a: 1"), None);
    }
}
