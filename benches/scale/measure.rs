//! A command's wall time, CPU time and peak memory, read from `/proc` until it ends.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running command is looked at; its peak memory is exact to what it can still allocate in that time.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The kernel's unit of CPU time in `/proc`, fixed at 100 a second on every Linux that Rust runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What one command took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    pub(crate) wall: Duration,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) peak_kib: u64,
}

impl Measured {
    pub(crate) const HEADER: &'static str = "command                       wall       user     system   peak memory\n---------------------------------------------------------------------";

    fn line(&self, name: &str) -> String {
        let Self { wall, user, system, peak_kib } = self;
        let seconds = |time: &Duration| format!("{:.3} s", time.as_secs_f64());
        let peak_mb = peak_kib * 1_024 / 1_000_000;
        format!("{name:24} {:>10} {:>10} {:>10} {peak_mb:>10} MB", seconds(wall), seconds(user), seconds(system))
    }
}

/// Runs a command `runs` times, prints what it took, and returns it.
///
/// Wall time is that of the fastest run, since all noise is upwards. CPU time is the mean, since the kernel's clock is
/// coarse beside a run. Peak memory is the highest.
pub(crate) fn measure(name: &str, runs: u32, command: impl Fn() -> Command) -> Result<Measured, String> {
    let mut all = Measured { wall: Duration::MAX, ..Measured::default() };
    for _ in 0..runs {
        let run = once(&mut command()).map_err(|error| format!("{name}: {error}"))?;
        all.wall = all.wall.min(run.wall);
        all.user += run.user / runs;
        all.system += run.system / runs;
        all.peak_kib = all.peak_kib.max(run.peak_kib);
    }
    println!("{}", all.line(name));
    Ok(all)
}

fn once(command: &mut Command) -> Result<Measured, String> {
    let errors = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let stderr = errors.reopen().map_err(|error| error.to_string())?;
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().map_err(|error| error.to_string())?;
    let mut measured = watch(&child);
    measured.wall = start.elapsed();
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(measured);
    }
    Err(complaint(status, &fs::read_to_string(errors.path()).unwrap_or_default()))
}

fn complaint(status: ExitStatus, stderr: &str) -> String {
    let end: Vec<_> = stderr.lines().rev().take(5).collect();
    format!("{status}: {}", end.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

/// Looks at a child until it has ended, but not been waited for: until then the kernel keeps its times.
fn watch(child: &Child) -> Measured {
    let mut measured = Measured::default();
    let status = format!("/proc/{}/status", child.id());
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        if let Some(peak) = field("VmHWM:").split(' ').next().and_then(|kib| kib.parse().ok()) {
            measured.peak_kib = peak;
        }
        if text.is_empty() || field("State:").starts_with('Z') {
            (measured.user, measured.system) = cpu_times(child.id());
            return measured;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Returns the user and system time that a process has taken, to a hundredth of a second.
pub(crate) fn cpu_times(process: u32) -> (Duration, Duration) {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is the name, in parentheses, and may hold anything; user and system time are fields 14 and 15.
    let after_name = text.rsplit(") ").next().unwrap_or_default();
    let ticks = |field: usize| after_name.split(' ').nth(field - 3).and_then(|ticks| ticks.parse::<u64>().ok());
    let time = |field| Duration::from_millis(ticks(field).unwrap_or(0) * 1_000 / TICKS_PER_SECOND);
    (time(14), time(15))
}

/// Returns the time that the threads of a process, as it has them now, have run, to the nanosecond.
pub(crate) fn running_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().filter_map(Result::ok);
    let ran = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    ran.sum()
}
