//! Snapshots from a Dockerfile, which is built in a sandbox.
//!
//! The API has no operation for it. As in the official SDK, a sandbox of the server's own snapshot, which has `BuildKit`
//! and Docker, builds the image into its own image store, and the image is captured from there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::connect::Client;
use super::dataplane::RunOptions;
use super::error::{Error, Kind};
use super::handle::SandboxV2;
use super::request::{Operation, Request, Verb};
use super::sandboxes_v2::CreateSandboxV2Options;
use super::setters::setters;
use super::snapshots::CaptureSnapshotOptions;
use crate::types::{ByteSize, Cpu, Name, Ttl};
use crate::wire::Snapshot;

/// Where the build goes on: on the root disk, whose size can be chosen, and not in `/tmp`, which is memory.
const BUILD_ROOT: &str = "/var/lib/langsmith-build";
/// When a sandbox that nobody deleted goes, after it stopped for being idle: whoever was to delete it may have been killed,
/// or not have seen that it was made.
const AFTER_STOP: Ttl = Ttl::MINUTE;
/// How much of a failed build's log an error has.
const LOG_TAIL: usize = 2000;

/// How [`Client::create_snapshot_from_dockerfile`] builds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DockerfileOptions {
    /// The tag to publish under: `latest` by default.
    pub tag: Option<String>,
    /// What the Dockerfile's `ARG`s are; nothing by default. They can be read in the image's history: no place for
    /// secrets.
    pub build_args: BTreeMap<String, String>,
    /// The stage to build; the last by default.
    pub target: Option<String>,
    /// The size of the root disk, of the snapshot and of the sandbox that builds it; the server's choice by default.
    pub fs_capacity: Option<ByteSize>,
    /// The CPU of the sandbox that builds; the server's choice by default, with which a build may take long.
    pub cpu: Option<Cpu>,
    /// The memory of the sandbox that builds; the server's choice by default.
    pub memory: Option<ByteSize>,
    /// How long each step may take: the sandbox's start, the build, the capture. 600 s by default.
    pub timeout: Duration,
    /// Where the build's log goes, piece by piece; by default nowhere. Whoever does not read it holds up the build.
    pub log: Option<mpsc::Sender<String>>,
}

impl Default for DockerfileOptions {
    fn default() -> Self {
        Self {
            tag: None,
            build_args: BTreeMap::new(),
            target: None,
            fs_capacity: None,
            cpu: None,
            memory: None,
            timeout: Duration::from_mins(10),
            log: None,
        }
    }
}

setters! { impl DockerfileOptions {
    /// Sets the tag to publish under.
    tag = Some(into String);
    /// Sets the stage to build.
    target = Some(into String);
    /// Sets the size of the root disk.
    fs_capacity = Some(ByteSize);
    /// Sets the CPU of the sandbox that builds.
    cpu = Some(Cpu);
    /// Sets the memory of the sandbox that builds.
    memory = Some(ByteSize);
    /// Sets how long each step may take.
    timeout = Duration;
    /// Sets where the build's log goes.
    log = Some(mpsc::Sender<String>);
} }

impl DockerfileOptions {
    /// Sets what an `ARG` is.
    #[must_use]
    pub fn build_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.build_args.insert(name.into(), value.into());
        self
    }
}

