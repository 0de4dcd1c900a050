//! Sandboxes beside bubblewrap, runc, crun, Podman and Docker on the same machine, and our client beside the official
//! Python SDK against the same server.
//!
//! ```sh
//! cargo bench --bench sandboxes                            # everything that can start here
//! cargo bench --bench sandboxes -- --quick                 # a few of everything, in less than a minute
//! cargo bench --bench sandboxes -- --only sbx              # the sides whose names contain that
//! ```
//!
//! Every side makes its sandboxes of the same files: a root with busybox and nothing else. The sides take turns, one
//! operation each, so that whatever else the machine does falls on all of them. Ours are asked over HTTP and
//! WebSockets, as a user asks; the others by their own commands. As root, our server runs once as root and once as an
//! ordinary user; engines that need root are left out for anybody else. Peers come from the distribution's packages
//! (`bubblewrap runc crun podman docker.io`), and those that are missing or do not start are named with the reason.
//!
//! Nothing of the machine is changed: engines get folders of their own, no network and no firewall, and are stopped at
//! the end. It judges nothing: a number depends on the machine and on what else that is doing. Linux only.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its numbers")]

mod clients;
mod engines;
mod material;
#[path = "../scale/measure.rs"]
#[expect(dead_code, reason = "what `server` needs of it is its clock")]
mod measure;
mod memory;
mod ours;
mod peers;
#[path = "../apply/peer.rs"]
#[expect(dead_code, reason = "only what installs the SDK is used here")]
mod python;
mod samples;
#[path = "../scale/server.rs"]
#[expect(dead_code, reason = "it measures CPU time and calls, too")]
mod server;
mod side;
mod starts;

use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Runtime;

use clients::{Flow, PythonClient, RustClient};
use material::Material;
use ours::{Ours, User};
use samples::{Samples, Table};
use side::{Operation, Side};

fn main() -> ExitCode {
    match Options::parse().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How often the server is started at most.
const N_STARTS: usize = 20;

struct Options {
    /// How many rounds of operations.
    n_rounds: usize,
    /// How many transfers of each sort.
    n_flows: usize,
    /// How much a transfer carries, in MiB.
    flow_mib: usize,
    /// How many sandboxes a burst has.
    n_burst: usize,
    only: String,
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Self { n_rounds: 100, n_flows: 9, flow_mib: 64, n_burst: 100, only: String::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--quick" => options = Self { n_rounds: 5, n_flows: 2, flow_mib: 8, n_burst: 20, ..options },
                "--only" => options.only = arguments.next().ok_or("`--only` takes a part of a side's name")?,
                other => return Err(format!("`{other}` is not an option; there are `--quick` and `--only NAME`")),
            }
        }
        Ok(options)
    }
}

fn run(options: &Options) -> Result<(), String> {
    println!("{}", machine());
    let material = Material::make(options.flow_mib)?;
    let runtime = Arc::new(Runtime::new().map_err(|error| error.to_string())?);

    let mut sides: Vec<Box<dyn Side>> = Vec::new();
    for (name, side) in all_sides(&material, &runtime, &options.only) {
        match side {
            Ok(side) => sides.push(side),
            Err(why) => println!("without {name}: {why}"),
        }
    }
    operations(options, &mut sides)?;
    bursts(options, &mut sides)?;
    memory(&mut sides)?;
    // The engines are done; what follows has the machine for itself.
    drop(sides);
    if "sbx".contains(&options.only) {
        starts::measure(&material, options.n_rounds.min(N_STARTS))?;
    }
    transfers(options, &material, &runtime)
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let load: Vec<_> = read("/proc/loadavg").split(' ').take(2).map(str::to_owned).collect();
    format!("{cores} cores, {}; load before: {}", model.trim_start_matches([':', ' ', '\t']), load.join(" "))
}

type Started = Result<Box<dyn Side>, String>;

