//! What sandboxes are made of: the same for all sides.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::server::PROGRAM;

/// Where a service in a sandbox answers HTTP, with [`BIG`] as one of its files.
pub(crate) const HTTP_PORT: u16 = 9000;

/// Where a service takes as many bytes as [`BIG`] has, and then says `.`.
pub(crate) const SINK_PORT: u16 = 9001;

/// A file of as many bytes as a transfer has, which are lines of text.
pub(crate) const BIG: &str = "/srv/big";

/// Starts both services.
pub(crate) const SERVICES: &str = "/bin/services";

/// A folder with a root for sandboxes and room for whoever makes them; gone when it is dropped.
pub(crate) struct Material {
    folder: TempDir,
}

impl Material {
    /// Makes a root with busybox, and a file of so many MiB.
    pub(crate) fn make(mib: usize) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let material = Self { folder };
        material.fill(mib).map_err(|error| format!("a root for sandboxes: {error}"))?;
        Ok(material)
    }

    fn fill(&self, mib: usize) -> std::io::Result<()> {
        // An ordinary user has to get at it as well.
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755))?;
        fs::copy(PROGRAM, self.program())?;
        let root = self.root();
        for folder in ["bin", "dev", "etc", "home", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var"] {
            fs::create_dir_all(root.join(folder))?;
        }
        let busybox = find("busybox").ok_or_else(|| std::io::Error::other("there is no `busybox` (busybox-static)"))?;
        fs::copy(busybox, root.join("bin/busybox"))?;
        for applet in ["cat", "dd", "echo", "head", "httpd", "nc", "sh", "sleep", "true"] {
            symlink("busybox", root.join("bin").join(applet))?;
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
        fs::write(root.join("etc/group"), "root:x:0:\n")?;
        let line = "The quick brown fox jumps over the lazy dog, 0123456789, and again.\n";
        let size = mib << 20;
        let text: String = line.chars().cycle().take(size).collect();
        fs::write(root.join(BIG.trim_start_matches('/')), text)?;
        let sink = format!(
            "#!/bin/sh\ndd bs=65536 count={size} iflag=count_bytes,fullblock of=/dev/null 2>/dev/null\necho .\n"
        );
        let services = format!("#!/bin/sh\nhttpd -p {HTTP_PORT} -h /\nexec nc -ll -p {SINK_PORT} -e /bin/sink\n");
        for (name, script) in [("bin/sink", sink), (SERVICES.trim_start_matches('/'), services)] {
            fs::write(root.join(name), script)?;
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// Returns the root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Makes a copy of the root in a folder, for the owner of this number if there is one.
    pub(crate) fn copy_root(&self, room: &Path, owner: Option<u32>) -> Result<PathBuf, String> {
        let copy = room.join("root");
        output(Command::new("cp").args(["--recursive", "--no-dereference"]).arg(self.root()).arg(&copy))?;
        if let Some(owner) = owner {
            let owner = format!("{owner}:{owner}");
            output(Command::new("chown").args(["--recursive", "--no-dereference", &owner]).arg(&copy))?;
        }
        Ok(copy)
    }

    /// Returns a copy of our program that every user may run.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("sbx")
    }

    /// Makes a folder for whoever makes sandboxes.
    pub(crate) fn room(&self, name: &str) -> Result<PathBuf, String> {
        let room = self.folder.path().join(name);
        fs::create_dir_all(&room).map_err(|error| error.to_string())?;
        Ok(room)
    }
}

/// Finds a program of this machine.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Runs a command that has to succeed; returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    Err(format!("{name}: {}: {}", output.status, last.trim()))
}
