//! Logs on standard error: those of a server always, all others when somebody asks for them.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::env::{self, Environment};

/// Starts logging: what `-v` or else the variable asks for, or what the command tells without being asked.
pub(crate) fn start(cli: &Cli, environment: &Environment) {
    let is_server = matches!(cli.command, Command::Serve(_));
    let asked = environment.get(env::LOG);
    // There the flag asks for what it tells of itself, and only twice for logs.
    let is_its_own = matches!(cli.command, Command::Version(_));
    let verbose = cli.output.verbose.saturating_sub(u8::from(is_its_own));
    let Some(directives) = directives(verbose, asked, is_server, cli.output.quiet) else { return };
    let filter = EnvFilter::builder().parse_lossy(directives);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    logs.with_ansi(false).compact().init();
}

fn directives(verbose: u8, asked: Option<String>, is_server: bool, is_quiet: bool) -> Option<String> {
    let told = match (verbose, asked) {
        (0, Some(asked)) => return Some(asked),
        (0, None) if is_server => ["sbx=info", "sbx=warn"][usize::from(is_quiet)],
        (0, None) => return None,
        (1, _) if is_server => "sbx=debug",
        // Each request once: the server that is built in need not repeat it.
        (1, _) => "sbx=debug,sbx::server=warn",
        (_, _) => "sbx=trace,hyper=debug",
    };
    Some(told.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_talks_and_a_command_is_asked_first() {
        let directives = |verbose, asked: Option<&str>, is_server, is_quiet| {
            directives(verbose, asked.map(ToOwned::to_owned), is_server, is_quiet)
        };
        assert_eq!(directives(0, None, false, false), None);
        assert_eq!(directives(0, None, true, false).as_deref(), Some("sbx=info"));
        assert_eq!(directives(0, None, true, true).as_deref(), Some("sbx=warn"));
        assert_eq!(directives(0, Some("sbx=error"), true, false).as_deref(), Some("sbx=error"));
        assert_eq!(directives(1, Some("sbx=error"), false, false).as_deref(), Some("sbx=debug,sbx::server=warn"));
        assert_eq!(directives(2, None, false, true).as_deref(), Some("sbx=trace,hyper=debug"));
    }
}
