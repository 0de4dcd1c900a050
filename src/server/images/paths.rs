//! Which files of the host may become part of a sandbox.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ImageError;
use super::options::HostPaths;

/// Checks every path before it is opened, with its symbolic links resolved.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    allowed: HostPaths,
    /// The server's data, which no image may show: it holds other sandboxes' files.
    data: PathBuf,
}

impl Paths {
    /// Resolves what the options name, so that later paths are compared with where things really are.
    pub(super) fn new(allowed: &HostPaths, data: &Path) -> Result<Self, ImageError> {
        let allowed = match allowed {
            HostPaths::Under(root) => HostPaths::Under(canonical(root)?),
            other => other.clone(),
        };
        fs::create_dir_all(data).map_err(|source| ImageError::file("make the folder", data, source))?;
        let images = canonical(data)?;
        let data = images.parent().map_or_else(|| images.clone(), Path::to_owned);
        Ok(Self { allowed, data })
    }

    /// Refuses the host's system directories on a server that others reach.
    pub(super) fn check_host(&self, reference: &str) -> Result<(), ImageError> {
        match &self.allowed {
            HostPaths::Anywhere => Ok(()),
            HostPaths::Under(_) | HostPaths::Nowhere => {
                let reason = "this server does not give out the machine's own files; \
                              `--image-fallback host` would allow it";
                Err(ImageError::NotAllowed { reference: reference.to_owned(), reason: reason.to_owned() })
            }
        }
    }

    /// Returns where a directory that is to be a root file system really is.
    pub(super) fn directory(&self, reference: &str, path: &Path) -> Result<PathBuf, ImageError> {
        let found = self.existing(reference, path)?;
        let refused =
            |reason: &str| Err(ImageError::NotAllowed { reference: reference.to_owned(), reason: reason.into() });
        if found.parent().is_none() {
            return refused("it is the machine's own root; use the image `host`");
        }
        if self.data.starts_with(&found) || found.starts_with(&self.data) {
            return refused("it shows the server's own data; name another folder");
        }
        if !found.is_dir() {
            return Err(ImageError::file("use as a root", path, io::ErrorKind::NotADirectory.into()));
        }
        Ok(found)
    }

    /// Returns where a file or folder really is, if it may be read.
    pub(super) fn existing(&self, reference: &str, path: &Path) -> Result<PathBuf, ImageError> {
        let refused = |reason: String| Err(ImageError::NotAllowed { reference: reference.to_owned(), reason });
        match &self.allowed {
            HostPaths::Anywhere => canonical(path),
            HostPaths::Nowhere => refused(
                "this server can be reached from other machines; `--image-root DIR` allows images below DIR".into(),
            ),
            // What is not there, and what is elsewhere, get one answer: the difference is nobody's business.
            HostPaths::Under(root) => match fs::canonicalize(path) {
                Ok(found) if found.starts_with(root) => Ok(found),
                _ => refused(format!("it is not below the image root `{}`", root.display())),
            },
        }
    }
}

fn canonical(path: &Path) -> Result<PathBuf, ImageError> {
    fs::canonicalize(path).map_err(|source| ImageError::file("find", path, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn paths(allowed: &HostPaths, data: &Path) -> Paths {
        Paths::new(allowed, &data.join("images")).expect("the folders are there")
    }

    #[test]
    fn only_what_is_below_the_root_is_used() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in ["data", "root/py", "other"] {
            fs::create_dir_all(dir.path().join(name)).expect("can be made");
        }
        symlink("../other", dir.path().join("root/out")).expect("can be made");
        let paths = paths(&HostPaths::Under(dir.path().join("root")), &dir.path().join("data"));
        assert!(paths.directory("x", &dir.path().join("root/py")).is_ok());
        for name in ["other", "root/out", "root/missing"] {
            let found = paths.directory("x", &dir.path().join(name));
            assert!(matches!(found, Err(ImageError::NotAllowed { .. })), "{name}: {found:?}");
        }
        assert!(paths.check_host("host").is_err());
    }

    #[test]
    fn neither_the_machines_root_nor_the_servers_data_is_an_image() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("data");
        let paths = paths(&HostPaths::Anywhere, &data);
        for path in [Path::new("/"), dir.path(), &data, &data.join("images")] {
            let found = paths.directory("x", path);
            assert!(matches!(found, Err(ImageError::NotAllowed { .. })), "{}: {found:?}", path.display());
        }
    }

    #[test]
    fn by_default_nothing_of_the_host_is_used() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let paths = paths(&HostPaths::default(), dir.path());
        assert!(matches!(paths.existing("x", Path::new("/usr")), Err(ImageError::NotAllowed { .. })));
        assert!(paths.check_host("host").is_err());
    }
}
