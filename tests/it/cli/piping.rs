//! Pipes, colour, and the texts that programs and shells read.

use std::process::Stdio;

use super::environment::Environment;
use crate::tree;

#[test]
fn a_pipe_that_closes_is_no_error() {
    let environment = Environment::new();
    let mut command = environment.command();
    command.args(["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it can be started");
    drop(process.stdout.take());
    let output = process.wait_with_output().expect("its output can be read");
    assert_eq!((String::from_utf8_lossy(&output.stderr).as_ref(), output.status.code()), ("", Some(0)));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let environment = Environment::new();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let output = environment.command().args(["schema"]).stdout(full).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r"
    error: cannot write to standard output
    caused by: No space left on device (os error 28)
    ");
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let mut environment = Environment::new();
    let coloured = |environment: &Environment, arguments: &[&str]| {
        let run = environment.sbx(arguments);
        run.stdout.contains('\u{1b}') || run.stderr.contains('\u{1b}')
    };
    assert!(!coloured(&environment, &["schema", "pool"]));
    assert!(!coloured(&environment, &["get", "all"]));
    assert!(coloured(&environment, &["schema", "pool", "--color", "always"]));
    assert!(coloured(&environment, &["get", "all", "--color", "always"]));
    environment.set("NO_COLOR", "1");
    assert!(!coloured(&environment, &["schema", "pool"]));
}

#[test]
fn the_schema_beside_the_manifests_is_current() {
    let run = Environment::new().sbx(&["schema"]);
    assert_eq!(run.stdout, tree::read("manifests/.schema.json"), "write it again with `sbx schema`");
}

#[test]
fn every_shell_gets_completions() {
    let environment = Environment::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = environment.sbx(&["completion", shell]);
        assert!(run.code == Some(0) && run.stdout.contains("validate"), "{shell}: {run}");
    }
}

#[test]
fn help_is_a_success_and_goes_to_standard_output() {
    let environment = Environment::new();
    for arguments in [&["--help"][..], &["apply", "--help"], &["-V"]] {
        let run = environment.sbx(arguments);
        assert!(
            run.code == Some(0) && run.stderr.is_empty() && run.stdout.starts_with(|c: char| c.is_ascii_alphabetic()),
            "{run}"
        );
    }
}
