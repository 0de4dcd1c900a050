//! The rules of the house that a compiler does not check, each as a function from a file to what is wrong in it.

use std::path::Path;

use super::paths::uses;
use super::source::{Source, Token, tokens};

/// What a rule found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) line: usize,
    pub(crate) message: String,
}

pub(crate) type Rule = fn(&Source) -> Vec<Violation>;

/// Which modules of the library each module may name. Arrows point down only.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("wire", &["types"]),
    ("client", &["wire", "types"]),
    ("manifest", &["types"]),
    ("kinds", &["manifest", "client", "wire", "types"]),
    ("reconcile", &["kinds", "client", "manifest", "types"]),
    ("server", &["wire", "types"]),
];

/// The words that stand for a kind, in any spelling of an identifier.
const KIND_WORDS: &[&str] = &[
    "volume",
    "volumes",
    "template",
    "templates",
    "pool",
    "pools",
    "sandbox",
    "sandboxes",
    "registry",
    "registries",
    "snapshot",
    "snapshots",
];

/// Words of every manifest's `lifecycle`, which the engine reads, although one of them speaks of a kind.
const LIFECYCLE_WORDS: &[&str] = &["on_template_change"];

/// The files of `reconcile` that compute and do nothing else, by the start of their names.
const PURE: &[&str] = &["plan", "diff", "graph", "model"];

/// What would let a clock, a network or a runtime into them.
const IMPURE_WORDS: &[&str] = &["client", "tokio", "async", "await", "Instant", "SystemTime", "fs", "env"];

const CATCH_ALL_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

const PRINTING: &[&str] = &["println", "print", "eprintln", "eprint", "dbg", "todo", "unimplemented"];

/// The one place of the library that reads the environment.
const READS_ENVIRONMENT: &str = "src/client/config.rs";

pub(crate) fn arrows(source: &Source) -> Vec<Violation> {
    let module = source.module();
    let Some(own) = module.first().filter(|_| source.is_library()) else { return Vec::new() };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == own) else {
        return vec![Violation { line: 1, message: format!("`{own}` has no line in the table of arrows") }];
    };
    let is_foreign = |used: &String| used != own && !allowed.contains(&used.as_str());
    uses(source)
        .into_iter()
        .filter(|used| is_foreign(&used.module))
        .map(|used| Violation {
            line: source.line(used.offset),
            message: format!("`{own}` may not use `{}`", used.module),
        })
        .collect()
}

pub(crate) fn engine_names_no_kind(source: &Source) -> Vec<Violation> {
    if !source.is_under("src/manifest") && !source.is_under("src/reconcile") {
        return Vec::new();
    }
    // Strings too: a message that names a kind is a rule about that kind in the wrong place.
    tokens(&source.text)
        .into_iter()
        .filter(|token| !LIFECYCLE_WORDS.contains(&token.text))
        .filter_map(|token| {
            let word = words(token.text).into_iter().find(|word| KIND_WORDS.contains(&word.as_str()))?;
            Some((token, word))
        })
        .map(|(token, word)| Violation { line: source.line(token.offset), message: format!("names the kind `{word}`") })
        .collect()
}

pub(crate) fn planner_is_pure(source: &Source) -> Vec<Violation> {
    let first = source.path.strip_prefix("src/reconcile").ok().and_then(|rest| rest.iter().next());
    let is_pure = first.is_some_and(|name| PURE.iter().any(|pure| name.to_string_lossy().starts_with(pure)));
    if !is_pure {
        return Vec::new();
    }
    offences(source, |tokens| {
        IMPURE_WORDS
            .contains(&tokens[0].text)
            .then(|| format!("uses `{}`, which the planner has no need of", tokens[0].text))
    })
}

pub(crate) fn features_only_in_lib(source: &Source) -> Vec<Violation> {
    if source.path == Path::new("src/lib.rs") {
        return Vec::new();
    }
    conditions(source, "feature", "`cfg(feature)` belongs into `src/lib.rs` only")
}

pub(crate) fn platforms_only_in_runtime(source: &Source) -> Vec<Violation> {
    if source.is_under("src/server/runtime") {
        return Vec::new();
    }
    conditions(source, "target_os", "`cfg(target_os)` belongs into `src/server/runtime` only")
}

