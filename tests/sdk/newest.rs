//! The newest SDKs, which know nothing of the first generation, while the last one that does talks to the same server.

use std::thread;

use crate::install::{SDKS, Sdk};
use crate::peer::Peer;
use crate::report::{Outcome, Report};
use crate::serving::{Owner, Serving};

/// What the oldest SDK does beside the newest one: all that leaves alone what is everybody's, which the clock of the server
/// and its fault rules are.
const BESIDE: &[&str] = &["Keeping", "Files", "Services", "VolumesAndPools"];

/// Runs what there is for an SDK, and beside it the sandboxes of the oldest one, against one server: of this user, and of
/// an ordinary one.
pub(crate) fn run(sdk: &Sdk, report: &mut Report) {
    for owner in Owner::all() {
        run_as(sdk, *owner, report);
    }
}

fn run_as(sdk: &Sdk, owner: Owner, report: &mut Report) {
    let folder = match sdk.installed() {
        Ok(folder) => folder,
        Err(reason) => return report.add(sdk.name.to_owned(), Outcome::NotRun { reason }),
    };
    let server = match Serving::start(owner) {
        Ok(server) => server,
        Err(reason) => {
            return report.add(format!("{}::{}", sdk.name, owner.name("sandboxes")), Outcome::NotRun { reason });
        }
    };
    let older = &SDKS[0];
    let newest = Peer { sdk, folder: &folder, url: server.url(), home: server.folder(), owner };
    thread::scope(|scope| {
        let beside = scope.spawn(|| match older.installed() {
            Ok(folder) => {
                let peer = Peer { sdk: older, folder: &folder, ..newest };
                let classes =
                    BESIDE.iter().flat_map(|class| ["Sync", "Async"].map(|by| format!("sandboxes.{by}{class}")));
                classes.flat_map(|class| peer.outcomes(&class)).collect()
            }
            Err(reason) => vec![(format!("{}::sandboxes", older.name), Outcome::NotRun { reason })],
        });
        for module in sdk.modules_in_sandboxes {
            for (name, outcome) in newest.outcomes(module) {
                report.add(name, outcome);
            }
        }
        for (name, outcome) in beside.join().expect("the outcomes are only collected") {
            report.add(format!("{}::beside::{name}", sdk.name), outcome);
        }
    });
}
