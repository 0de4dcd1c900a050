//! What a sandbox could take of the machine, taken as greedily as can be, and what stays of the sandbox then.
//!
//! Where the machine cannot hold a sandbox to a limit, that is said: in the notice of the runtime, and of the sandbox.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use sbx::server::runtime::{Control, ExecError, Frame, Instance, LaunchSpec};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::bench::{Bench, command, finish, id, is_enforced, sh, spec, start, tell};
use crate::served::{Served, becomes};

/// More than any limit of processes.
const MANY: usize = 3000;

const FORK_BOMB: &str = "import os, time
n = 0
try:
    while n < 3000:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        n += 1
except BlockingIOError:
    pass
print(n, flush=True)
time.sleep(600)";

async fn launch(bench: &Bench, spec: LaunchSpec) -> Arc<dyn Instance> {
    bench.runtime.launch(&id(1), &spec).await.unwrap_or_else(|error| panic!("{}: {error}", error.kind))
}

fn with_memory(memory: &str) -> LaunchSpec {
    LaunchSpec { memory: memory.parse().expect("a quantity"), ..spec() }
}

fn says(sandbox: &Arc<dyn Instance>, what: &str) -> bool {
    sandbox.notice().is_some_and(|notice| notice.starts_with("not enforced on this machine: ") && notice.contains(what))
}

async fn is_well(sandbox: &Arc<dyn Instance>) {
    assert_eq!(sh(sandbox, "echo well").await.stdout, "well\n");
    let size = sandbox.write("/home/user/file", Box::new(Cursor::new(b"content".to_vec()))).await;
    assert_eq!(size.expect("it can be written"), 7);
}

#[tokio::test]
async fn a_fork_bomb_ends_at_the_limit_of_processes() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = launch(&bench, with_memory("2Gi")).await;
    let mut session = sandbox.exec(command(&["python3", "-c", FORK_BOMB])).await.expect("python starts");
    let Some(Frame::Stdout(line)) = session.output.recv().await else { panic!("it ended") };
    let forked: usize = String::from_utf8_lossy(&line).trim().parse().expect("a number");
    if is_enforced(&bench, "processes") {
        assert!((100..1024).contains(&forked), "{forked}");
        // There is room for nobody, which is an answer; and files need no process.
        assert!(matches!(sandbox.exec(command(&["true"])).await, Err(ExecError::Start(_))));
        sandbox.write("/home/user/file", Box::new(Cursor::new(b"content".to_vec()))).await.expect("it is written");
    } else {
        assert_eq!(forked, MANY);
    }
    session.kill.cancel();
    assert_eq!(finish(session).await.code, 137);
    // They end one by one, each in its own time.
    for _ in 0..10_000 {
        match sandbox.exec(command(&["true"])).await {
            Ok(session) => {
                finish(session).await;
                break;
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
    is_well(&sandbox).await;
    sandbox.destroy().await;
}

#[tokio::test]
async fn who_takes_more_memory_than_there_is_is_killed() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = launch(&bench, with_memory("96Mi")).await;
    let greedy = "data = bytearray(256 << 20); print('had it')";
    let done = finish(sandbox.exec(command(&["python3", "-c", greedy])).await.expect("python starts")).await;
    if is_enforced(&bench, "memory") {
        assert_eq!((done.code, done.stdout.as_str()), (137, ""));
        assert!(!says(&sandbox, "memory"));
    } else {
        assert_eq!(done.stdout, "had it\n");
        assert!(says(&sandbox, "memory 96Mi"), "{:?}", sandbox.notice());
    }
    is_well(&sandbox).await;
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_disk_is_as_large_as_declared() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = launch(&bench, LaunchSpec { storage: Some("32Mi".parse().expect("a quantity")), ..spec() }).await;
    let fill = "head -c 100000000 /dev/zero > big; stat -c %s big";
    let done = sh(&sandbox, fill).await;
    if is_enforced(&bench, "storage") {
        assert!(done.stderr.contains("No space left on device"), "{done:?}");
        let size: u64 = done.stdout.trim().parse().expect("a number");
        assert!((20 << 20..=32 << 20).contains(&size), "{size}");
        let content = Box::new(Cursor::new(vec![1; 5_000_000]));
        assert!(sandbox.write("/home/user/another", content).await.is_err());
        assert_eq!(sh(&sandbox, "ls -A; rm big").await.stdout, "big\n", "no half file is left");
    } else {
        assert_eq!(done.stdout, "100000000\n");
        assert!(says(&sandbox, "storage 32Mi"), "{:?}", sandbox.notice());
    }
    is_well(&sandbox).await;
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_disk_of_a_declared_size_outlives_its_processes() {
    engine!();
    let bench = Bench::new().await;
    let with_storage = || LaunchSpec { storage: Some("32Mi".parse().expect("a quantity")), ..spec() };
    let sandbox = launch(&bench, with_storage()).await;
    sh(&sandbox, "echo kept > file; chown 7:8 file").await;
    drop(sandbox);
    let sandbox = launch(&bench, with_storage()).await;
    assert_eq!(sh(&sandbox, "cat file").await.stdout, "kept\n");
    sandbox.destroy().await;
    let folder = bench.folder.path().join("runtime/sandboxes");
    assert_eq!(std::fs::read_dir(folder).expect("it is there").count(), 0);
}

#[tokio::test]
async fn memory_is_not_to_be_had_through_files() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = launch(&bench, with_memory("64Mi")).await;
    let done = sh(&sandbox, "head -c 10000000 /dev/zero > /dev/file || echo refused").await;
    assert_eq!(done.stdout, "refused\n");
    let done =
        sh(&sandbox, "head -c 200000000 /dev/zero > /dev/shm/file; stat -c %s /dev/shm/file; rm /dev/shm/file").await;
    let size: u64 = done.stdout.trim().parse().expect("a number");
    assert!(size <= 32 << 20, "{size}");
    is_well(&sandbox).await;
    sandbox.destroy().await;
}

#[tokio::test]
async fn who_uses_all_of_the_cpu_keeps_nobody_from_an_answer() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let hogs = "for n in 1 2 3 4 5 6 7 8; do while :; do :; done & done; echo up; wait";
    let mut session = start(&sandbox, hogs).await;
    session.output.recv().await.expect("it says that it is up");
    for _ in 0..10 {
        is_well(&sandbox).await;
    }
    if is_enforced(&bench, "cpu") {
        let stat = group_of(&sandbox, "cpu").await.join("cpu.stat");
        let throttled = || {
            let text = std::fs::read_to_string(&stat).expect("the group is there");
            let line = text.lines().find_map(|line| line.strip_prefix("nr_throttled ")).map(str::to_owned);
            line.expect("it is counted").parse::<u64>().expect("a number")
        };
        for _ in 0..100 {
            if throttled() > 0 {
                break;
            }
            is_well(&sandbox).await;
        }
        assert!(throttled() > 0, "eight hogs with half of a CPU were never held up");
    } else {
        assert!(says(&sandbox, "cpu 500m"), "{:?}", sandbox.notice());
    }
    session.kill.cancel();
    finish(session).await;
    sandbox.destroy().await;
}

