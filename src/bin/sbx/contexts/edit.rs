//! Changing the user's file, with its comments and its order left alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sbx::manifest::{Input, Limits, load};

use crate::failure::Failure;

/// Makes a context the current one in the file at `path`, which is good.
///
/// # Errors
///
/// [`Failure::File`] when the file cannot be read or written.
pub(crate) fn use_context(path: &Path, name: &str) -> Result<(), Failure> {
    let failed = |action| move |source| Failure::File { action, path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed("read"))?;
    replace(path, &with_current(&text, name)).map_err(failed("write"))
}

/// Returns the text of the file with another current context.
fn with_current(text: &str, name: &str) -> String {
    let value = quoted_if_needed(name);
    let input = Input::Text { name: String::new(), text: text.to_owned() };
    let (documents, _) = load(&[input], &Limits::default());
    let root = documents.documents.first().map(|document| &document.root);
    let Some(root) = root else { return format!("current_context: {value}\n{text}") };
    // The spans count from behind a byte order mark.
    let text = text.trim_start_matches('\u{FEFF}');
    match root.entry("current_context") {
        Some(entry) if entry.value.span == entry.key.span => {
            let end = entry.key.span.end as usize;
            let rest = text[end..].trim_start_matches([' ', '\t']).trim_start_matches(':');
            format!("{}: {value}{rest}", &text[..end])
        }
        Some(entry) => {
            let span = entry.value.span;
            format!("{}{value}{}", &text[..span.start as usize], &text[span.end as usize..])
        }
        // In braces, it goes behind the first of them; else into a line before the first key.
        None => {
            let is_flow = text[root.span.start as usize..].starts_with('{');
            let at = if is_flow { root.span.start as usize + 1 } else { root.head().start as usize };
            let end = if is_flow { ", " } else { "\n" };
            format!("{}current_context: {value}{end}{}", &text[..at], &text[at..])
        }
    }
}

/// A name is letters, digits and hyphens; some such words mean something else to YAML.
fn quoted_if_needed(name: &str) -> String {
    let means_something = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&name);
    if means_something { format!("\"{name}\"") } else { name.to_owned() }
}

/// Writes a file in one go and for its owner alone; a link stays one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&beside, &path));
    if renamed.is_err() {
        // What it fails with is told; what is left over is not worth a word.
        let _ = fs::remove_file(&beside);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_changes() {
        for (text, expected) in [
            ("current_context: a # here\ncontexts: {}\n", "current_context: prod # here\ncontexts: {}\n"),
            ("# mine\ncontexts:\n  a: {}\n", "# mine\ncurrent_context: prod\ncontexts:\n  a: {}\n"),
            ("contexts: {}\ncurrent_context: 'a'\n", "contexts: {}\ncurrent_context: prod\n"),
            ("current_context:\ncontexts: {}\n", "current_context: prod\ncontexts: {}\n"),
            ("{\"contexts\": {}}\n", "{current_context: prod, \"contexts\": {}}\n"),
            ("\u{FEFF}current_context: a\n", "current_context: prod\n"),
        ] {
            assert_eq!(with_current(text, "prod"), expected);
        }
        assert_eq!(with_current("current_context: a\n", "on"), "current_context: \"on\"\n");
    }
}
