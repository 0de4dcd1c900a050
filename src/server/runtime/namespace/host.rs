//! The image `host`: the machine's own programs, with files of no other sort.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::protocol::Bind;

/// The machine's folders that hold programs and their libraries, and nothing about the machine or its people.
const PROGRAMS: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Which certificates the machine trusts; the keys beside them stay away.
const CERTIFICATES: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted"];

const FOLDERS: &[(&str, u32)] = &[
    ("etc", 0o755),
    ("home", 0o755),
    ("home/user", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("dev", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/resolv.conf", ""),
];

/// Where names are found that images have and the machine may lack: behind all of the machine's own.
pub(super) const ALIASES: &str = "/opt/sbx/bin";

/// What such a name stands for.
const ALIAS: &[(&str, &str)] = &[("python", "python3")];

/// Where the machine's programs are looked for.
const SEARCHED: &[&str] = &["/usr/local/bin", "/usr/bin", "/bin"];

/// The image, made.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// What is not the machine's.
    pub(super) layer: PathBuf,
    /// What is.
    pub(super) binds: Vec<Bind>,
}

impl Host {
    /// Makes the image's own files in a folder, afresh.
    pub(super) fn make(folder: PathBuf) -> io::Result<Self> {
        let host = Self::make_bare(folder)?;
        copy_alternatives(&host.layer.join("etc/alternatives"))?;
        make_aliases(&host.layer.join(ALIASES.trim_start_matches('/')))?;
        Ok(host)
    }

    /// Makes it for a sandbox in which no command runs: without the names that only these use, of which there may be
    /// hundreds.
    pub(super) fn make_bare(folder: PathBuf) -> io::Result<Self> {
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        for (name, mode) in FOLDERS {
            let path = folder.join(name);
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
        }
        for (name, text) in FILES {
            fs::write(folder.join(name), text)?;
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644))?;
        }
        let mut binds = Vec::new();
        for name in PROGRAMS {
            let path = Path::new("/").join(name);
            match fs::symlink_metadata(&path) {
                Ok(status) if status.is_symlink() => symlink(fs::read_link(&path)?, folder.join(name))?,
                Ok(_) => binds.push(seen(&path)),
                Err(_) => {}
            }
        }
        binds.extend(CERTIFICATES.iter().map(Path::new).filter(|path| path.is_dir()).map(seen));
        for Bind { target, .. } in &binds {
            // Otherwise each sandbox has to make the place, in files of its own on the disk.
            fs::create_dir_all(folder.join(target.strip_prefix("/").unwrap_or(target)))?;
        }
        Ok(Self { layer: folder, binds })
    }
}

fn seen(path: &Path) -> Bind {
    Bind { source: path.to_owned(), target: path.to_owned(), read_only: true, owner: 0 }
}

/// Gives programs the names that they have in images, where the machine has nothing of that name: Debian has no `python`.
fn make_aliases(to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let find = |name: &str| SEARCHED.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    for (alias, name) in ALIAS {
        if let (None, Some(program)) = (find(alias), find(name)) {
            symlink(program, to.join(alias))?;
        }
    }
    Ok(())
}

/// Copies the links by which Debian chooses between programs of one name, those into the folders that are seen. Most of
/// them are of manual pages as a rule, and left out.
fn copy_alternatives(to: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir("/etc/alternatives") else { return Ok(()) };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let is_page = target.components().any(|part| part.as_os_str() == "man");
        if !is_page && PROGRAMS.iter().any(|name| target.starts_with(Path::new("/").join(name))) {
            symlink(target, to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_there_before_a_sandbox_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let host = Host::make(folder.path().join("host")).expect("is made");
        assert!(!host.binds.is_empty());
        for Bind { target, .. } in &host.binds {
            let place = host.layer.join(target.strip_prefix("/").expect("is absolute"));
            assert!(place.is_dir(), "each sandbox would have to make `{}`", target.display());
        }
        let mode = fs::metadata(host.layer.join("home/user")).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}
