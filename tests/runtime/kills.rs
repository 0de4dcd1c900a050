//! Kills at random moments, under load: of the server, and of sandboxes from outside.
//!
//! A case is a server on data of its own, with some who work on it: they make and delete sandboxes, volumes and files,
//! and remember what was acknowledged. Meanwhile sandboxes are killed, and then the server. After each kill no process is
//! left; the next server has all that was acknowledged, and nothing else. `SBX_KILL_MINUTES=10` runs cases for that long,
//! and `SBX_KILL_SEED=17` the one that a failure names: the same work and the same times, as far as the machine lets it.

#![expect(clippy::print_stderr, reason = "a run says how much it did, and a failure how to see it again")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::{Signal, WaitOptions, kill_process, set_child_subreaper};
use serde_json::{Value, json};

use crate::served::{Answer, Served, are_gone, becomes, call, children, download, entries, sh, until, upload};

/// How many cases a run of the tests has time for.
const CASES: u64 = 2;

/// How often a case's server is killed.
const KILLS: u32 = 3;

const WORKERS: u64 = 4;

/// What says that a process is there for these tests alone.
const INSIDE: &str = "SBX_KILL_INSIDE";

#[test]
fn nothing_is_lost_and_nothing_is_left_whenever_something_is_killed() {
    engine!();
    if variable(INSIDE).is_some() {
        return in_a_process_of_their_own();
    }
    // What a killed server leaves becomes the child of the test's process, which must have no others then.
    let status = Command::new(std::env::current_exe().expect("is known"))
        .args(["--exact", "--nocapture", "kills::nothing_is_lost_and_nothing_is_left_whenever_something_is_killed"])
        .env(INSIDE, "1")
        .status()
        .expect("it can be started");
    assert!(status.success(), "see above");
}

#[expect(clippy::disallowed_methods, reason = "the long form of a test is asked for by the environment")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn in_a_process_of_their_own() {
    set_child_subreaper(Some(rustix::process::getpid())).expect("anybody may");
    if let Some(seed) = variable("SBX_KILL_SEED") {
        return case(seed);
    }
    let Some(minutes) = variable("SBX_KILL_MINUTES") else { return (0..CASES).for_each(case) };
    let (begun, mut n_cases) = (Instant::now(), 0);
    let base = Rng::new().u64(..u64::MAX / 2);
    while begun.elapsed() < Duration::from_mins(minutes) {
        case(base + n_cases);
        n_cases += 1;
    }
    eprintln!("{n_cases} cases, {} kills of servers", n_cases * u64::from(KILLS));
}

/// Says how to run a case again, if it fails.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("replay with: SBX_KILL_SEED={} cargo test --test runtime kills", self.0);
        }
    }
}

fn case(seed: u64) {
    let _replay = Replay(seed);
    let mut rng = Rng::with_seed(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut server = Served::start(&data);
    let mut workers: Vec<_> = (0..WORKERS).map(|number| Worker::new(number, &server)).collect();
    server.ok("POST", "/pools", &json!({"name": "p", "template_name": "t0", "replicas": 2, "wait_for_ready": false}));
    for _ in 0..KILLS {
        let groups = server.groups();
        work_until_killed(server, &mut workers, &mut rng);
        nothing_runs();
        server = Served::start(&data);
        are_gone(&groups);
        for worker in &mut workers {
            worker.check(&server);
        }
        nothing_else_is_there(&server, &workers, &data);
    }
    server.ok("DELETE", "/pools/p", &Value::Null);
    for worker in &workers {
        worker.delete_everything(&server);
    }
    becomes("no sandbox and no volume", &(Vec::new(), Vec::new()), || {
        (server.entries("sandboxes"), server.entries("volumes"))
    });
    let groups = server.groups();
    server.stop();
    nothing_runs();
    are_gone(&groups);
}

/// Lets everybody work, kills sandboxes meanwhile, and then the server.
fn work_until_killed(server: Served, workers: &mut [Worker], rng: &mut Rng) {
    let time = Duration::from_millis(rng.u64(100..2500));
    let (host, is_over) = (server.host.clone(), AtomicBool::new(false));
    let (host, is_over) = (host.as_str(), &is_over);
    let mut killing = rng.fork();
    let pid = server.pid();
    thread::scope(|scope| {
        for worker in workers {
            let mut rng = rng.fork();
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    worker.work(host, &mut rng);
                }
            });
        }
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(killing.u64(20..300)));
                let agents = children(pid);
                if !agents.is_empty() {
                    // It may have ended in this very moment.
                    let _ = kill_process(agents[killing.usize(..agents.len())], Signal::KILL);
                }
            }
        });
        thread::sleep(time);
        server.kill();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Waits until no process of a server is left: as orphans they are this process's children.
fn nothing_runs() {
    until("the end of all processes", || {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(format!("{:?} run", children(std::process::id()))),
                Err(_) => return Ok(()),
            }
        }
    });
}

