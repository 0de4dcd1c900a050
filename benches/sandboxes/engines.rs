//! The engines, as their packages have them.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::json;

use crate::material::{Material, find, output};
use crate::memory;
use crate::ours::is_root;
use crate::peers::{Engine, Idle};

/// What a sandbox gets, where there are limits.
const MEMORY: u32 = 64 << 20;
const CPU_QUOTA: u32 = 50_000;
const CPU_PERIOD: u32 = 100_000;
const PROCESSES: u32 = 64;

/// Longer than any benchmark takes, in seconds.
const FOR_EVER: &str = "1000000";

/// How long a daemon may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program of the machine, with nothing of its environment but where things are.
fn program(path: &Path, home: &Path) -> Command {
    let mut command = Command::new(path);
    let search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command.env_clear().env("PATH", search).env("HOME", home).stdin(Stdio::null());
    command
}

fn installed(name: &str) -> Result<PathBuf, String> {
    find(name).ok_or_else(|| "it is not installed".to_owned())
}

fn installed_for_root(name: &str) -> Result<PathBuf, String> {
    if is_root() { installed(name) } else { Err("it takes root here".to_owned()) }
}

/// Starts a sandbox by a command that ends when it runs.
fn start_detached(mut command: Command, id: &str) -> Result<Idle, String> {
    // What runs on inherits the streams, so that they cannot be pipes: those would be read to their end.
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(Idle { id: id.to_owned(), child: None }) } else { Err(format!("start: {status}")) }
}

/// `bwrap`, which has no exec of its own: `nsenter` stands in.
pub(crate) struct Bubblewrap {
    bwrap: PathBuf,
    root: PathBuf,
    home: PathBuf,
}

impl Bubblewrap {
    pub(crate) fn find(material: &Material) -> Result<Self, String> {
        Ok(Self { bwrap: installed("bwrap")?, root: material.root(), home: material.room("bubblewrap")? })
    }

    fn command(&self) -> Command {
        let mut command = program(&self.bwrap, &self.home);
        command.arg("--bind").arg(&self.root).args(["/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]);
        command.args(["--unshare-all", "--cap-drop", "ALL", "--die-with-parent"]);
        command
    }
}

impl Engine for Bubblewrap {
    fn name(&self) -> &'static str {
        "bubblewrap"
    }

    fn takes_part_every(&self) -> usize {
        1
    }

    fn run(&self, _id: &str) -> Command {
        let mut command = self.command();
        command.arg("/bin/true");
        command
    }

    fn start(&self, id: &str) -> Result<Idle, String> {
        let mut command = self.command();
        command.args(["/bin/sh", "-c", &format!("echo; exec sleep {FOR_EVER}")]).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("no output")?;
        let length = BufReader::new(output).read_line(&mut String::new()).map_err(|error| error.to_string())?;
        let idle = Idle { id: id.to_owned(), child: Some(child) };
        if length > 0 { Ok(idle) } else { Err("it did not start".to_owned()) }
    }

    fn exec(&self, idle: &Idle) -> Result<Command, String> {
        let mut command = program(&installed("nsenter")?, &self.home);
        command.args(["--all", "--root", "--wd", "--target", &self.first_process(idle)?.to_string(), "/bin/true"]);
        Ok(command)
    }

    fn first_process(&self, idle: &Idle) -> Result<u32, String> {
        let monitor = idle.child.as_ref().ok_or("no process")?.id();
        memory::children(monitor).first().copied().ok_or_else(|| "it has ended".to_owned())
    }

    fn stop(&self, idle: Idle) -> Result<(), String> {
        let mut child = idle.child.ok_or("no process")?;
        child.kill().and_then(|()| child.wait()).map(drop).map_err(|error| error.to_string())
    }
}

/// `runc` and `crun`, which have the same commands.
pub(crate) struct OciRuntime {
    name: &'static str,
    program: PathBuf,
    home: PathBuf,
    /// Keeps a mount namespace in which the runtime works, where it does not in the machine's own.
    elsewhere: Option<Elsewhere>,
}

impl OciRuntime {
    pub(crate) fn find(name: &'static str, material: &Material) -> Result<Self, String> {
        let mut runtime =
            Self { name, program: installed_for_root(name)?, home: material.room(name)?, elsewhere: None };
        runtime.bundle("true", &["/bin/true"], &material.root())?;
        runtime.bundle("idle", &["/bin/sleep", FOR_EVER], &material.root())?;
        if let Err(why) = output(&mut runtime.run("first")) {
            // crun refuses a machine that has both generations of control groups.
            runtime.elsewhere = Some(Elsewhere::start().map_err(|_| why)?);
        }
        Ok(runtime)
    }

