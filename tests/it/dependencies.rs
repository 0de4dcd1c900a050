//! Every dependency is used: a line of `Cargo.toml` that no code needs costs everybody its build.

use crate::tree;

/// Dependencies that no code names, and what they are there for.
const SILENT: &[(&str, &str)] = &[];

#[test]
fn every_dependency_is_named_by_some_code() {
    let manifest = tree::read("Cargo.toml");
    for (section, folders) in
        [("dependencies", ["src"].as_slice()), ("dev-dependencies", ["src", "tests", "benches", "examples"].as_slice())]
    {
        let files: Vec<_> = folders.iter().flat_map(|folder| tree::files(folder, "rs")).collect();
        let code: Vec<_> = files.into_iter().map(tree::read).collect();
        let unused: Vec<_> = names(&manifest, section)
            .into_iter()
            .filter(|name| !SILENT.iter().any(|(silent, _)| silent == name))
            .filter(|name| !code.iter().any(|code| is_named(code, name)))
            .collect();
        assert!(unused.is_empty(), "no code names these [{section}]: {unused:?}");
    }
}

/// Returns the keys of a section, as code spells them.
fn names(manifest: &str, section: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let keys = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    keys.map(|(key, _)| key.trim().replace('-', "_")).collect()
}

/// Returns whether `name` stands alone before a `::`, or is all of a `use`, outside comments.
fn is_named(code: &str, name: &str) -> bool {
    let code = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    code.flat_map(|line| line.match_indices(name).map(move |(at, _)| (line, at))).any(|(line, at)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let is_alone = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        is_alone && (after.starts_with("::") || (line.starts_with("use ") && after.starts_with(';')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_code_spells_them() {
        let manifest = "[features]\na = []\n\n[dependencies]\n# Words.\nfutures-util = \"1\"\nserde = { version = \"1\" }\n\n[lints]\nx = 1\n";
        assert_eq!(names(manifest, "dependencies"), ["futures_util", "serde"]);
    }

    #[test]
    fn comments_and_longer_names_are_no_use() {
        assert!(is_named("use serde::Serialize;", "serde"));
        assert!(is_named("    let x = serde::de::from(1);", "serde"));
        assert!(is_named("use rusqlite;", "rusqlite"));
        assert!(!is_named("/// use serde::Serialize;", "serde"));
        assert!(!is_named("use my_serde::Serialize;", "serde"));
        assert!(!is_named("use serde_json::Value;", "serde"));
    }
}