fn nothing_else_is_there(server: &Served, workers: &[Worker], data: &Path) {
    let pool = server.ok("GET", "/pools/p", &Value::Null);
    let n_replicas = pool["replicas"].as_u64().expect("a number");
    let known: BTreeSet<_> = workers.iter().flat_map(|worker| worker.boxes.values().map(|it| it.id.clone())).collect();
    becomes("the disks of what there is", &n_replicas, || {
        server.entries("sandboxes").iter().filter(|&id| !known.contains(id)).count() as u64
    });
    // Whoever has a group has a disk.
    becomes("no group but of what there is", &Vec::new(), || {
        let disks = server.entries("sandboxes");
        server.grouped().into_iter().filter(|id| !disks.contains(id)).collect::<Vec<_>>()
    });
    let folders: Vec<_> =
        ["formatted", "groups", "host", "images", "mount", "sandboxes", "volumes"].map(str::to_owned).into();
    let found = entries(&data.join("runtime"));
    assert!(found.iter().all(|name| folders.contains(name)), "{found:?}");
    assert!(server.entries("mount").is_empty());
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("is there");
    assert!(!mounts.contains(&data.display().to_string()), "{mounts}");
}

/// Somebody who works on the server, and remembers what it acknowledged.
struct Worker {
    number: u64,
    n_made: u64,
    boxes: BTreeMap<String, Sandbox>,
    /// Sandboxes and volumes whose creation or deletion was not acknowledged: they may be there or not.
    unsure: BTreeSet<String>,
    /// Deleted for sure, by path.
    gone: BTreeSet<String>,
    volumes: BTreeSet<String>,
    /// What is in the files of the volume that all of its sandboxes see.
    shared: Files,
}

struct Sandbox {
    id: String,
    files: Files,
}

/// What each file may hold: what was acknowledged last, and all that was tried since. Nothing is a file that may not be
/// there.
type Files = BTreeMap<String, Vec<Option<String>>>;

impl Worker {
    fn new(number: u64, server: &Served) -> Self {
        server.ok("POST", "/volumes", &json!({"name": format!("v{number}"), "size": "1Gi"}));
        let mounts = json!([{"volume_name": format!("v{number}"), "mount_path": "/data"}]);
        let mounts = if number == 0 { json!([]) } else { mounts };
        server.template(&format!("t{number}"), &mounts);
        Self {
            number,
            n_made: 0,
            boxes: BTreeMap::new(),
            unsure: BTreeSet::new(),
            gone: BTreeSet::new(),
            volumes: BTreeSet::new(),
            shared: Files::new(),
        }
    }

    fn work(&mut self, host: &str, rng: &mut Rng) {
        let some = rng.usize(..).checked_rem(self.boxes.len()).and_then(|n| self.boxes.keys().nth(n).cloned());
        match (rng.u8(..16), some) {
            (0..=2, Some(name)) => self.delete_sandbox(host, &name),
            (3..=8, Some(name)) => self.write(host, &name, rng),
            (9..=10, Some(name)) => self.run(host, &name, rng),
            (11, _) => self.make_volume(host),
            (12, _) => self.delete_volume(host),
            (13, _) if self.number == 0 => {
                let _ = api(host, "PATCH", "/pools/p", &json!({"replicas": rng.u8(..4)}));
            }
            _ if self.boxes.len() < 4 => self.make_sandbox(host),
            _ => {}
        }
    }

    fn next(&mut self) -> String {
        self.n_made += 1;
        format!("w{}-{}", self.number, self.n_made)
    }

    fn make_sandbox(&mut self, host: &str) {
        let name = self.next();
        let body = json!({"name": name, "template_name": format!("t{}", self.number), "timeout": 120});
        match api(host, "POST", "/boxes", &body) {
            Ok(Answer { status: 201, body, .. }) => {
                let id = body["id"].as_str().expect("a text").to_owned();
                self.boxes.insert(name, Sandbox { id, files: Files::new() });
            }
            _ => drop(self.unsure.insert(format!("/boxes/{name}"))),
        }
    }

    fn delete_sandbox(&mut self, host: &str, name: &str) {
        let path = format!("/boxes/{name}");
        self.boxes.remove(name);
        match api(host, "DELETE", &path, &Value::Null) {
            Ok(answer) if (200..300).contains(&answer.status) => self.gone.insert(path),
            _ => self.unsure.insert(path),
        };
    }

    fn make_volume(&mut self, host: &str) {
        let name = self.next();
        match api(host, "POST", "/volumes", &json!({"name": name, "size": "1Gi"})) {
            Ok(Answer { status: 201, .. }) => self.volumes.insert(name),
            _ => self.unsure.insert(format!("/volumes/{name}")),
        };
    }