    fn bundle(&self, name: &str, arguments: &[&str], root: &Path) -> Result<(), String> {
        let folder = self.home.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        output(program(&self.program, &self.home).arg("spec").current_dir(&folder))?;
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let mut config: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        config["process"]["args"] = json!(arguments);
        config["process"]["terminal"] = json!(false);
        config["root"] = json!({"path": root, "readonly": true});
        config["linux"]["resources"]["memory"] = json!({"limit": MEMORY});
        config["linux"]["resources"]["cpu"] = json!({"quota": CPU_QUOTA, "period": CPU_PERIOD});
        config["linux"]["resources"]["pids"] = json!({"limit": PROCESSES});
        // Those of the spec would have to be raised, which a root without that right cannot.
        config["process"]["rlimits"] = json!([]);
        std::fs::write(&path, config.to_string()).map_err(|error| error.to_string())
    }

    fn command(&self) -> Command {
        let mut command = match &self.elsewhere {
            Some(elsewhere) => elsewhere.enter(&self.program, &self.home),
            None => program(&self.program, &self.home),
        };
        command.arg("--root").arg(self.home.join("state"));
        command
    }

    /// Two of them on one machine must not share names of control groups.
    fn own(&self, id: &str) -> String {
        format!("sbx-{}-{}-{id}", self.name, std::process::id())
    }
}

impl Engine for OciRuntime {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes_part_every(&self) -> usize {
        2
    }

    fn run(&self, id: &str) -> Command {
        let mut command = self.command();
        command.arg("run").arg("--bundle").arg(self.home.join("true")).arg(self.own(id));
        command
    }

    fn start(&self, id: &str) -> Result<Idle, String> {
        let mut command = self.command();
        command.args(["run", "--detach", "--bundle"]).arg(self.home.join("idle"));
        command.arg("--pid-file").arg(self.home.join(id)).arg(self.own(id));
        start_detached(command, id)
    }

    fn exec(&self, idle: &Idle) -> Result<Command, String> {
        let mut command = self.command();
        command.args(["exec", &self.own(&idle.id), "/bin/true"]);
        Ok(command)
    }

    fn first_process(&self, idle: &Idle) -> Result<u32, String> {
        let text = std::fs::read_to_string(self.home.join(&idle.id)).map_err(|error| error.to_string())?;
        text.trim().parse().map_err(|_| format!("no number of a process: {text}"))
    }

    fn stop(&self, idle: Idle) -> Result<(), String> {
        output(self.command().args(["delete", "--force", &self.own(&idle.id)])).map(drop)
    }
}

/// A mount namespace without the second generation of control groups, kept by a process that does nothing else.
struct Elsewhere(Child);

impl Elsewhere {
    fn start() -> Result<Self, String> {
        let script = format!("umount /sys/fs/cgroup/unified && echo && exec sleep {FOR_EVER}");
        let mut command = Command::new(installed("unshare")?);
        command
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("no output")?;
        let kept = Self(child);
        let length = BufReader::new(output).read_line(&mut String::new()).map_err(|error| error.to_string())?;
        if length > 0 { Ok(kept) } else { Err("there is nothing to unmount".to_owned()) }
    }

