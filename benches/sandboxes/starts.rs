//! How long it takes from the start of `sbx serve` to the first answer: on an empty folder, and on one with a past.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::material::Material;
use crate::samples::{Samples, Table};
use crate::server::{Server, request};

/// How many sandboxes the past has left.
const N_KEPT: usize = 100;

/// Measures both, and prints them.
pub(crate) fn measure(material: &Material, n: usize) -> Result<(), String> {
    let mut samples = [Samples::default(), Samples::default()];
    let used = material.room("sbx-starts-used")?;
    leave_a_past(material, &used)?;
    for n in 0..n {
        let fresh = material.room(&format!("sbx-starts-{n}"))?;
        for (samples, folder) in samples.iter_mut().zip([&fresh, &used]) {
            samples.extend(Some(once(material, folder)?));
        }
        std::fs::remove_dir_all(fresh).map_err(|error| error.to_string())?;
    }
    let mut table = Table::of_times("start `sbx serve`, until the first answer", Some("100 ms"));
    table.row("an empty folder", &samples[0]);
    table.row(&format!("one with {N_KEPT} sandboxes"), &samples[1]);
    table.print();
    Ok(())
}

fn once(material: &Material, folder: &Path) -> Result<Duration, String> {
    let start = Instant::now();
    let server = serve(material, folder)?;
    request(server.address(), "GET", "/v2/sandboxes/boxes", "")?;
    Ok(start.elapsed())
}

fn serve(material: &Material, folder: &Path) -> Result<Server, String> {
    Server::run(Command::new(material.program()), "namespace", &folder.join("data"))
}

/// Makes sandboxes that have a disk each, and ends the server.
fn leave_a_past(material: &Material, folder: &Path) -> Result<(), String> {
    let server = serve(material, folder)?;
    let post = |path: &str, body: &str| request(server.address(), "POST", &format!("/v2/sandboxes{path}"), body);
    post("/templates", &format!(r#"{{"name": "t", "image": "rootfs:{}"}}"#, material.root().display()))?;
    for n in 0..N_KEPT {
        post("/boxes", &format!(r#"{{"name": "s{n}", "template_name": "t", "timeout": 60}}"#))?;
    }
    Ok(())
}
