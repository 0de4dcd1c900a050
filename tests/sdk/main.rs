//! Programs that nobody here wrote against ours: the official SDKs against our server and our command line, and our
//! command line against a server that speaks S3.
//!
//! Each SDK needs something that a machine may not have: its language, and its package, which is installed on first
//! use into the target folder. What cannot run is never passed over in silence. It is named in the last lines with the
//! reason, and is a failure where `SBX_REQUIRE_ALL=1` says that nothing may be missing. The standard harness shows no
//! output of tests that pass, so this binary prints for itself; a word on its command line runs only the SDKs whose
//! names contain it.

#![expect(clippy::print_stdout, reason = "this is the harness")]

mod first_program;
mod install;
mod methods;
mod newest;
mod object_store;
mod peer;
mod program;
mod report;
mod server;
mod serving;
mod store;

use std::process::ExitCode;

use install::Sdk;
use report::Report;

fn main() -> ExitCode {
    report::self_test();
    let words: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |sdk: &&Sdk| words.is_empty() || words.iter().any(|word| sdk.name.contains(word.as_str()));
    let sdks: Vec<_> = install::SDKS.iter().filter(is_wanted).collect();
    let newest: Vec<_> = install::NEWEST.iter().filter(is_wanted).collect();
    let wants_store = is_wanted(&&install::STORE);
    assert!(wants_store || !sdks.is_empty() || !newest.is_empty(), "no SDK has {words:?} in its name");

    let mut report = Report::new(requires_all());
    for sdk in sdks {
        peer::run(sdk, &mut report);
    }
    for sdk in newest {
        newest::run(sdk, &mut report);
    }
    if wants_store {
        store::run(&install::STORE, &mut report);
    }
    report.finish()
}

#[expect(clippy::disallowed_methods, reason = "a harness is told by its environment what the machine has")]
fn requires_all() -> bool {
    std::env::var("SBX_REQUIRE_ALL").is_ok_and(|value| value == "1")
}