/// Finds the control group of a sandbox, by a process in it.
async fn group_of(sandbox: &Arc<dyn Instance>, controller: &str) -> PathBuf {
    let mut session = start(sandbox, "echo up; exec sleep 3131.3131").await;
    session.output.recv().await.expect("it says that it is up");
    let is_it = |path: &Path| std::fs::read(path.join("cmdline")).is_ok_and(|line| line.ends_with(b"3131.3131\0"));
    let processes = std::fs::read_dir("/proc").expect("it is mounted");
    let process = processes.filter_map(|entry| Some(entry.ok()?.path())).find(|path| is_it(path));
    let groups = std::fs::read_to_string(process.expect("it runs").join("cgroup")).expect("it runs");
    session.kill.cancel();
    finish(session).await;
    let line = groups.lines().find_map(|line| {
        let (names, group) = line.split_once(':')?.1.split_once(':')?;
        names.split(',').any(|name| name == controller).then_some(group)
    });
    // Its path is that below the mount, wherever that is; on a machine of version 2 there is one mount.
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("it is there");
    let options = |mount: &[&str]| mount[3].split(',').any(|option| option == controller);
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    if let Some(group) = line {
        let mut mount = mount.filter(|mount| mount[2] == "cgroup" && options(mount));
        Path::new(mount.next().expect("it is mounted")[1]).join(group.trim_start_matches('/'))
    } else {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).expect("it has one");
        let mut mount = mount.filter(|mount| mount[2] == "cgroup2");
        Path::new(mount.next().expect("it is mounted")[1]).join(group)
    }
}

#[tokio::test]
async fn who_opens_too_many_files_is_refused_alone() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let script = "files = []
try:
    while len(files) < 100000:
        files.append(open('/dev/null'))
except OSError as error:
    print(error.errno, len(files) < 16384, flush=True)
input()";
    let mut session = sandbox.exec(command(&["python3", "-c", script])).await.expect("python starts");
    let said = session.output.recv().await.expect("it says when");
    assert_eq!(said, Frame::Stdout("24 True\n".into()));
    is_well(&sandbox).await;
    session.kill.cancel();
    finish(session).await;
    sandbox.destroy().await;
}