pub(crate) fn no_catch_all_files(source: &Source) -> Vec<Violation> {
    let parts = source.path.with_extension("");
    let found = parts.iter().find(|part| CATCH_ALL_NAMES.iter().any(|name| part == name));
    found
        .map(|part| Violation { line: 1, message: format!("`{}` says nothing about what is in it", part.display()) })
        .into_iter()
        .collect()
}

pub(crate) fn no_globs_of_super(source: &Source) -> Vec<Violation> {
    offences(source, |tokens| {
        starts_with(tokens, &["super", "::", "*"]).then(|| "`use super::*` is for tests".to_owned())
    })
}

pub(crate) fn library_is_silent(source: &Source) -> Vec<Violation> {
    if !source.is_library() {
        return Vec::new();
    }
    let may_read_environment = source.path == Path::new(READS_ENVIRONMENT);
    offences(source, |tokens| {
        let name = tokens[0].text;
        if PRINTING.contains(&name) && starts_with(&tokens[1..], &["!"]) {
            return Some(format!("`{name}!` in the library"));
        }
        let variable =
            ["var", "var_os", "vars", "vars_os"].iter().find(|read| starts_with(tokens, &["env", "::", read]));
        if variable.is_some() && !may_read_environment {
            return Some("the library reads the environment in `client::Config::from_env` only".to_owned());
        }
        starts_with(tokens, &["env", "::", "current_dir"]).then(|| "the library knows no current directory".to_owned())
    })
}

pub(crate) fn no_foreign_files(source: &Source) -> Vec<Violation> {
    offences(source, |tokens| {
        let included = starts_with(tokens, &["#", "[", "path"]) || starts_with(tokens, &["include", "!"]);
        included.then(|| "brings in a file from elsewhere, past the arrows".to_owned())
    })
}