/// Starts whatever can start here.
fn all_sides(material: &Material, runtime: &Arc<Runtime>, only: &str) -> Vec<(&'static str, Started)> {
    let ours = |user, folder| -> Started { Ok(Box::new(Ours::start(material, user, folder, runtime)?)) };
    let mut started = Vec::new();
    let mut start = |name: &'static str, side: &dyn Fn() -> Started| {
        if name.contains(only) {
            started.push((name, side()));
        }
    };
    start("sbx, root", &|| ours(User::Root, "sbx-root"));
    start("sbx, user", &|| ours(User::Ordinary, "sbx-user"));
    start("bubblewrap", &|| peers::peer(engines::Bubblewrap::find(material)?));
    start("runc", &|| peers::peer(engines::OciRuntime::find("runc", material)?));
    start("crun", &|| peers::peer(engines::OciRuntime::find("crun", material)?));
    start("podman", &|| peers::peer(engines::Daemonlike::podman(material)?));
    start("docker", &|| peers::peer(engines::Daemonlike::docker(material)?));
    started
}

/// Has the sides take turns, one operation each.
fn operations(options: &Options, sides: &mut [Box<dyn Side>]) -> Result<(), String> {
    let mut samples = vec![vec![Samples::default(); sides.len()]; Operation::ALL.len()];
    for round in 0..options.n_rounds {
        for (row, operation) in samples.iter_mut().zip(Operation::ALL) {
            for (samples, side) in row.iter_mut().zip(sides.iter_mut()) {
                // Those that take long are measured less often, spread over the whole time.
                if round % side.takes_part_every() != 0 {
                    continue;
                }
                let taken =
                    side.once(operation).map_err(|why| format!("{}: {}: {why}", side.name(), operation.name()))?;
                samples.extend(taken);
            }
        }
    }
    for (row, operation) in samples.iter().zip(Operation::ALL) {
        let mut table = Table::of_times(operation.name(), operation.target());
        for (samples, side) in row.iter().zip(&*sides) {
            table.row(side.name(), samples);
        }
        table.print();
    }
    Ok(())
}

fn bursts(options: &Options, sides: &mut [Box<dyn Side>]) -> Result<(), String> {
    let target = (options.n_burst == 100).then_some("1.5 s");
    println!("\na burst of {}, at once, until all are ready{}", options.n_burst, samples::suffix(target));
    for side in sides {
        let taken = side.burst(options.n_burst).map_err(|why| format!("{}: a burst: {why}", side.name()))?;
        println!("  {:24} {:>8.2} s", side.name(), taken.as_secs_f64());
    }
    Ok(())
}

fn memory(sides: &mut [Box<dyn Side>]) -> Result<(), String> {
    println!("\nmemory of an idle sandbox (PSS, its keepers included)");
    for side in sides {
        let memory = side.idle_memory().map_err(|why| format!("{}: memory: {why}", side.name()))?;
        println!("  {:24} {memory}", side.name());
    }
    Ok(())
}

/// Has the two clients take turns against one server.
fn transfers(options: &Options, material: &Material, runtime: &Arc<Runtime>) -> Result<(), String> {
    if !"sbx".contains(&options.only) {
        return Ok(());
    }
    let user = if ours::is_root() { User::Root } else { User::Ordinary };
    let ours = Ours::start(material, user, "sbx-transfers", runtime)?;
    let mut rust = RustClient::new(&ours, options.flow_mib)?;
    let mut python = PythonClient::start(&ours, options.flow_mib);
    if let Err(why) = &python {
        println!("\nwithout the Python SDK: {why}");
    }
    let before = memory::peak_mb(ours.process());
    for flow in Flow::ALL {
        let mut samples = [Samples::default(), Samples::default()];
        for _ in 0..options.n_flows {
            samples[0].extend(Some(rust.once(flow)?));
            if let Ok(python) = &mut python {
                samples[1].extend(python.once(flow)?);
            }
        }
        let mut table = Table::of_rates(flow.name(), options.flow_mib, flow.is_compared());
        for (name, samples) in ["sbx's client", "Python SDK 0.7.30"].into_iter().zip(&samples) {
            table.row(name, samples);
        }
        table.print();
    }
    let peak = memory::peak_mb(ours.process());
    println!("\nthe server's peak memory: {before} MB before these transfers, {peak} MB after them");
    Ok(())
}