#[tokio::test]
async fn many_commands_at_once_are_all_answered() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let mut starting = JoinSet::new();
    for n in 0..200 {
        let sandbox = Arc::clone(&sandbox);
        starting.spawn(async move { (n % 100, start(&sandbox, &format!("read line; exit {}", n % 100)).await) });
    }
    // All of them run at the same time: none ends before its input does.
    let sessions = starting.join_all().await;
    for (code, session) in sessions {
        tell(&session, Control::CloseInput).await;
        assert_eq!(finish(session).await.code, code);
    }
    is_well(&sandbox).await;
    sandbox.destroy().await;
}

/// Returns the control groups with a name, of all hierarchies.
fn groups_called(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.extend((entry.file_name() == name).then(|| entry.path()));
                folders.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn no_control_group_stays_of_a_sandbox_or_of_a_killed_server() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = Served::start(&data);
    server.template("t", &json!([]));
    let id = server.sandbox("s", "t");
    let said = server.ok("GET", "/boxes/s/status", &serde_json::Value::Null)["status_message"].clone();
    let has_groups = !groups_called(&id).is_empty();
    let is_silent = said.as_str().is_none_or(|said| !said.contains("memory 512Mi, cpu 500m"));
    assert_eq!(has_groups, is_silent, "{said}");
    server.kill();
    let server = Served::start(&data);
    assert_eq!(groups_called(&id), Vec::<PathBuf>::new());
    server.sh(&id, "true");
    assert_eq!(!groups_called(&id).is_empty(), has_groups);
    server.ok("DELETE", "/boxes/s", &serde_json::Value::Null);
    becomes("no group", &Vec::new(), || groups_called(&id));
    server.stop();
}

#[test]
fn no_control_group_stays_of_a_killed_server_whose_data_is_gone() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [lost, idle, next] = ["lost", "idle", "next"].map(|name| folder.path().join(name));
    let bystander = Served::start(&idle);
    let server = Served::start(&lost);
    server.template("t", &json!([]));
    server.sandbox("s", "t");
    let (left, kept) = (server.groups(), bystander.groups());
    server.kill();
    // The kernel ends what was in its sandboxes in its own time; each server that starts looks once.
    crate::served::until("the end of its groups", || {
        let _ = std::fs::remove_dir_all(&lost);
        Served::start(&next).stop();
        let left: Vec<_> = left.iter().filter(|group| group.exists()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert!(kept.iter().all(|group| group.exists()), "a server that runs keeps its own, though nobody is in them");
    bystander.stop();
}

/// What a server may need more than before, in KiB: buffers of all sorts, and far from a gigabyte.
const ROOM_KIB: u64 = 100_000;

/// Writes a gigabyte, and says so in a file.
const FLOOD: &str = "head -c 1000000000 /dev/zero | tr '\\0' x; echo over > /home/user/over";

/// Returns the most memory that a process ever had, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is counted");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Starts a command through a WebSocket, and waits until it has started.
async fn follow(server: &Served, id: &str, command: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(&server.host).await.expect("it listens");
    let url = format!("ws://{}/dp/{id}/execute/ws", server.host);
    let mut request = url.into_client_request().expect("it is one");
    request.headers_mut().insert("X-Api-Key", "any".parse().expect("it is one"));
    let (mut socket, _) = client_async(request, stream).await.expect("it is accepted");
    let message = json!({"type": "execute", "command": command, "shell": "/bin/sh", "timeout_seconds": 0});
    socket.send(Message::text(message.to_string())).await.expect("it is connected");
    let started = socket.next().await.expect("it answers").expect("it answers");
    assert!(started.to_text().expect("a text").contains("started"), "{started}");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_output_for_nobody_costs_the_server_no_memory() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Served::start(&folder.path().join("data"));
    server.template("t", &json!([]));
    let id = server.sandbox("s", "t");
    let before = peak_kib(server.pid());
    drop(follow(&server, &id, FLOOD).await);
    becomes("all of it", &"over\n".to_owned(), || server.sh(&id, "cat over 2>/dev/null").stdout);
    let after = peak_kib(server.pid());
    assert!(after < before + ROOM_KIB, "{before} KiB, then {after} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_holds_up_nobody_else() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Served::start(&folder.path().join("data"));
    server.template("t", &json!([]));
    let id = server.sandbox("s", "t");
    let before = peak_kib(server.pid());
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(follow(&server, &id, "yes").await);
    }
    for _ in 0..20 {
        assert_eq!(server.sh(&id, "echo well").stdout, "well\n");
    }
    let after = peak_kib(server.pid());
    assert!(after < before + ROOM_KIB, "{before} KiB, then {after} KiB");
    drop(sockets);
    server.ok("DELETE", "/boxes/s", &serde_json::Value::Null);
    becomes("no process", &0, || server.children().len());
}