/// Returns what `offence` says at each token of the code.
fn offences(source: &Source, offence: impl Fn(&[Token<'_>]) -> Option<String>) -> Vec<Violation> {
    let tokens = tokens(&source.code);
    (0..tokens.len())
        .filter_map(|at| {
            let message = offence(&tokens[at..])?;
            Some(Violation { line: source.line(tokens[at].offset), message })
        })
        .collect()
}

/// Finds `cfg(name …)`, `cfg_attr(name …)` and `cfg!(name …)`, however deep the name stands in them.
fn conditions(source: &Source, name: &str, message: &str) -> Vec<Violation> {
    offences(source, |tokens| {
        let skip = usize::from(starts_with(&tokens[1..], &["!"]));
        if !matches!(tokens[0].text, "cfg" | "cfg_attr") || !starts_with(&tokens[1 + skip..], &["("]) {
            return None;
        }
        let mut depth = 0;
        let inside = tokens[1 + skip..].iter().take_while(|token| {
            depth += i32::from(token.text == "(") - i32::from(token.text == ")");
            depth > 0
        });
        inside.into_iter().any(|token| token.text == name).then(|| message.to_owned())
    })
}

fn starts_with(tokens: &[Token<'_>], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// Splits `create_pool`, `PoolSpec` and `POOLS` into lower-case words.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in identifier.chars() {
        if c == '_' || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("there is a word from the start").extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that `rule` finds something in exactly those of the snippets that are marked.
    fn check(rule: Rule, snippets: &[(bool, &str, &str)]) {
        for (is_wrong, path, content) in snippets {
            let found = rule(&Source::new(*path, content));
            assert_eq!(!found.is_empty(), *is_wrong, "{path}: {content}: {found:?}");
        }
    }

    #[test]
    fn arrows_can_fail() {
        check(
            arrows,
            &[
                (true, "src/types/name.rs", "use crate::wire::Volume;"),
                (true, "src/manifest/load.rs", "use crate::{types::Name, client::Client};"),
                (true, "src/reconcile/plan.rs", "fn f(x: crate::wire::Pool) {}"),
                (true, "src/server/app.rs", "use super::super::client;"),
                (true, "src/client/mod.rs", "use super::kinds;"),
                (true, "src/extra/mod.rs", ""),
                (false, "src/kinds/volume.rs", "use crate::{client, manifest, types, wire, kinds::field};"),
                (false, "src/types/name.rs", "/// See [`crate::wire`].\nuse super::ids;"),
                (false, "src/bin/sbx/main.rs", "use sbx::server; use crate::ui;"),
                (false, "src/types/name.rs", "#[cfg(test)]\nmod tests { use crate::wire; }"),
            ],
        );
        let found = arrows(&Source::new("src/types/name.rs", "\n\nuse crate::wire;"));
        assert_eq!(found, [Violation { line: 3, message: "`types` may not use `wire`".to_owned() }]);
    }

    #[test]
    fn kinds_in_the_engine_can_be_found() {
        check(
            engine_names_no_kind,
            &[
                (true, "src/reconcile/apply.rs", "fn create_pool() {}"),
                (true, "src/reconcile/swap.rs", "struct TemplateSwap;"),
                (true, "src/reconcile/swap.rs", "const VOLUMES: u8 = 1;"),
                (true, "src/manifest/load.rs", "let help = \"declare the sandbox\";"),
                (false, "src/manifest/load.rs", "// a pool, say\nlet pooled = 1;"),
                (false, "src/kinds/pool.rs", "struct Pool;"),
                (false, "src/reconcile/plan.rs", "let keep = lifecycle.on_template_change;"),
                (false, "src/reconcile/plan.rs", "#[cfg(test)]\nmod tests { fn pool() {} }"),
            ],
        );
    }

    #[test]
    fn impure_planners_can_be_found() {
        check(
            planner_is_pure,
            &[
                (true, "src/reconcile/plan.rs", "use crate::client::Reader;"),
                (true, "src/reconcile/diff.rs", "async fn f() {}"),
                (true, "src/reconcile/plan/order.rs", "use tokio::sync::Mutex;"),
                (true, "src/reconcile/model.rs", "let now = Instant::now();"),
                (false, "src/reconcile/apply.rs", "use crate::client::Client; async fn f() {}"),
                (false, "src/reconcile/graph.rs", "let clients = 1; // async"),
            ],
        );
    }

    #[test]
    fn conditions_can_be_found() {
        check(
            features_only_in_lib,
            &[
                (true, "src/client/mod.rs", "#[cfg(feature = \"cli\")] mod x;"),
                (true, "src/client/mod.rs", "#[cfg(all(unix, not(feature = \"cli\")))] mod x;"),
                (true, "src/client/mod.rs", "if cfg!(feature = \"cli\") {}"),
                (false, "src/lib.rs", "#[cfg(feature = \"cli\")] mod x;"),
                (false, "src/client/mod.rs", "#[cfg(unix)] mod x; let feature = 1;"),
            ],
        );
        check(
            platforms_only_in_runtime,
            &[
                (true, "src/server/app.rs", "#[cfg(target_os = \"linux\")] mod x;"),
                (false, "src/server/runtime/mod.rs", "#[cfg(target_os = \"linux\")] mod linux;"),
            ],
        );
    }

    #[test]
    fn bad_files_can_be_found() {
        check(
            no_catch_all_files,
            &[(true, "src/client/utils.rs", ""), (true, "src/common/mod.rs", ""), (false, "src/client/retry.rs", "")],
        );
        check(
            no_foreign_files,
            &[
                (true, "src/server/mod.rs", "#[path = \"../client/mod.rs\"] mod client;"),
                (true, "src/server/mod.rs", "include!(\"../client/retry.rs\");"),
                (false, "src/server/mod.rs", "let path = include_str!(\"schema.sql\");"),
            ],
        );
    }

    #[test]
    fn noise_can_be_found() {
        check(
            no_globs_of_super,
            &[
                (true, "src/client/retry.rs", "use super::*;"),
                (false, "src/client/retry.rs", "#[cfg(test)]\nmod tests { use super::*; }"),
            ],
        );
        check(
            library_is_silent,
            &[
                (true, "src/client/retry.rs", "println!(\"x\");"),
                (true, "src/client/retry.rs", "std::env::var(\"X\")"),
                (true, "src/client/retry.rs", "let x = dbg!(1);"),
                (true, "src/manifest/load.rs", "env::current_dir()"),
                (false, "src/client/config.rs", "std::env::var(name)"),
                (false, "src/bin/sbx/main.rs", "println!(\"x\");"),
                (false, "src/client/retry.rs", "/// println!(\"x\");\nlet print = 1;"),
            ],
        );
    }

    #[test]
    fn identifiers_fall_into_words() {
        assert_eq!(words("create_pool"), ["create", "pool"]);
        assert_eq!(words("PoolSpec"), ["pool", "spec"]);
        assert_eq!(words("POOLS"), ["pools"]);
        assert_eq!(words("threadpool"), ["threadpool"]);
    }
}
