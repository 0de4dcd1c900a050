//! What the documents say is held to: commands, manifests, and the tests that invariants name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::environment::Environment;
use crate::cli::server::Server;
use crate::tree;

/// The first `sh` block does the main job, the second runs all tests; `.ci/run` takes both from here.
#[test]
fn readme_opens_with_its_two_commands() {
    let commands = first_commands(&tree::read("README.md"));
    assert!(commands[0].starts_with("cargo run ") && commands[0].contains(" apply "), "{commands:?}");
    assert!(commands[1].starts_with("cargo test"), "{commands:?}");
    let ci = tree::read(".ci/run");
    assert!(ci.contains("$(readme_block 1)") && ci.contains("$(readme_block 2)"), "CI runs something else");
}

#[test]
fn every_manifest_of_the_readme_is_valid() {
    for (number, block) in blocks(&tree::read("README.md"), "yaml").iter().enumerate() {
        let environment = Environment::new();
        environment.write("block.yaml", block);
        let run = environment.sbx(&["validate", "-f", "block.yaml"]);
        assert_eq!(run.code, Some(0), "block {} of README.md\n{block}\n{run}", number + 1);
    }
}

/// The `yml` blocks are a project's file and a patch for one of its targets; the first `yaml` block is what it patches.
#[test]
fn the_project_of_the_readme_is_good() {
    let readme = tree::read("README.md");
    let (manifests, files) = (blocks(&readme, "yaml"), blocks(&readme, "yml"));
    let [project, patch] = &files[..] else { panic!("{files:?}") };
    let environment = Environment::new();
    environment.write("manifests/all.yaml", &manifests[0]);
    environment.write("sbx.yaml", project).write("patches/prod.yaml", patch);
    for target in ["dev", "staging", "prod"] {
        let run = environment.sbx(&["validate", target]);
        assert_eq!(run.code, Some(0), "{run}");
    }
    let run = environment.sbx(&["plan", "prod", "--local"]);
    assert!(run.stdout.contains("10"), "the patch holds: {run}");
}

#[test]
fn every_manifest_in_the_repository_is_valid() {
    let folders = ["manifests", "examples", "tests/sdk/workspace"];
    let files = folders.iter().flat_map(|folder| manifests(folder));
    // Those are workflows of GitHub.
    let files: Vec<_> = files.filter(|file| !file.starts_with("examples/ci")).collect();
    assert!(files.iter().any(|file| file.starts_with("manifests")), "`manifests` is empty");
    for file in files {
        let path = tree::root().join(&file);
        let run = Environment::new().sbx(&["validate", "-f", &path.display().to_string()]);
        assert_eq!(run.code, Some(0), "{}\n{run}", file.display());
    }
}

/// The example of fields with parts is applied as it stands, with secrets for all the places that it names.
#[test]
fn the_example_of_an_agent_can_be_applied() {
    let mut environment = Environment::new();
    let server = Server::start(&environment, &["--data-dir", "server"]);
    environment.set("SBX_ENDPOINT", &server.url());
    for file in manifests("examples/agent") {
        let name = Path::new("m").join(file.file_name().expect("it is a file"));
        environment.write(name, &tree::read(&file));
    }
    environment.write("secrets/tracing-token", "a token\n");
    let apply = ["apply", "-f", "m", "--yes"];
    let run = environment.sbx(&apply);
    assert_eq!(run.code, Some(1), "{run}");
    for name in ["REGISTRY_TOKEN", "GITHUB_TOKEN", "DATASETS_KEY_ID", "DATASETS_KEY"] {
        assert!(run.stderr.contains(name), "{name} is asked for: {run}");
        environment.set(name, "a secret");
    }
    for arguments in [&apply[..], &["plan", "-f", "m", "--exit-code"]] {
        let run = environment.sbx(arguments);
        assert_eq!(run.code, Some(0), "{run}");
    }
}

