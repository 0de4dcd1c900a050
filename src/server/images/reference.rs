//! What a template's `image` says, read.

use std::path::PathBuf;

use super::error::ImageError;

/// What a template's `image` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// The host's own system directories.
    Host,
    /// A directory, used as it is.
    Directory(PathBuf),
    /// An OCI layout: a folder with `index.json` and `blobs`.
    Layout(Located),
    /// An OCI layout in a tar archive.
    OciArchive(Located),
    /// What `docker save` writes.
    DockerArchive(Located),
    /// Anything else, for [`Name`](super::registry::Name) to read.
    Registry(String),
}

/// A file or folder that holds images, and which of them is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) path: PathBuf,
    /// The only one when `None`.
    pub(super) tag: Option<String>,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    ///
    /// [`ImageError::Reference`] for a path that is missing, relative, or climbs with `..`.
    pub(super) fn parse(text: &str) -> Result<Self, ImageError> {
        let refused = |reason| ImageError::Reference { reference: text.to_owned(), reason };
        let located = |rest| Located::parse(rest).map_err(refused);
        match text.split_once(':') {
            _ if text == "host" => Ok(Self::Host),
            _ if text.is_empty() => Err(refused("it is empty")),
            Some(("rootfs", path)) => Ok(Self::Directory(absolute(path).map_err(refused)?)),
            Some(("oci", rest)) => Ok(Self::Layout(located(rest)?)),
            Some(("oci-archive", rest)) => Ok(Self::OciArchive(located(rest)?)),
            Some(("docker-archive", rest)) => Ok(Self::DockerArchive(located(rest)?)),
            _ => Ok(Self::Registry(text.to_owned())),
        }
    }
}

impl Located {
    /// Reads `PATH` or `PATH:TAG`, where the tag may itself have a `:` in it, as `docker save` writes it.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, tag) = match text.split_once(':') {
            Some((path, tag)) => (path, Some(tag.to_owned())),
            None => (text, None),
        };
        Ok(Self { path: absolute(path)?, tag: tag.filter(|tag| !tag.is_empty()) })
    }
}

fn absolute(path: &str) -> Result<PathBuf, &'static str> {
    // The server may have been started anywhere, and a template is read by other machines too.
    if !path.starts_with('/') {
        return Err("its path must be absolute");
    }
    if path.split('/').any(|part| part == "..") {
        return Err("its path must not climb with `..`");
    }
    if path.contains('\0') {
        return Err("its path has a NUL character in it");
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(path: &str, tag: Option<&str>) -> Located {
        Located { path: path.into(), tag: tag.map(str::to_owned) }
    }

    #[test]
    fn every_form_is_told_from_a_registrys() {
        let cases = [
            ("host", Reference::Host),
            ("rootfs:/srv/root", Reference::Directory("/srv/root".into())),
            ("rootfs:/srv/a:b", Reference::Directory("/srv/a:b".into())),
            ("oci:/srv/py", Reference::Layout(located("/srv/py", None))),
            ("oci:/srv/py:3.12", Reference::Layout(located("/srv/py", Some("3.12")))),
            ("oci-archive:/a.tar:", Reference::OciArchive(located("/a.tar", None))),
            ("docker-archive:/a.tar:py:1", Reference::DockerArchive(located("/a.tar", Some("py:1")))),
            ("host:1", Reference::Registry("host:1".to_owned())),
            ("python:3.12", Reference::Registry("python:3.12".to_owned())),
            ("127.0.0.1:5000/oci:1", Reference::Registry("127.0.0.1:5000/oci:1".to_owned())),
        ];
        for (text, expected) in cases {
            assert_eq!(Reference::parse(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_are_absolute_and_do_not_climb() {
        for text in ["", "rootfs:", "rootfs:srv", "oci:./py", "oci-archive:/srv/../etc/x", "docker-archive:/a\0b"] {
            assert!(matches!(Reference::parse(text), Err(ImageError::Reference { .. })), "{text}");
        }
    }
}
