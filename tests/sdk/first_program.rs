//! The program that an SDK's documentation begins with, against `sbx serve` as somebody starts it who has nothing else.

use std::path::Path;
use std::process::Command;

use crate::install::{Sdk, python};
use crate::program::{output, suites};
use crate::report::{Outcome, Report};
use crate::serving::{Owner, Serving};

/// Runs the program against a server of this user and, where this user is root, against one of an ordinary user.
pub(crate) fn run(sdk: &Sdk, folder: &Path, program: &str, report: &mut Report) {
    for owner in Owner::all() {
        let outcome = match perform(folder, program, *owner) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed { reason },
        };
        report.add(format!("{}::{}", sdk.name, owner.name("first_program")), outcome);
    }
}

fn perform(folder: &Path, program: &str, owner: Owner) -> Result<(), String> {
    let server = Serving::start(owner)?;
    let mut command = Command::new(python(folder));
    command.arg("-B").args(["-W", "ignore"]).arg(suites().join(program)).current_dir(server.folder());
    command.env("LANGSMITH_ENDPOINT", server.url()).env("LANGSMITH_API_KEY", "any");
    for name in ["LANGCHAIN_ENDPOINT", "LANGCHAIN_API_KEY"] {
        command.env_remove(name);
    }
    let printed = output(&mut command)?;
    if printed.starts_with("Python 3.") { Ok(()) } else { Err(format!("it printed {printed:?}")) }
}