#[test]
fn every_invariant_names_its_test() {
    let tests = names_of_tests();
    let invariants = invariants(&tree::read("ARCHITECTURE.md"));
    let orphans: Vec<_> = invariants.iter().filter(|invariant| !names_its_tests(invariant, &tests)).collect();
    assert!(orphans.is_empty(), "no test is named, or not one that exists: {orphans:#?}");
}

/// What the README claims is held by tests: each item of that list names at least one that exists, and links to files that do.
#[test]
fn every_claim_of_the_readme_names_its_test() {
    let tests = names_of_tests();
    let claims = claims(&tree::read("README.md"));
    assert!(claims.len() > 5, "the list of claims is not found: {claims:?}");
    let orphans: Vec<_> = claims.iter().filter(|claim| !names_its_tests(claim, &tests)).collect();
    assert!(orphans.is_empty(), "no test is named, or not one that exists: {orphans:#?}");
    let unlinked: Vec<_> = claims.iter().filter(|claim| links(claim).is_empty()).collect();
    assert!(unlinked.is_empty(), "no file is linked: {unlinked:#?}");
}

#[test]
fn every_link_of_the_documents_leads_to_a_file() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = tree::read(document);
        let links = links(&text);
        let broken: Vec<_> = links.iter().filter(|link| !tree::root().join(link).exists()).collect();
        assert!(broken.is_empty(), "{document}: {broken:?}");
    }
}

fn manifests(folder: &str) -> Vec<PathBuf> {
    ["yaml", "yml"].iter().flat_map(|ending| tree::files(folder, ending)).collect()
}

/// Returns the first two `sh` blocks, each of which has to be a single command.
fn first_commands(markdown: &str) -> [String; 2] {
    let blocks = blocks(markdown, "sh");
    let command = |at: usize| {
        let lines: Vec<_> = blocks[at].lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(lines.len(), 1, "not one command but {lines:?}");
        lines[0].to_owned()
    };
    assert!(blocks.len() >= 2, "two `sh` blocks are missing");
    [command(0), command(1)]
}

/// Returns the fenced code blocks of a language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim() == language, String::new())),
            (Some(_), Some(_)) => found.extend(open.take().filter(|(wanted, _)| *wanted).map(|(_, text)| text)),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Returns the paragraphs that open with the word *Invariant*.
fn invariants(markdown: &str) -> Vec<String> {
    let paragraphs = markdown.split("\n\n").map(str::trim);
    paragraphs.filter(|text| text.trim_start_matches(['-', ' ']).starts_with("*Invariant")).map(str::to_owned).collect()
}

/// Returns the items of the list in the README's section on safety.
fn claims(markdown: &str) -> Vec<String> {
    let after = markdown.split_once("## How it keeps you safe\n").map_or("", |(_, after)| after);
    let section = after.split("\n## ").next().unwrap_or_default();
    section.split("\n- ").skip(1).map(|item| item.split("\n\n").next().unwrap_or_default().to_owned()).collect()
}

/// Returns the files and folders that a text links to, without addresses of the web.
fn links(markdown: &str) -> Vec<&str> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#')).collect()
}

/// Returns whether a paragraph has at least one test's path in backticks, such as `layering::arrows_point_down`, and
/// no such path without a test.
fn names_its_tests(paragraph: &str, tests: &[(PathBuf, String)]) -> bool {
    let code = paragraph.split('`').skip(1).step_by(2);
    let is_path = |text: &&str| text.contains("::") && !text.contains(|c: char| c.is_uppercase() || c == ' ');
    let mut paths = code.filter(is_path).peekable();
    paths.peek().is_some() && paths.all(|path| tests.iter().any(|(file, name)| is_named(file, name, path)))
}

/// Returns whether there is a test of this path, such as `layering::arrows_point_down`.
pub(crate) fn is_a_test(path: &str) -> bool {
    names_of_tests().iter().any(|(file, name)| is_named(file, name, path))
}

/// Returns whether `path` ends in the test's name and starts with a module that its file is, or is in.
fn is_named(file: &Path, name: &str, path: &str) -> bool {
    let (first, last) = (path.split("::").next(), path.rsplit("::").next());
    last == Some(name) && file.with_extension("").iter().any(|part| Some(part) == first.map(OsStr::new))
}

