//! The reference of a container image, compared by what it points at.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A container image reference, such as `python:3.12-slim`.
///
/// Two references are equal when they name the same image under the usual defaults: registry `docker.io`, namespace
/// `library`, tag `latest`. `Display` gives back the text that was read, which is also what is sent. Any text is taken:
/// whether an image exists is for the server to say.
///
/// ```
/// use sbx::types::Image;
///
/// assert_eq!(Image::new("python"), Image::new("docker.io/library/python:latest"));
/// assert_eq!(Image::new("python").to_string(), "python");
/// ```
#[derive(Clone)]
pub struct Image {
    text: Arc<str>,
    normalized: Arc<str>,
}

impl Image {
    /// Wraps a reference as it was written.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), normalized: normalize(text).into() }
    }

    /// Returns the reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the reference with its defaults written out, such as `docker.io/library/python:latest`.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }
}

fn normalize(text: &str) -> String {
    let (registry, path) = match text.split_once('/') {
        // The first part is a registry only if it looks like a host; else it is a namespace of the default one.
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", text),
    };
    let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
    let namespace = if registry == "docker.io" && !path.contains('/') { "library/" } else { "" };
    // A digest says exactly which image is meant, and its `:` is no tag.
    let tag = if path.contains(['@', ':']) { "" } else { ":latest" };
    format!("{registry}/{namespace}{path}{tag}")
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for Image {}

impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized.hash(state);
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_written_out() {
        let cases = [
            ("python", "docker.io/library/python:latest"),
            ("python:3.12", "docker.io/library/python:3.12"),
            ("library/python", "docker.io/library/python:latest"),
            ("index.docker.io/library/python", "docker.io/library/python:latest"),
            ("docker.io/python", "docker.io/library/python:latest"),
            ("bitnami/redis", "docker.io/bitnami/redis:latest"),
            ("ghcr.io/a/b", "ghcr.io/a/b:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("registry:5000/a", "registry:5000/a:latest"),
            ("python@sha256:00ff", "docker.io/library/python@sha256:00ff"),
        ];
        for (text, expected) in cases {
            assert_eq!(Image::new(text).normalized(), expected, "{text}");
        }
    }

    #[test]
    fn different_images_differ() {
        assert_ne!(Image::new("python:3.12"), Image::new("python:3.13"));
        assert_ne!(Image::new("python"), Image::new("ghcr.io/library/python"));
    }
}
