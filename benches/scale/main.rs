//! `sbx` on a workspace of thousands of objects: wall time, CPU time and peak memory of each command, side by side with
//! the targets.
//!
//! ```sh
//! cargo bench --bench scale                               # the list of official images in the repository
//! cargo bench --bench scale -- --first 200                # only so many of them
//! cargo bench --bench scale -- --images LIST              # a list of your own, an image a line
//! ```
//!
//! It judges nothing: a number depends on the machine and on what else that is doing. Linux only, since it reads
//! `/proc`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its numbers")]

mod measure;
mod pages;
mod server;
// Built in, since an example of its own would be another build of everything with the profile of a release.
#[path = "../../examples/fleet/workspace.rs"]
mod workspace;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use measure::{Measured, measure};
use server::Server;

/// What every request takes at least while `apply` is measured, so that its lower bound is one of latency.
const LATENCY: Duration = Duration::from_millis(20);

/// How many operations `apply` runs at once by default.
const PARALLELISM: u32 = 10;

/// How many lists a plan reads.
const N_LISTS: usize = 4;

/// CPU time below which a ratio is noise: the kernel counts it in ticks of 10 ms.
const COARSE: Duration = Duration::from_millis(50);

/// How often short commands are run.
const RUNS: u32 = 5;

fn main() -> ExitCode {
    match Options::parse().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    images: PathBuf,
    first: Option<usize>,
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Self { images: root().join("examples/fleet/official-images.txt"), first: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--images" => options.images = arguments.next().ok_or("`--images` takes a file")?.into(),
                "--first" => {
                    let number = arguments.next().and_then(|text| text.parse().ok());
                    options.first = Some(number.ok_or("`--first` takes a number")?);
                }
                other => return Err(format!("`{other}` is not an option; there are `--images LIST` and `--first N`")),
            }
        }
        Ok(options)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(options: &Options) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scale");
    let manifests = folder.join("manifests");
    let generated = workspace::generate(&options.images, &manifests, options.first);
    println!("{}", generated.map_err(|error| format!("{}: {error}", options.images.display()))?);
    println!("{}\n", machine());

    start_up()?;
    let server = Server::start(&folder.join("data"))?;
    let sbx = |arguments: &[&str]| {
        let mut command = server.sbx(arguments[0]);
        command.arg("-f").arg(&manifests).args(&arguments[1..]);
        command
    };

    println!("{}", Measured::HEADER);
    let validate = measure("validate", RUNS, || sbx(&["validate"]))?;
    measure("plan, everything to do", RUNS, || sbx(&["plan"]))?;

    server.delay(LATENCY)?;
    let before = (server.cpu(), server.calls()?);
    let apply = measure("apply, 20 ms a request", 1, || sbx(&["apply", "--yes"]))?;
    let spent = Spent { cpu: server.cpu().saturating_sub(before.0), calls: server.calls()? - before.1 };
    server.delay(Duration::ZERO)?;
    let plan = measure("plan, nothing to do", RUNS, || sbx(&["plan", "--exit-code"]))?;

    let pages = pages::fetch(server.address())?;
    report_plan(&validate, &plan, &pages);
    report_apply(&apply, &spent, pages.n_objects());
    println!(
        "\nfor scale, elsewhere: 5,000 creates take 16 s with a hand-written script on the official SDK, and 1,090 s"
    );
    println!("with Terraform, which plans them again, with nothing to do, in 23 s and 526 MiB");
    Ok(())
}

/// What an apply has cost the server.
struct Spent {
    cpu: Duration,
    calls: usize,
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let size_mb = std::fs::metadata(server::PROGRAM).map_or(0, |meta| meta.len() / 1_000_000);
    format!("{cores} cores, {}; sbx has {size_mb} MB", model.trim_start_matches([':', ' ', '\t']))
}

/// Times the command that does least.
fn start_up() -> Result<(), String> {
    let mut walls = Vec::new();
    for _ in 0..4 * RUNS {
        let start = Instant::now();
        let output = Command::new(server::PROGRAM).arg("version").env_clear().output();
        walls.push(start.elapsed());
        let output = output.map_err(|error| format!("sbx: {error}"))?;
        if !output.status.success() {
            return Err(format!("`sbx version`: {}", output.status));
        }
    }
    walls.sort();
    println!(
        "start-up of `sbx version`: median {:.1?} of {} runs (target: under 10 ms)\n",
        walls[walls.len() / 2],
        walls.len()
    );
    Ok(())
}

fn report_plan(validate: &Measured, plan: &Measured, pages: &pages::Pages) {
    let decode = pages.decoding_cpu();
    let base = validate.user + decode;
    let ratio = if base < COARSE {
        "too short to tell".to_owned()
    } else {
        format!("{:.2}", plan.user.as_secs_f64() / base.as_secs_f64())
    };
    println!("\nplan with nothing to do");
    println!("  decoding {} recorded pages: {decode:.0?} of user CPU", pages.len());
    println!("  user CPU against `validate` and that decoding: {ratio} (target: under 1.5)");
    println!("  peak memory: {} MB (target: under 150 MB)", plan.peak_kib * 1_024 / 1_000_000);
}

/// Compares with what nobody can beat: a create for each object and one page of each list, so many at once.
fn report_apply(apply: &Measured, spent: &Spent, n_objects: usize) {
    let needed = u32::try_from(n_objects + N_LISTS).unwrap_or(u32::MAX);
    let bound = LATENCY * needed.div_ceil(PARALLELISM) + spent.cpu;
    let ratio = apply.wall.as_secs_f64() / bound.as_secs_f64();
    println!("\napply");
    println!("  calls: {} of which {needed} are needed", spent.calls);
    println!(
        "  lower bound: {needed} calls of {LATENCY:.0?}, {PARALLELISM} at once, and {:.1?} of the server's CPU: {bound:.1?}",
        spent.cpu
    );
    println!("  wall time against it: {ratio:.2} (target: under 1.10)");
}