/// The names that this binary lists are those that run; those of unit tests are in other binaries.
#[test]
fn every_integration_test_that_documents_name_is_run() {
    let program = std::env::current_exe().expect("a program knows where it is");
    let listed = |more: &[&str]| {
        let output = Command::new(&program).arg("--list").args(more).output().expect("it can be started");
        String::from_utf8(output.stdout).expect("names are UTF-8")
    };
    let (all, ignored) = (listed(&[]), listed(&["--ignored"]));
    assert!(all.lines().count() > 100, "{all}");
    let is_listed = |list: &str, name: &str| {
        list.lines().filter_map(|line| line.strip_suffix(": test")).any(|test| test.rsplit("::").next() == Some(name))
    };
    let in_this_binary = tree::files("tests/it", "rs").into_iter().flat_map(|file| tests_in(&tree::read(&file)));
    let documents = tree::read("README.md") + &tree::read("ARCHITECTURE.md");
    let named = in_this_binary.filter(|name| documents.contains(&format!("::{name}`")));
    let idle: Vec<_> = named.filter(|name| !is_listed(&all, name) || is_listed(&ignored, name)).collect();
    assert!(idle.is_empty(), "named, and not run: {idle:#?}");
}

/// Returns the file and name of each function that follows a `test` attribute, and is not ignored.
fn names_of_tests() -> Vec<(PathBuf, String)> {
    let files = ["src", "tests"].iter().flat_map(|folder| tree::files(folder, "rs"));
    let named = |file: PathBuf| tests_in(&tree::read(&file)).into_iter().map(move |name| (file.clone(), name));
    files.flat_map(named).collect()
}

fn tests_in(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_test = false;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            found.extend(rest.split(['(', '<']).next().map(str::to_owned));
            is_test = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_by_language() {
        let markdown = "a\n```sh\none\n```\n```yaml\ntwo\nthree\n```\n```sh\nfour\n```\n";
        assert_eq!(blocks(markdown, "sh"), ["one\n", "four\n"]);
        assert_eq!(blocks(markdown, "yaml"), ["two\nthree\n"]);
        assert_eq!(first_commands(markdown), ["one", "four"]);
    }

    #[test]
    #[should_panic(expected = "not one command")]
    fn a_block_of_two_commands_is_refused() {
        first_commands("```sh\none\ntwo\n```\n```sh\nthree\n```\n");
    }

    #[test]
    fn claims_and_links_are_found() {
        let markdown = "# A\n\n- no\n\n## How it keeps you safe\n\nSo:\n\n- **One** [x](a/b.rs),\n  more\n- two\n\nEnd.\n\n## B\n- no\n";
        assert_eq!(claims(markdown), ["**One** [x](a/b.rs),\n  more", "two"]);
        assert_eq!(links("[a](b.md), [c](https://example.com), [d](#e)"), ["b.md"]);
    }

    #[test]
    fn invariants_without_a_test_are_found() {
        let tests = tests_in(
            "#[test]\nfn holds() {}\n\nfn helper() {}\n#[tokio::test(start_paused = true)]\nasync fn waits() {}\n",
        );
        assert_eq!(tests, ["holds", "waits"]);
        let markdown = "# A\n\n*Invariant:* x (`a::holds`).\n\n*Invariant*: y, `a::helper`.\n\nNo *Invariant* here.\n";
        let found = invariants(markdown);
        assert_eq!(found.len(), 2);
        let tests: Vec<_> = tests.into_iter().map(|name| ("src/b/a.rs".into(), name)).collect();
        assert!(names_its_tests(&found[0], &tests));
        assert!(!names_its_tests(&found[1], &tests));
        assert!(!names_its_tests("*Invariant:* z (`c::holds`).", &tests), "that is in another file");
        assert!(!names_its_tests("*Invariant:* z (`a::holds`, `a::gone`).", &tests), "one of two is gone");
        assert!(!names_its_tests("*Invariant:* z holds.", &tests));
    }
}
