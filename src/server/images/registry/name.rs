//! The name of an image in a registry.

use std::fmt;

use super::super::digest::Digest;
use super::super::error::ImageError;
use super::super::options::DOCKER_HUB;

/// The name of an image in a registry, such as `ghcr.io/a/b:1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Name {
    registry: String,
    repository: String,
    tag: String,
    digest: Option<Digest>,
}

impl Name {
    /// Reads a reference. What names no registry is in `default`, which may have a path after its host.
    ///
    /// # Errors
    ///
    /// [`ImageError::Reference`] for what could be no part of a URL.
    pub(in super::super) fn parse(text: &str, default: &str) -> Result<Self, ImageError> {
        let refused = |reason| ImageError::Reference { reference: text.to_owned(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = Digest::parse(digest);
                (rest, Some(digest.ok_or_else(|| refused("its digest is not `sha256:` and 64 hexadecimal digits"))?))
            }
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, tag),
            _ => (rest, "latest"),
        };
        let full = match rest.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => rest.to_owned(),
            _ => format!("{default}/{rest}"),
        };
        let (registry, repository) = full.split_once('/').unwrap_or((&full, ""));
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let namespace = if registry == DOCKER_HUB && !repository.contains('/') { "library/" } else { "" };
        let repository = format!("{namespace}{repository}");
        if !is_host(registry) {
            return Err(refused("its registry is no host"));
        }
        if !repository.split('/').all(is_component) {
            return Err(refused("its parts are lower-case letters and digits, with `.`, `_` and `-` between them"));
        }
        if tag.is_empty()
            || tag.len() > 128
            || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        {
            return Err(refused("its tag is at most 128 letters, digits, `.`, `_` and `-`"));
        }
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.to_owned(), digest })
    }

    /// Returns the registry, as people call it.
    pub(in super::super) fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the host that answers for the registry.
    pub(super) fn host(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { &self.registry }
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the digest, if it says exactly which image is meant.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns the digest or else the tag, as a manifest is asked for.
    pub(super) fn version(&self) -> String {
        self.digest.as_ref().map_or_else(|| self.tag.clone(), Digest::to_string)
    }
}

fn is_host(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
    begins && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn is_component(part: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    edge(part.bytes().next()) && edge(part.bytes().next_back()) && part.bytes().all(inner)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.digest.is_some() { '@' } else { ':' };
        write!(f, "{}/{}{mark}{}", self.registry, self.repository, self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_written_out() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let cases = [
            ("python", "docker.io", "docker.io/library/python:latest"),
            ("a/b:1", "docker.io", "docker.io/a/b:1"),
            ("index.docker.io/python", "docker.io", "docker.io/library/python:latest"),
            ("python:3", "127.0.0.1:5000", "127.0.0.1:5000/python:3"),
            ("python:3", "mirror.example/hub", "mirror.example/hub/python:3"),
            ("localhost:5000/a", "docker.io", "localhost:5000/a:latest"),
            ("[::1]:5000/a", "docker.io", "[::1]:5000/a:latest"),
            (&format!("ghcr.io/a/b:1@{digest}"), "docker.io", &format!("ghcr.io/a/b@{digest}")),
        ];
        for (text, default, expected) in cases {
            assert_eq!(Name::parse(text, default).expect(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for text in [
            "",
            "/",
            "a//b",
            "../b",
            "ghcr.io/../b",
            "a?b",
            "a#b",
            "A",
            "u@h.io/a",
            "h.io%2f/a",
            "a:b c",
            "a@sha256:1",
            "a b",
        ] {
            assert!(matches!(Name::parse(text, "docker.io"), Err(ImageError::Reference { .. })), "{text}");
        }
    }
}
