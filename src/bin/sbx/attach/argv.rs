//! The command, as the command line has it.

use std::time::Duration;

use sbx::client::RunOptions;

use crate::duration;
use crate::env::{self, Environment};

/// The shell that takes the words apart again. Every image with a shell has it.
const SHELL: &str = "/bin/sh";

/// A command to run in a sandbox, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct CommandArgs {
    /// Give it a terminal: needed for editors, prompts and the like
    #[arg(long, short)]
    tty: bool,
    /// Set a variable of its environment; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Run it in this directory
    #[arg(long, short = 'w', value_name = "PATH")]
    workdir: Option<String>,
    /// Kill it after this time, such as `5m`; never when left out
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// The command and its arguments, which no shell reads; write `sh -c '…'` for one that does
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl CommandArgs {
    /// Returns whether it is to have a terminal.
    pub(super) fn is_tty(&self) -> bool {
        self.tty
    }

    /// Returns the command for a shell.
    pub(super) fn line(&self) -> String {
        let words: Vec<_> = self.command.iter().map(|word| quote(word)).collect();
        // In place of the shell, so that it gets what the shell would.
        format!("exec {}", words.join(" "))
    }

    /// Returns how to run it. It ends with the connection: nobody is left then who could take its output. A terminal is
    /// of the kind that is here, unless the command line says another.
    pub(super) fn options(&self, environment: &Environment) -> RunOptions {
        let mut options =
            RunOptions::default().shell(SHELL).timeout(self.timeout).pty(self.tty).kill_on_disconnect(true);
        options.cwd.clone_from(&self.workdir);
        let kind = environment.get(env::TERM).filter(|_| self.tty);
        options.env.extend(kind.map(|kind| (env::TERM.to_owned(), kind)));
        options.env.extend(self.env.iter().cloned());
        options
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// Writes a word so that a shell reads it as it is.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_every_word_as_it_was() {
        let words = ["ls", "", "a b", "it's", "$HOME", "a\nb", "~", "x=1", "--flag", "é"];
        let line = format!("printf '[%s]' {}", words.map(quote).join(" "));
        let output = std::process::Command::new("sh").args(["-c", &line]).output().expect("there is a shell");
        let expected = format!("[{}]", words.join("]["));
        assert_eq!(String::from_utf8(output.stdout).expect("it is text"), expected);
    }

    #[test]
    fn a_terminal_is_of_the_kind_that_is_here() {
        let environment = Environment::new(|name| (name == env::TERM).then(|| "xterm".to_owned()));
        let args = |tty, env: &[(&str, &str)]| CommandArgs {
            tty,
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            workdir: None,
            timeout: None,
            command: vec!["top".to_owned()],
        };
        let term = |args: CommandArgs| args.options(&environment).env.get(env::TERM).cloned();
        assert_eq!(term(args(true, &[])).as_deref(), Some("xterm"));
        assert_eq!(term(args(true, &[("TERM", "dumb")])).as_deref(), Some("dumb"));
        assert_eq!(term(args(false, &[])), None);
    }

    #[test]
    fn variables_have_a_name() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(variable("A").is_err() && variable("=b").is_err());
    }
}
