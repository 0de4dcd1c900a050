//! Making texts of manifests and servers harmless in Markdown.

use crate::ui::escape;

/// Returns a text as HTML that shows it.
pub(super) fn html(text: &str) -> String {
    escape(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns a text as code within a line: nothing in it is a mention, a link or a tag.
pub(super) fn code(text: &str) -> String {
    let text = escape(text);
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    // A space is taken away again at both ends, if there is one at both, and there is more than spaces.
    let room = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() { " " } else { "" };
    format!("{ticks}{room}{text}{room}{ticks}")
}

/// Returns a sentence of ours as Markdown. What stands in backticks, which is where values stand, becomes code; all the
/// rest is text, and no mark-up whatever is in it.
pub(super) fn prose(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    // A backtick without its pair leaves the rest outside.
    let n_paired = parts.len() - usize::from(parts.len() % 2 == 0);
    let part = |(index, part): (usize, &&str)| {
        let is_code = index % 2 == 1 && index < n_paired && !part.is_empty();
        if is_code { code(part) } else { outside(part) }
    };
    parts.iter().enumerate().map(part).collect()
}

/// An empty comment between a character and what follows keeps GitHub from making a mention, a reference or a link of
/// the two; a backslash keeps Markdown from making anything of it.
fn outside(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in escape(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' | '#' | ':' => {
                out.push(c);
                out.push_str("<!-- -->");
            }
            ',' | '-' | '(' | ')' | '"' | '\'' | ';' | '/' => out.push(c),
            c if c.is_ascii_punctuation() => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // Plain words get no comment behind a colon that ends them.
    out.replace(":<!-- --> ", ": ")
}

/// Returns a fence that none of the lines can close.
pub(super) fn fence(lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

/// Returns a text as a word within an HTML comment, which it cannot end.
pub(super) fn comment_word(text: &str) -> String {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | ':' | '-');
    let word: String = text.chars().take(100).map(|c| if is_good(c) { c } else { '_' }).collect();
    // Two hyphens may end a comment.
    let word = word.replace("--", "__");
    if word.is_empty() { "_".to_owned() } else { word }
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
