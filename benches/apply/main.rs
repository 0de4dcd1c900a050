//! The wall time of `sbx apply` against a server that takes 50 ms for every call, beside what nobody can beat, and beside
//! a script on the official SDK that does the same work at the same concurrency.
//!
//! ```sh
//! cargo bench --bench apply                                # 10, 100 and 1,000 objects, 1, 10 and 50 at once
//! cargo bench --bench apply -- --objects 100 --parallelism 10
//! cargo bench --bench apply -- --record store              # with the inventory in an object store only
//! ```
//!
//! Every case is run with the inventory in a file and in an object store, a server that speaks S3 on the same machine.
//! The lower bound is one call to read the live state, the longest chain or as many rounds as it takes, whichever is
//! more, and the server's own CPU time; with an object store also the five requests that can only follow one another
//! (look at the lock, take it, write down what is intended, write down the end, release the lock), at what a request
//! takes there. The script reads nothing, so that its bound is a call shorter. It judges nothing: a number depends on
//! the machine and on what else that is doing. Linux only, since it reads `/proc`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its numbers")]

#[path = "../scale/measure.rs"]
#[expect(dead_code, reason = "only its clock is used here")]
mod measure;
#[path = "../../tests/sdk/object_store.rs"]
mod object_store;
mod peer;
#[path = "../scale/server.rs"]
mod server;
mod work;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use peer::Peer;
use server::Server;