    fn delete_volume(&mut self, host: &str) {
        let Some(name) = self.volumes.pop_first() else { return };
        let path = format!("/volumes/{name}");
        match api(host, "DELETE", &path, &Value::Null) {
            Ok(answer) if (200..300).contains(&answer.status) => self.gone.insert(path),
            _ => self.unsure.insert(path),
        };
    }

    /// Returns the files of a sandbox or of the volume, and where they are.
    fn files(&mut self, name: &str, shared: bool) -> (String, &'static str, &mut Files) {
        let sandbox = self.boxes.get_mut(name).expect("it is one of ours");
        let id = sandbox.id.clone();
        if shared { (id, "/data", &mut self.shared) } else { (id, "/home/user", &mut sandbox.files) }
    }

    /// Writes a file anew.
    fn write(&mut self, host: &str, name: &str, rng: &mut Rng) {
        let shared = self.number > 0 && rng.bool();
        let (id, folder, files) = self.files(name, shared);
        let (file, content) = (format!("f{}", rng.u8(..4)), rng.u64(..).to_string().repeat(rng.usize(1..2000)));
        let may_hold = files.entry(file.clone()).or_insert_with(|| vec![None]);
        may_hold.push(Some(content.clone()));
        if matches!(upload(host, &id, &format!("{folder}/{file}"), content.as_bytes()), Ok(Answer { status: 200, .. }))
        {
            *may_hold = vec![Some(content)];
        }
    }

    /// Writes a file by a command.
    fn run(&mut self, host: &str, name: &str, rng: &mut Rng) {
        let shared = self.number > 0 && rng.bool();
        let (id, folder, files) = self.files(name, shared);
        let (file, content) = (format!("r{}", rng.u8(..4)), rng.u64(..).to_string());
        let may_hold = files.entry(file.clone()).or_insert_with(|| vec![None]);
        may_hold.push(Some(content.clone()));
        let script = format!("printf {content} > {folder}/.new && mv {folder}/.new {folder}/{file}");
        if matches!(sh(host, &id, &script), Ok(Ok(ran)) if ran.code == 0) {
            *may_hold = vec![Some(content)];
        }
    }

    /// Compares all that is remembered with what is there, and takes over what was not sure.
    fn check(&mut self, server: &Served) {
        for path in &self.gone {
            assert_eq!(server.call("GET", path, &Value::Null).expect("it answers").status, 404, "{path}");
        }
        for path in std::mem::take(&mut self.unsure) {
            let answer = server.call("GET", &path, &Value::Null).expect("it answers");
            match (answer.status, path.split_at(path.rfind('/').expect("it has one") + 1)) {
                (404, _) => drop(self.gone.insert(path)),
                (200, ("/volumes/", name)) => drop(self.volumes.insert(name.to_owned())),
                (200, ("/boxes/", _)) => drop(server.ok("DELETE", &path, &Value::Null)),
                _ => panic!("{path}: {answer:?}"),
            }
        }
        for name in &self.volumes {
            server.ok("GET", &format!("/volumes/{name}"), &Value::Null);
        }
        for (name, sandbox) in &mut self.boxes {
            let found = server.ok("GET", &format!("/boxes/{name}"), &Value::Null);
            assert_eq!((&found["id"], &found["status"]), (&json!(sandbox.id), &json!("ready")), "{found}");
            compare(server, &sandbox.id, "/home/user", &mut sandbox.files);
        }
        if self.shared.is_empty() {
            return;
        }
        let name = self.next();
        let id = server.sandbox(&name, &format!("t{}", self.number));
        compare(server, &id, "/data", &mut self.shared);
        server.ok("DELETE", &format!("/boxes/{name}"), &Value::Null);
    }

    fn delete_everything(&self, server: &Served) {
        let boxes = self.boxes.keys().map(|name| format!("/boxes/{name}"));
        let own = [format!("/templates/t{}", self.number), format!("/volumes/v{}", self.number)];
        let volumes = self.volumes.iter().map(|name| format!("/volumes/{name}"));
        for path in boxes.chain(own).chain(volumes) {
            server.ok("DELETE", &path, &Value::Null);
        }
    }
}

/// Compares files with what they may hold; from then on that is what they hold.
fn compare(server: &Served, id: &str, folder: &str, files: &mut Files) {
    for (name, may_hold) in files {
        let answer = download(&server.host, id, &format!("{folder}/{name}")).expect("it answers");
        let found = match answer.status {
            200 => Some(String::from_utf8(answer.bytes).expect("it is text")),
            404 => None,
            _ => panic!("{name}: {answer:?}"),
        };
        let start = |text: &Option<String>| text.as_ref().map(|text| text.chars().take(30).collect::<String>());
        let allowed: Vec<_> = may_hold.iter().map(start).collect();
        assert!(may_hold.contains(&found), "{folder}/{name} holds {:?} and not {allowed:?}", start(&found));
        *may_hold = vec![found];
    }
}

fn api(host: &str, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
    call(host, method, &format!("/v2/sandboxes{path}"), body)
}