impl Client {
    /// Builds a Dockerfile in a sandbox of its own, and publishes what comes of it as the snapshot `name:tag`.
    ///
    /// `context` is the folder that the build can copy from, all of which is sent but for `.git`; `dockerfile` is a
    /// path within it. The sandbox is called `snapshot-builder-` and twelve hex digits, and is deleted in the end,
    /// whatever comes of the build; so it is when the future is dropped, see [`Client::close`]. One that nobody was left
    /// to delete goes a minute after the server stopped it for being idle.
    ///
    /// # Errors
    ///
    /// * [`Kind::InvalidArgument`]: the Dockerfile is not a path within the context; nothing was sent.
    /// * [`Kind::Local`]: the context cannot be read.
    /// * [`Kind::Creation`]: the build failed; the message has the end of its log.
    /// * Those of [`Client::create_sandbox_v2`], [`SandboxV2::run`](super::Sandbox::run) and
    ///   [`Client::capture_snapshot`].
    pub async fn create_snapshot_from_dockerfile(
        &self,
        name: &str,
        context: &Path,
        dockerfile: &Path,
        options: DockerfileOptions,
    ) -> Result<Snapshot, Error> {
        let request = Request::unsent(Operation::on::<Snapshot>(Verb::Create, name));
        let Some(dockerfile) = within(dockerfile) else {
            let message = format!("`{}` is not a path within the context", dockerfile.display());
            return Err(Error::invalid_argument(request.operation, "dockerfile", message));
        };
        let folder = context.to_owned();
        let packing = spawn_blocking(move || pack(&folder)).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let archive = packing.map_err(|error| {
            let message = format!("the context `{}` cannot be read", context.display());
            Error::new(Kind::Local, &request, message).with_source(error)
        })?;

        let mut sandbox = CreateSandboxV2Options::default().name(builder_name()).timeout(options.timeout);
        sandbox.delete_after_stop = Some(AFTER_STOP);
        (sandbox.cpu, sandbox.memory) = (options.cpu.clone(), options.memory.clone());
        sandbox.fs_capacity.clone_from(&options.fs_capacity);
        let builder = self.sandbox_v2(None, sandbox).await?;
        let build = Build { root: format!("{BUILD_ROOT}/{}", hex()), dockerfile, image: image_name() };
        let built = async {
            builder.write(&build.archive(), archive).await?;
            build.run(&builder, &request, &options).await?;
            let mut capture = CaptureSnapshotOptions::default().docker_image(build.image.as_str());
            (capture.tag, capture.fs_capacity) = (options.tag.clone(), options.fs_capacity.clone());
            self.capture_snapshot(&builder.name, name, capture.timeout(options.timeout)).await
        };
        let built = built.await;
        if let Err(error) = builder.close().await {
            warn!(%error, "cannot delete a sandbox that built a snapshot");
        }
        built
    }
}

/// What is built where.
struct Build {
    root: String,
    dockerfile: String,
    image: String,
}

impl Build {
    fn archive(&self) -> String {
        format!("{}/context.tar", self.root)
    }

    async fn run(&self, builder: &SandboxV2, request: &Request, options: &DockerfileOptions) -> Result<(), Error> {
        let run = RunOptions::default().timeout(options.timeout).close_stdin(true);
        let mut handle = builder.start(&self.script(options), run).await?;
        let mut tail = String::new();
        while let Some(chunk) = handle.next().await? {
            tail.push_str(&chunk.data);
            let excess = tail.len().saturating_sub(LOG_TAIL);
            tail.drain(..tail.ceil_char_boundary(excess));
            if let Some(log) = &options.log {
                // Nobody reads it any more, but the build goes on.
                let _ = log.send(chunk.data).await;
            }
        }
        match handle.exit_code() {
            Some(0) => Ok(()),
            _ => Err(Error::new(Kind::Creation, request, format!("the build failed: {}", tail.trim()))),
        }
    }