/// What every call takes at least.
const LATENCY: Duration = Duration::from_millis(50);

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
    objects: Vec<usize>,
    parallelism: Vec<usize>,
    records: Vec<String>,
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Self {
            objects: vec![10, 100, 1_000],
            parallelism: vec![1, 10, 50],
            records: vec!["file".into(), "store".into()],
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{argument}` takes a value"));
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--objects" => options.objects = numbers(&value()?)?,
                "--parallelism" => options.parallelism = numbers(&value()?)?,
                "--record" => options.records = vec![value()?],
                other => return Err(format!("`{other}` is not an option")),
            }
        }
        Ok(options)
    }
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    let number = |part: &str| part.trim().parse().ok().filter(|number| *number > 0);
    text.split(',').map(number).collect::<Option<_>>().ok_or(format!("`{text}` is no list of numbers such as `1,10`"))
}

fn run(options: &Options) -> Result<(), String> {
    let peer = Peer::install();
    let records = options.records.iter().map(|name| Record::named(name)).collect::<Result<Vec<_>, _>>()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apply");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    println!("every call takes {} ms", LATENCY.as_millis());
    println!("objects  at once  by            bound       took  ratio  calls  server CPU   own CPU");
    for &n in &options.objects {
        for &at_once in &options.parallelism {
            let case = Case::new(&folder, n, at_once)?;
            for record in &records {
                println!("{}", case.line(record.name(), &case.apply(record)?, LATENCY + record.price()?));
            }
            if let Ok(peer) = &peer {
                // It reads nothing first, so that its bound is a call shorter.
                println!("{}", case.line("script", &case.script(peer)?, Duration::ZERO));
            }
        }
    }
    println!("target: a ratio under 1.10");
    if let Err(why) = peer {
        println!("no script: {why}");
    }
    Ok(())
}

/// Where the inventory is kept.
enum Record {
    File,
    Store(ObjectStore),
}

impl Record {
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "file" => Ok(Self::File),
            "store" => {
                let python = peer::python_with("store", object_store::REQUIREMENT)?;
                ObjectStore::start(&python).map(Self::Store)
            }
            other => Err(format!("the inventory is kept in `file` or `store`, not in `{other}`")),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::File => "sbx, file",
            Self::Store(_) => "sbx, store",
        }
    }

    /// Returns what the requests to an object store take that nothing can go on beside: five, at the median of nine.
    fn price(&self) -> Result<Duration, String> {
        let Self::Store(store) = self else { return Ok(Duration::ZERO) };
        let variables = store.variables();
        let address = variables.iter().find_map(|(name, value)| (*name == "AWS_ENDPOINT_URL").then_some(value));
        let host = address.and_then(|address| address.strip_prefix("http://")).ok_or("the store has no address")?;
        let mut taken = Vec::new();
        for _ in 0..9 {
            let start = Instant::now();
            server::request(host, "GET", "/inventories?list-type=2", "")?;
            taken.push(start.elapsed());
        }
        taken.sort_unstable();
        Ok(taken[taken.len() / 2] * 5)
    }
}

/// So many objects, so many at once.
struct Case {
    folder: PathBuf,
    n: usize,
    at_once: usize,
}

/// What one way of doing the work has taken.
struct Taken {
    wall: Duration,
    /// Of the server.
    cpu: Duration,
    own_cpu: Duration,
    n_calls: usize,
}

impl Case {
    fn new(folder: &Path, n: usize, at_once: usize) -> Result<Self, String> {
        let items = work::items(n);
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"))
        };
        write("manifests.yaml", work::manifests(&items))?;
        write("work.json", work::to_json(&items).to_string())?;
        Ok(Self { folder: folder.to_owned(), n, at_once })
    }

    /// Starts an empty server that takes its time, and measures what `work` makes of it.
    fn measure(&self, work: impl FnOnce(&Server) -> Result<(Duration, Duration), String>) -> Result<Taken, String> {
        let server = Server::start(&self.folder.join("data"))?;
        server.delay(LATENCY)?;
        let before = (server.cpu(), server.calls()?);
        let (wall, own_cpu) = work(&server)?;
        let n_calls = server.calls()? - before.1;
        Ok(Taken { wall, own_cpu, cpu: server.cpu().saturating_sub(before.0), n_calls })
    }

    fn apply(&self, record: &Record) -> Result<Taken, String> {
        // Whatever an earlier run has recorded is of another server.
        let project = self.folder.join("project");
        let _ = std::fs::remove_dir_all(&project);
        std::fs::create_dir_all(&project).map_err(|error| error.to_string())?;
        self.measure(|server| {
            let mut command = server.sbx("apply");
            command.args(["--yes", "--quiet", "--parallelism", &self.at_once.to_string(), "-f"]);
            command.arg(self.folder.join("manifests.yaml")).current_dir(&project);
            if let Record::Store(store) = record {
                // A place of its own for each case.
                let place = format!("{}/{}-{}.json", object_store::BUCKET, self.n, self.at_once);
                command.arg("--inventory").arg(place).envs(store.variables());
            }
            timed(&mut command)
        })
    }

    fn script(&self, peer: &Peer) -> Result<Taken, String> {
        self.measure(|server| {
            let url = format!("http://{}/v2/sandboxes", server.address());
            Ok((peer.run(&self.folder.join("work.json"), &url, self.at_once)?, Duration::ZERO))
        })
    }

    /// Returns what nobody can beat once the work is known.
    fn bound(&self, taken: &Taken) -> Duration {
        let n_rounds = self.n.div_ceil(self.at_once).max(work::DEPTH);
        LATENCY * u32::try_from(n_rounds).unwrap_or(u32::MAX) + taken.cpu
    }

    fn line(&self, by: &str, taken: &Taken, before: Duration) -> String {
        let seconds = |time: Duration| format!("{:.3} s", time.as_secs_f64());
        let bound = self.bound(taken) + before;
        format!(
            "{:>7} {:>8}  {by:<10} {:>9}  {:>9}  {:>5.2} {:>6} {:>11} {:>9}",
            self.n,
            self.at_once,
            seconds(bound),
            seconds(taken.wall),
            taken.wall.as_secs_f64() / bound.as_secs_f64(),
            taken.n_calls,
            seconds(taken.cpu),
            seconds(taken.own_cpu),
        )
    }
}

/// Runs a command to its end; returns its wall time and its CPU time.
fn timed(command: &mut Command) -> Result<(Duration, Duration), String> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    let stat = format!("/proc/{}/stat", child.id());
    // Until it is waited for, the kernel keeps its times.
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let wall = start.elapsed();
    let (user, system) = measure::cpu_times(child.id());
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok((wall, user + system)) } else { Err(format!("sbx apply: {status}")) }
}
