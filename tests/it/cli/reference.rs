//! The reference of the command line is what its help says.
//!
//! `SBX_ACCEPT=1 cargo test --test it reference` writes `docs/cli.md` anew; read the difference before you keep it.

use super::environment::Environment;
use crate::tree;

const HEAD: &str = "# The command line\n\nThis is what `--help` prints; a test keeps it so.\n";

#[test]
fn the_reference_is_what_help_says() {
    let environment = Environment::new();
    let help = |arguments: &[&str]| {
        let run = environment.sbx(arguments);
        assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)), "{run}");
        let lines: Vec<_> = run.stdout.lines().map(str::trim_end).collect();
        lines.join("\n")
    };
    let top = help(&["--help"]);
    let section = |command: &str| format!("\n## sbx {command}\n\n```text\n{}\n```\n", help(&[command, "--help"]));
    let sections: String = commands(&top).into_iter().map(section).collect();
    let reference = format!("{HEAD}\n```text\n{top}\n```\n{sections}");
    let path = tree::root().join("docs/cli.md");
    if std::env::var_os("SBX_ACCEPT").is_some() {
        std::fs::write(&path, &reference).expect("the folder is there");
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == reference, "write it anew with SBX_ACCEPT=1");
}

/// Returns the commands that the help lists.
pub(super) fn commands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = list.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 8, "{names:?}");
    names
}