    /// Returns what the sandbox's shell does. That the programs are there, and how they get along in a sandbox, is from
    /// the official SDK 0.15.
    fn script(&self, options: &DockerfileOptions) -> String {
        let Self { root, dockerfile, image } = self;
        let (folder, file) = dockerfile.rsplit_once('/').unwrap_or((".", dockerfile));
        let mut settings = format!("--opt {}", quote(&format!("filename={file}")));
        let target = options.target.iter().map(|stage| format!("target={stage}"));
        let args = options.build_args.iter().map(|(name, value)| format!("build-arg:{name}={value}"));
        for setting in target.chain(args) {
            write!(settings, " --opt {}", quote(&setting)).expect("writing to a text cannot fail");
        }
        let dockerfile = quote(&format!("dockerfile=context/{folder}"));
        format!(
            r#"set -euo pipefail
cd {root}
mkdir -p context buildkit
tar -xf context.tar -C context
address=unix://{root}/buildkitd.sock
buildkitd --addr "$address" --root {root}/buildkit --oci-worker=true --containerd-worker=false \
  --oci-worker-snapshotter=native --oci-worker-binary buildkit-runc >buildkitd.log 2>&1 &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true' EXIT
await() {{
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "does not answer: $*" >&2
  cat buildkitd.log >&2
  exit 1
}}
await buildctl --addr "$address" debug workers
await docker info
buildctl --addr "$address" build --progress=plain --frontend dockerfile.v0 --local context=context \
  --local {dockerfile} {settings} --output type=docker,name={image} | docker load
"#
        )
    }
}

/// Returns a path that stays within the folder that it is relative to, with `/` between its parts.
fn within(path: &Path) -> Option<String> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let parts: Option<Vec<&str>> = parts
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("/"))
}

/// Packs a folder, but for what git keeps in it. Links stay links.
fn pack(folder: &Path) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let mut entries = std::fs::read_dir(folder.join(&below))?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = below.join(entry.file_name());
            if name == Path::new(".git") {
                continue;
            }
            archive.append_path_with_name(entry.path(), &name)?;
            if entry.file_type()?.is_dir() {
                folders.push(name);
            }
        }
    }
    archive.into_inner()
}

fn builder_name() -> Name {
    Name::parse(&format!("snapshot-builder-{}", hex())).expect("hex digits after a letter make a name")
}

fn image_name() -> String {
    format!("langsmith-snapshot-build:{}{}", hex(), hex())
}

fn hex() -> String {
    format!("{:012x}", fastrand::u64(..1 << 48))
}

/// Returns a text as one word of a shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_stays_within_its_context() {
        for (path, expected) in [
            ("Dockerfile", Some("Dockerfile")),
            ("./a/Dockerfile", Some("a/Dockerfile")),
            ("../Dockerfile", None),
            ("a/../Dockerfile", None),
            ("/Dockerfile", None),
            (".", None),
        ] {
            assert_eq!(within(Path::new(path)).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_context_is_packed_whole_but_for_what_git_keeps() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in [("Dockerfile", "FROM a"), ("src/deep/x", "1"), (".git/HEAD", "ref"), ("src/.git", "kept")]
        {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("a link");
        let archive = pack(folder.path()).expect("it can be read");
        let mut archive = tar::Archive::new(archive.as_slice());
        let names: Vec<String> = archive
            .entries()
            .expect("an archive")
            .map(|entry| entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["Dockerfile", "link", "src", "src/.git", "src/deep", "src/deep/x"]);
        assert!(pack(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn what_is_sent_to_the_shell_is_one_word_each() {
        let build = Build { root: "/b".to_owned(), dockerfile: "it's/D".to_owned(), image: "i:1".to_owned() };
        let options = DockerfileOptions::default().target("a b").build_arg("X", "$(rm -rf /)'; echo");
        let script = build.script(&options);
        for part in [
            r"--local 'dockerfile=context/it'\''s' --opt 'filename=D' --opt 'target=a b'",
            r"--opt 'build-arg:X=$(rm -rf /)'\''; echo' --output type=docker,name=i:1 | docker load",
        ] {
            assert!(script.contains(part), "{script}");
        }
    }

    /// The script is sound as far as a shell can tell that has none of the programs.
    #[test]
    fn a_shell_understands_the_script() {
        let build = Build { root: "/b".to_owned(), dockerfile: "D".to_owned(), image: "i:1".to_owned() };
        let script = build.script(&DockerfileOptions::default());
        let status = std::process::Command::new("bash").args(["-n", "-c", &script]).status().expect("there is a shell");
        assert!(status.success());
    }
}
