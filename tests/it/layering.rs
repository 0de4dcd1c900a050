//! Holds the shape of the source tree: who may use whom, and what may not appear where.
//!
//! `ARCHITECTURE.md` names these tests beside its invariants. What a rule is and that it can fail is in `rules`.

mod paths;
mod rules;
mod source;

use std::path::Path;

use crate::tree;
use rules::Rule;
use source::Source;

#[test]
fn arrows_point_down() {
    check(rules::arrows);
    check(rules::no_foreign_files);
}

#[test]
fn engine_names_no_kind() {
    check(rules::engine_names_no_kind);
}

#[test]
fn planner_is_pure() {
    check(rules::planner_is_pure);
}

#[test]
fn features_only_in_lib() {
    check(rules::features_only_in_lib);
}

#[test]
fn platforms_only_in_the_runtime() {
    check(rules::platforms_only_in_runtime);
}

#[test]
fn no_catch_all_files() {
    check(rules::no_catch_all_files);
}

#[test]
fn no_globs_of_super() {
    check(rules::no_globs_of_super);
}

#[test]
fn library_is_silent() {
    check(rules::library_is_silent);
}

/// Applies a rule to every file of `src` that is not test code.
fn check(rule: Rule) {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == Path::new("src/lib.rs")), "the source tree was not found");
    let mut report: Vec<_> = sources
        .iter()
        .flat_map(|source| rule(source).into_iter().map(|found| (source.path.display(), found)))
        .map(|(path, found)| format!("{path}:{}: {}", found.line, found.message))
        .collect();
    report.dedup();
    assert!(report.is_empty(), "\n{}\n", report.join("\n"));
}

fn sources() -> Vec<Source> {
    let read = |path| Source::new(&path, &tree::read(&path));
    let sources: Vec<_> = tree::files("src", "rs").into_iter().map(read).collect();
    let test_files: Vec<_> = sources.iter().flat_map(test_files).collect();
    sources.into_iter().filter(|source| !test_files.iter().any(|file| source.is_under(file))).collect()
}

/// Returns the files, without ending, that `source` declares as modules for tests.
fn test_files(source: &Source) -> Vec<String> {
    let folder = Path::new("src").join(source.module().join("/"));
    source.test_modules.iter().map(|name| folder.join(name).display().to_string()).collect()
}
