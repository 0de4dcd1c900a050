//! What stays of a sandbox, and what does not.

use std::path::Path;

use sbx::server::runtime::{LaunchSpec, Mount};
use sbx::types::VolumeId;
use serde_json::{Value, json};

use crate::bench::{Bench, id, open, sh, spec};
use crate::served::{Served, are_gone, becomes, children, until};

/// How many sandboxes come and go; `SBX_LIVES` is another number.
const LIVES: usize = 1000;

/// How many there are at a time, and how many are made and deleted at once.
const BATCH: usize = 50;
const AT_ONCE: usize = 5;

#[tokio::test]
async fn a_disk_outlives_the_server() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    sh(&sandbox, "echo kept > file").await;
    drop(sandbox);
    let Bench { runtime, folder } = bench;
    drop(runtime);

    let runtime = open(folder.path().join("runtime")).await;
    assert!(runtime.recover(&[id(1)]).await.is_empty(), "processes end with the server");
    let again = Bench { runtime, folder };
    let sandbox = again.sandbox(1).await;
    assert_eq!(sh(&sandbox, "cat file").await.stdout, "kept\n");
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_volume_outlives_its_sandboxes() {
    engine!();
    let bench = Bench::new().await;
    let mounts = || vec![Mount { volume: VolumeId::new("v1"), path: "/data".to_owned(), read_only: false }];
    let one = bench.sandbox_with(1, mounts()).await;
    assert_eq!(sh(&one, "echo kept > /data/file && stat -c %u /data/file").await.stdout, "0\n");
    one.destroy().await;
    let other = bench.sandbox_with(2, mounts()).await;
    assert_eq!(sh(&other, "cat /data/file && stat -c %u /data/file && rm /data/file").await.stdout, "kept\n0\n");
    other.destroy().await;
}

#[tokio::test]
async fn a_sandbox_that_ends_by_itself_is_noticed() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let ended = sandbox.ended();
    let destroyed = sandbox.destroy();
    let (reason, ()) = tokio::join!(ended, destroyed);
    assert!(!reason.is_empty());
    assert!(sandbox.dial(80).await.is_err());
}

/// Returns the children of this process that have ended and that nobody has waited for, each by when it began.
fn zombies() -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for pid in children(std::process::id()) {
        let pid = pid.as_raw_nonzero().get();
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<_> = status.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        if fields[0] == "Z" {
            found.push((pid, fields[19].to_owned()));
        }
    }
    found
}

/// Waits until somebody has waited for every child that has ended by now: others' tests have such children too, for a
/// moment.
fn no_zombie_stays() {
    let before = zombies();
    becomes("no zombie", &Vec::new(), || {
        let mut left = zombies();
        left.retain(|zombie| before.contains(zombie));
        left
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_that_are_given_up_leave_nothing() {
    engine!();
    let bench = Bench::new().await;
    for number in 0..40 {
        let id = id(number);
        let time = std::time::Duration::from_millis(u64::from(number / 2));
        // From before the first step to when some are through.
        if let Ok(launched) = tokio::time::timeout(time, bench.runtime.launch(&id, &spec())).await {
            launched.expect("it starts").destroy().await;
        }
        bench.runtime.discard(&id).await;
        assert_eq!(entries(&bench.folder.path().join("runtime/sandboxes")), 0, "after {time:?}");
    }
    no_zombie_stays();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing() {
    engine!();
    let bench = Bench::new().await;
    for number in 0..10 {
        // The first process of the sandbox is there already when it finds this out.
        let mounts =
            vec![Mount { volume: VolumeId::new("v1"), path: "/dev/null/impossible".to_owned(), read_only: false }];
        let failed = bench.runtime.launch(&id(number), &LaunchSpec { mounts, ..spec() }).await;
        let error = failed.err().expect("a file is no folder").to_string();
        assert!(error.starts_with("cannot mount `/dev/null/impossible`: "), "{error}");
        assert_eq!(entries(&bench.folder.path().join("runtime/sandboxes")), 0);
    }
    no_zombie_stays();
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_that_are_dropped_are_waited_for() {
    engine!();
    let bench = Bench::new().await;
    for number in 0..5 {
        drop(bench.sandbox(number).await);
    }
    // Ends after what was dropped before.
    bench.runtime.discard(&id(0)).await;
    no_zombie_stays();
}

#[test]
fn nothing_is_left_of_a_thousand_sandboxes() {
    engine!();
    #[expect(clippy::disallowed_methods, reason = "the long form of a test is asked for by the environment")]
    let lives = std::env::var("SBX_LIVES").map_or(LIVES, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Served::start(&folder.path().join("data"));
    server.template("t", &json!([]));
    let mut at_first = None;
    for batch in 0..lives.div_ceil(BATCH) {
        std::thread::scope(|scope| {
            for worker in 0..AT_ONCE {
                let server = &server;
                scope.spawn(move || live(server, worker, batch));
            }
        });
        becomes("nothing", &(Vec::new(), Vec::new(), Vec::new()), || {
            (server.children(), server.entries("sandboxes"), server.grouped())
        });
        // What a server keeps once it has been used, such as buffers, it has by then. What a sandbox had goes a moment
        // after its folder.
        let first = *at_first.get_or_insert_with(|| Used::by(server.pid()));
        until("the end of what they used", || {
            let used = Used::by(server.pid());
            let is_as_before =
                used.descriptors <= first.descriptors + 5 && used.memory_kib <= first.memory_kib + 30_000;
            if is_as_before { Ok(()) } else { Err(format!("{used:?} after {first:?}")) }
        });
    }
    // Those that waited for disks stay for some seconds, for more to do.
    becomes("no more threads than at first", &true, || Used::by(server.pid()).threads <= at_rest());
    assert!(server.entries("mount").is_empty());
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("is there");
    assert!(!mounts.contains(&folder.path().display().to_string()), "{mounts}");
    let groups = server.groups();
    server.stop();
    are_gone(&groups);
}

#[test]
fn sandboxes_may_be_more_than_files_can_be_open_by_default() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -Sn 64 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sbx"), "serve"]);
    command.args(["--image-fallback", "host"]);
    let server = Served::run(command, &folder.path().join("data"));
    server.template("t", &json!([]));
    for n in 0..64 {
        server.sandbox(&format!("s{n}"), "t");
    }
    assert_eq!(server.agents().len(), 64);
    server.stop();
}

/// Makes a share of a batch, uses it and deletes it.
fn live(server: &Served, worker: usize, batch: usize) {
    let names: Vec<_> = (0..BATCH / AT_ONCE).map(|n| format!("s{worker}-{batch}-{n}")).collect();
    for name in &names {
        let id = server.sandbox(name, "t");
        assert_eq!(server.sh(&id, "echo 1 > file; sleep 7777 >/dev/null 2>&1 &").code, 0);
        assert!(server.grouped().contains(&id) || server.groups().is_empty(), "{name} is held to nothing");
    }
    for name in &names {
        server.ok("DELETE", &format!("/boxes/{name}"), &Value::Null);
    }
}

/// Returns how many threads a server has that does nothing: one for each processor, and a few of its own.
fn at_rest() -> u64 {
    std::thread::available_parallelism().expect("is known").get() as u64 + 8
}

/// What a process has of the machine.
#[derive(Debug, Clone, Copy)]
struct Used {
    descriptors: usize,
    threads: u64,
    memory_kib: u64,
}

impl Used {
    fn by(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("is said of every process");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let descriptors = entries(Path::new(&format!("/proc/{pid}/fd")));
        Self { descriptors, threads: number("Threads:"), memory_kib: number("VmRSS:") }
    }
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("is there").count()
}
