//! The newest SDKs, which know nothing of the first generation, while the last one that does talks to the same server.

use std::thread;

use crate::install::{SDKS, Sdk};
use crate::peer::Peer;
use crate::report::{Outcome, Report};
use crate::server::Server;

/// Runs what there is for an SDK, and beside it the sandboxes of the oldest one, against one server.
pub(crate) fn run(sdk: &Sdk, report: &mut Report) {
    let folder = match sdk.installed() {
        Ok(folder) => folder,
        Err(reason) => return report.add(sdk.name.to_owned(), Outcome::NotRun { reason }),
    };
    let server = match Server::with_namespaces() {
        Ok(server) => server,
        Err(reason) => return report.add(format!("{}::sandboxes", sdk.name), Outcome::NotRun { reason }),
    };
    let older = &SDKS[0];
    let beside = older.installed();
    let newest = Peer { sdk, folder: &folder, server: &server };
    thread::scope(|scope| {
        let beside = scope.spawn(|| match &beside {
            Ok(folder) => Peer { sdk: older, folder, server: &server }.outcomes("sandboxes"),
            Err(reason) => vec![(format!("{}::sandboxes", older.name), Outcome::NotRun { reason: reason.clone() })],
        });
        for (name, outcome) in newest.outcomes("sandboxes") {
            report.add(name, outcome);
        }
        for (name, outcome) in beside.join().expect("the outcomes are only collected") {
            report.add(format!("{}::beside::{name}", sdk.name), outcome);
        }
    });
}
