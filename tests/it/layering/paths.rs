//! Which modules of the library a file names, wherever a path may stand.

use super::source::{Source, Token, tokens};

/// A module at the root of the library, named by a path that starts with `crate`, `sbx` or enough `super`s.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) module: String,
    pub(crate) offset: usize,
}

/// Returns every module of the root that `source` names.
pub(crate) fn uses(source: &Source) -> Vec<Use> {
    let tokens = tokens(&source.code);
    let mut found = Vec::new();
    let mut scopes = Scopes { file_depth: source.module().len(), braces: 0, opened: Vec::new() };
    let mut at = 0;
    while at < tokens.len() {
        scopes.step(&tokens, at);
        match path_to_root(&tokens, at, scopes.depth()) {
            Some(after) => {
                first_names(&tokens, after, &mut found);
                at = after;
            }
            None => at += 1,
        }
    }
    found
}

/// How deep in the module tree the reader is: the file's own depth, and the modules opened within it.
struct Scopes {
    file_depth: usize,
    braces: usize,
    opened: Vec<usize>,
}

impl Scopes {
    fn step(&mut self, tokens: &[Token<'_>], at: usize) {
        match tokens[at].text {
            "{" => {
                self.braces += 1;
                if at >= 2 && tokens[at - 2].text == "mod" {
                    self.opened.push(self.braces);
                }
            }
            "}" => {
                if self.opened.last() == Some(&self.braces) {
                    self.opened.pop();
                }
                self.braces = self.braces.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn depth(&self) -> usize {
        self.file_depth + self.opened.len()
    }
}

/// Returns the token after a prefix such as `crate::` that leads to the root.
fn path_to_root(tokens: &[Token<'_>], at: usize, depth: usize) -> Option<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    if at > 0 && text(at - 1) == "::" {
        return None;
    }
    if matches!(text(at), "crate" | "sbx") && text(at + 1) == "::" {
        return Some(at + 2);
    }
    let start = if text(at) == "self" && text(at + 1) == "::" { at + 2 } else { at };
    let supers = (start..).step_by(2).take_while(|at| text(*at) == "super" && text(at + 1) == "::").count();
    (supers > 0 && supers == depth).then_some(start + 2 * supers)
}

/// Collects the first names from here: one, or those of a group.
fn first_names(tokens: &[Token<'_>], at: usize, found: &mut Vec<Use>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        found.push(Use { module: first.text.to_owned(), offset: first.offset });
        return;
    }
    let mut depth = 0;
    let mut starts = false;
    for token in &tokens[at..] {
        match token.text {
            "{" => {
                depth += 1;
                starts = depth == 1;
            }
            "}" => depth -= 1,
            "," => starts = depth == 1,
            name => {
                if starts {
                    found.push(Use { module: name.to_owned(), offset: token.offset });
                }
                starts = false;
            }
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(path: &str, content: &str) -> Vec<String> {
        uses(&Source::new(path, content)).into_iter().map(|used| used.module).collect()
    }

    #[test]
    fn plain_paths_and_groups() {
        let content = "use crate::wire::Volume;\nfn f() -> crate::types::Name { sbx::client::x() }";
        assert_eq!(modules("src/kinds/volume.rs", content), ["wire", "types", "client"]);
        let content = "use crate::{client::{self, Error}, types::{Name, Ttl}, wire};";
        assert_eq!(modules("src/kinds/volume.rs", content), ["client", "types", "wire"]);
        assert_eq!(modules("src/kinds/volume.rs", "pub(crate) fn f() {}\n// crate::wire\n"), Vec::<String>::new());
    }

    #[test]
    fn supers_that_reach_the_root() {
        assert_eq!(modules("src/kinds/volume.rs", "use super::super::client::Client;"), ["client"]);
        assert_eq!(modules("src/kinds/mod.rs", "use super::{client, types};"), ["client", "types"]);
        assert_eq!(modules("src/kinds/volume.rs", "use super::Kind; use self::super::field::X;"), Vec::<String>::new());
        let inner = "mod inner { use super::super::super::wire; } use super::super::types;";
        assert_eq!(modules("src/kinds/volume.rs", inner), ["wire", "types"]);
    }
}
