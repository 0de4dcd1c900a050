//! Logs on standard error, when somebody asks for them.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::env::{self, Environment};

/// Starts logging: what `-v` or the variable asks for, and otherwise nothing.
pub(crate) fn start(verbose: u8, environment: &Environment) {
    let asked = environment.get(env::LOG);
    let directives = match (verbose, asked) {
        (0, None) => return,
        (0, Some(directives)) => directives,
        (1, _) => "sbx=debug".to_owned(),
        (_, _) => "sbx=trace,hyper=debug,h2=info".to_owned(),
    };
    let filter = EnvFilter::builder().parse_lossy(directives);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    logs.with_ansi(false).compact().init();
}

/// Starts logging for a server, which tells what happens without being asked.
pub(crate) fn start_for_server(is_quiet: bool) {
    let filter = EnvFilter::new(if is_quiet { "sbx=warn" } else { "sbx=info" });
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // One that was started already, with what was asked for, stays.
    let _ = logs.with_ansi(false).compact().try_init();
}
