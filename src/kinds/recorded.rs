//! Specs read from JSON, as [`spec_to_json`](super::spec_to_json) writes them.

use super::kind::KindId;
use super::spec::Spec;
use crate::manifest::{self, Diagnostics, Input, Limits};

/// Reads a spec of this kind from the JSON text of it.
///
/// JSON is YAML, so that this reads what a manifest may say, with the same rules.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn spec_from_json(kind: KindId, text: &str) -> Result<Spec, String> {
    let input = Input::Text { name: kind.info().singular.to_owned(), text: text.to_owned() };
    let (documents, mut out) = manifest::load(&[input], &Limits::default());
    let spec = match documents.documents.as_slice() {
        [document] => kind.decode(&document.root, &mut out),
        _ => None,
    };
    spec.filter(|_| !out.has_errors()).ok_or_else(|| words(&out))
}

fn words(out: &Diagnostics) -> String {
    let messages: Vec<_> = out.errors().map(|diagnostic| diagnostic.message.as_str()).collect();
    if messages.is_empty() { "it is not one value".to_owned() } else { messages.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{self, spec_to_json};

    #[test]
    fn every_kind_reads_what_it_writes() {
        for (word, text) in [
            ("volume", r#"{"size":"20Gi"}"#),
            ("template", r#"{"image":"a:1"}"#),
            (
                "template",
                r#"{"image":"a","resources":{"cpu":"2","memory":"1Gi","storage":"4Gi"},"volume_mounts":[{"mount_path":"/d","volume_name":"v"}]}"#,
            ),
            ("pool", r#"{"replicas":{"max":10,"min":2},"template_name":"t"}"#),
            ("pool", r#"{"replicas":0,"template_name":"t"}"#),
            ("sandbox", r#"{"template_name":"t"}"#),
        ] {
            let kind = kinds::meant_by(word).unwrap();
            let spec = spec_from_json(kind, text).unwrap();
            let again = spec_from_json(kind, &spec_to_json(&spec).to_string()).unwrap();
            assert_eq!(spec, again, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let volume = kinds::meant_by("volume").unwrap();
        for (text, error) in [
            ("", "`volume` holds no document"),
            ("{", ""),
            ("3", "`spec` must be a mapping"),
            (r#"{"size":"1Gi","color":"red"}"#, "unknown field `color` in `spec`"),
            (r#"{"size":"much"}"#, "`much` is not a size"),
        ] {
            let message = spec_from_json(volume, text).unwrap_err();
            assert!(message.contains(error), "{text}: {message}");
        }
    }
}
