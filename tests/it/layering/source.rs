//! A source file with everything blanked out that the rules of the house do not speak about.
//!
//! This is not a parser. It knows what a comment, a string and a character are, and where the item after a
//! `#[cfg(test)]` ends; that is enough to read paths and words from the rest. Blanked text becomes spaces, so that
//! offsets and lines stay those of the file.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// One file, relative to the package's root, such as `src/kinds/volume.rs`.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Without comments, the contents of strings, and test code.
    pub(crate) code: String,
    /// The same with the contents of strings.
    pub(crate) text: String,
    /// The names of modules in other files that are compiled for tests only.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: impl Into<PathBuf>, content: &str) -> Self {
        let mut code = content.as_bytes().to_vec();
        let mut text = code.clone();
        for (range, kind) in lexemes(content) {
            blank(&mut code, &range);
            if kind == Lexeme::Comment {
                blank(&mut text, &range);
            }
        }
        let mut code = into_text(code);
        let mut test_modules = Vec::new();
        while let Some(item) = next_test_item(&code) {
            let name = code[item.clone()].trim_end().strip_suffix(';').and_then(|head| head.rsplit(' ').next());
            test_modules.extend(name.map(str::to_owned));
            let mut bytes = code.into_bytes();
            blank(&mut bytes, &item);
            blank(&mut text, &item);
            code = into_text(bytes);
        }
        Self { path: path.into(), code, text: into_text(text), test_modules }
    }

    /// Returns the library's module that the file belongs to: `["kinds", "volume"]`, or nothing for `src/lib.rs`.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.strip_prefix("src").unwrap_or(&self.path).with_extension("");
        let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
            parts.pop();
        }
        parts
    }

    pub(crate) fn is_library(&self) -> bool {
        self.path.starts_with("src") && !self.path.starts_with("src/bin")
    }

    pub(crate) fn is_under(&self, prefix: &str) -> bool {
        self.path.starts_with(prefix) || self.path == Path::new(prefix).with_extension("rs")
    }

    /// Returns the line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }
}

/// A piece of code: an identifier or keyword, `::`, or one character of punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) offset: usize,
}

/// Returns the tokens of blanked code in order; white space is left out.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut offset = 0;
    while let Some(first) = code[offset..].chars().next() {
        let rest = &code[offset..];
        let len = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(Token { text: &rest[..len], offset });
        }
        offset += len;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lexeme {
    Comment,
    Literal,
}

/// Returns where the comments and the insides of strings and characters are.
fn lexemes(content: &str) -> Vec<(Range<usize>, Lexeme)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut after_word = false;
    while let Some(first) = content[at..].chars().next() {
        let rest = &content[at..];
        let end = if rest.starts_with("//") {
            found.push((at..at + rest.find('\n').unwrap_or(rest.len()), Lexeme::Comment));
            found[found.len() - 1].0.end
        } else if rest.starts_with("/*") {
            found.push((at..at + block_comment(rest), Lexeme::Comment));
            found[found.len() - 1].0.end
        } else if let Some((open, close)) = raw_string(rest).filter(|_| !after_word) {
            let len = rest[open..].find(&close).map_or(rest.len() - open, |len| len);
            found.push((at + open..at + open + len, Lexeme::Literal));
            at + (open + len + close.len()).min(rest.len())
        } else if first == '"' {
            let len = quoted(&rest[1..], '"');
            found.push((at + 1..at + 1 + len, Lexeme::Literal));
            at + (len + 2).min(rest.len())
        } else if first == '\'' && is_character(rest) {
            let len = quoted(&rest[1..], '\'');
            found.push((at + 1..at + 1 + len, Lexeme::Literal));
            at + (len + 2).min(rest.len())
        } else {
            at + first.len_utf8()
        };
        after_word = is_word(first);
        at = end;
    }
    found
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the length of what opens a raw string here, and what closes it.
fn raw_string(rest: &str) -> Option<(usize, String)> {
    let after_prefix = ["br", "cr", "r"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = after_prefix.bytes().take_while(|byte| *byte == b'#').count();
    after_prefix[hashes..].starts_with('"').then(|| {
        let open = rest.len() - after_prefix.len() + hashes + 1;
        (open, format!("\"{}", "#".repeat(hashes)))
    })
}

/// Returns the length of a literal up to its closing quote, which may be escaped within.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        if c == quote && !escaped {
            return at;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// Tells `'a'` from the lifetime `'a`.
fn is_character(rest: &str) -> bool {
    let mut inside = rest.chars().skip(1);
    match inside.next() {
        Some('\\') => true,
        Some(_) => inside.next() == Some('\''),
        None => false,
    }
}

/// Returns the first item that is compiled for tests only, its attribute included.
fn next_test_item(code: &str) -> Option<Range<usize>> {
    let tokens = tokens(code);
    let opens = |at: usize| {
        let texts: Vec<_> = tokens[at..].iter().take(10).map(|token| token.text).collect();
        match texts.as_slice() {
            ["#", "[", "cfg", "(", "test", ")", "]", ..] => Some(at + 7),
            ["#", "[", "cfg", "(", "all", "(", "test", ..] => {
                tokens[at..].iter().position(|token| token.text == "]").map(|len| at + len + 1)
            }
            _ => None,
        }
    };
    let (start, mut at) = (0..tokens.len()).find_map(|at| opens(at).map(|after| (at, after)))?;
    let mut depth = 0_i32;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => break,
            "}" | ")" | "]" => depth -= 1,
            ";" if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    let end = tokens.get(at).map_or(code.len(), |last| last.offset + 1);
    Some(tokens[start].offset..end)
}

fn blank(bytes: &mut [u8], range: &Range<usize>) {
    for byte in &mut bytes[range.clone()] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("whole characters are blanked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(content: &str) -> String {
        Source::new("src/x.rs", content).code
    }

    #[test]
    fn comments_and_strings_are_blanked() {
        assert_eq!(code("a // crate::b\nc"), "a            \nc");
        assert_eq!(code("a /* x /* y */ z */ b").replace(' ', ""), "ab");
        assert_eq!(code(r#"f("crate::x \" y") g"#).replace(' ', ""), r#"f("")g"#);
        assert_eq!(code("f(r#\"a\"b\"#, b\"c\") g").replace(' ', ""), "f(r#\"\"#,b\"\")g");
        assert_eq!(code("fn f<'a>(x: &'a str) -> char { '\"' }"), "fn f<'a>(x: &'a str) -> char { ' ' }");
        assert_eq!(Source::new("src/x.rs", "a(\"b\") // c").text.trim_end(), "a(\"b\")");
    }

    #[test]
    fn test_items_are_blanked() {
        let source =
            Source::new("src/x.rs", "a;\n#[cfg(test)]\nmod tests { fn f() { {} } }\nb;\n#[cfg(test)]\nmod t;\nc;");
        assert_eq!(source.code.split_whitespace().collect::<Vec<_>>(), ["a;", "b;", "c;"]);
        assert_eq!(source.test_modules, ["t"]);
        assert_eq!(source.line(source.code.find("c;").expect("it is there")), 7);
    }

    #[test]
    fn a_file_knows_its_module() {
        for (path, module) in [
            ("src/lib.rs", vec![]),
            ("src/kinds/mod.rs", vec!["kinds"]),
            ("src/kinds/volume.rs", vec!["kinds", "volume"]),
        ] {
            assert_eq!(Source::new(path, "").module(), module, "{path}");
        }
    }
}