    fn enter(&self, inside: &Path, home: &Path) -> Command {
        let mut command = program(Path::new("nsenter"), home);
        command.args(["--mount", "--target", &self.0.id().to_string()]).arg(inside);
        command
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // Nothing can be done about a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Podman and Docker, which have the same commands, too.
pub(crate) struct Daemonlike {
    name: &'static str,
    client: Vec<String>,
    limits: Vec<String>,
    remove: &'static [&'static str],
    home: PathBuf,
    daemon: Option<Daemon>,
}

const IMAGE: &str = "localhost/bench:1";

impl Daemonlike {
    /// Podman, which needs no daemon.
    pub(crate) fn podman(material: &Material) -> Result<Self, String> {
        let (podman, home) = (installed_for_root("podman")?, material.room("podman")?);
        let mut client = vec![podman.display().to_string()];
        for (option, folder) in [("--root", "p"), ("--runroot", "r"), ("--tmpdir", "t")] {
            client.extend([option.to_owned(), home.join(folder).display().to_string()]);
        }
        let how = ["--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "file"];
        client.extend(how.map(str::to_owned));
        // Its own limits of files and processes have to be raised, which a root without that right cannot.
        let limits = ["--ulimit", "nofile=16384:16384", "--ulimit", "nproc=16384:16384"].map(str::to_owned).to_vec();
        // It would ask a process first that does not listen, and wait for it.
        let remove = &["rm", "--force", "--time", "0"];
        Self { name: "podman", client, limits, remove, home, daemon: None }.with_image(material)
    }

    /// Docker, with a daemon of its own.
    pub(crate) fn docker(material: &Material) -> Result<Self, String> {
        let (dockerd, home) = (installed_for_root("dockerd")?, material.room("docker")?);
        let docker = installed("docker")?;
        let host = format!("unix://{}", home.join("socket").display());
        let daemon = Daemon::start(&dockerd, &home, &host)?;
        let client = vec![docker.display().to_string(), "--host".to_owned(), host];
        let remove = &["rm", "--force"];
        let docker = Self { name: "docker", client, limits: Vec::new(), remove, home, daemon: Some(daemon) };
        let begun = Instant::now();
        while let Err(why) = output(docker.command().arg("version")) {
            if begun.elapsed() > PATIENCE {
                return Err(why);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        docker.with_image(material)
    }

    fn with_image(self, material: &Material) -> Result<Self, String> {
        let archive = self.home.join("root.tar");
        output(Command::new("tar").arg("-C").arg(material.root()).arg("-cf").arg(&archive).arg("."))?;
        output(self.command().arg("import").arg(archive).arg(IMAGE))?;
        Ok(self)
    }

    fn command(&self) -> Command {
        let mut command = program(Path::new(&self.client[0]), &self.home);
        command.args(&self.client[1..]);
        command
    }

    fn run_with(&self, how: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("run").args(how).args(&self.limits).args(["--network", "none", "--pids-limit"]);
        command.args([PROCESSES.to_string(), "--memory".to_owned(), MEMORY.to_string(), "--cpus".to_owned()]);
        command.args(["0.5", IMAGE]).args(arguments);
        command
    }
}

impl Engine for Daemonlike {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes_part_every(&self) -> usize {
        5
    }

    fn run(&self, _id: &str) -> Command {
        self.run_with(&["--rm"], &["/bin/true"])
    }

    fn start(&self, id: &str) -> Result<Idle, String> {
        start_detached(self.run_with(&["--detach", "--name", id], &["/bin/sleep", FOR_EVER]), id)
    }

    fn exec(&self, idle: &Idle) -> Result<Command, String> {
        let mut command = self.command();
        command.args(["exec", &idle.id, "/bin/true"]);
        Ok(command)
    }

    fn first_process(&self, idle: &Idle) -> Result<u32, String> {
        let text = output(self.command().args(["inspect", "--format", "{{.State.Pid}}", &idle.id]))?;
        text.trim().parse().map_err(|_| format!("no number of a process: {text}"))
    }

    fn stop(&self, idle: Idle) -> Result<(), String> {
        output(self.command().args(self.remove).arg(&idle.id)).map(drop)
    }

    fn daemons(&self) -> Vec<u32> {
        let Some(daemon) = &self.daemon else { return Vec::new() };
        let dockerd = daemon.0.id();
        std::iter::once(dockerd).chain(memory::children(dockerd)).collect()
    }
}

/// A daemon that is stopped when this is dropped.
struct Daemon(Child);

impl Daemon {
    fn start(dockerd: &Path, home: &Path, host: &str) -> Result<Self, String> {
        let log = File::create(home.join("log")).map_err(|error| error.to_string())?;
        let mut command = program(dockerd, home);
        command.arg("--data-root").arg(home.join("d")).arg("--exec-root").arg(home.join("e"));
        command.arg("--pidfile").arg(home.join("pid")).args(["--host", host]);
        // Neither the firewall nor the network of the machine is touched.
        command.args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false"]);
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--default-ulimit", "nofile=16384:16384"]);
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let child = command.stdout(log).stderr(errors).spawn().map_err(|error| format!("dockerd: {error}"))?;
        Ok(Self(child))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(process) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(process, Signal::TERM);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && self.0.try_wait().is_ok_and(|status| status.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Nothing can be done about a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
