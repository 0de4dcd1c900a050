//! Who we are to a registry: passwords from a file, and what a registry wants to see of them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::error::ImageError;
use super::super::manifest;
use super::Name;
use crate::types::Secret;

/// The passwords of registries.
#[derive(Debug, Default)]
pub(in super::super) struct Credentials {
    by_registry: HashMap<String, Login>,
}

/// A name and its password.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// What a registry answers to whom it does not know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// It wants name and password with every request.
    Basic,
    /// It wants a token that is had elsewhere.
    Bearer { realm: String, service: Option<String> },
}

impl Credentials {
    /// Reads a file in the form of Docker's `config.json`. Programs that it names to ask for passwords are not run.
    pub(in super::super) fn read(path: &Path) -> Result<Self, ImageError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            auths: HashMap<String, Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            auth: Option<String>,
            username: Option<String>,
            password: Option<String>,
        }
        let text = fs::read(path);
        let text = text.map_err(|source| ImageError::File { action: "read", path: path.to_owned(), source })?;
        let what = format!("`{}`", path.display());
        let file: File = manifest::read(&what, &text)?;
        let mut by_registry = HashMap::new();
        for (registry, entry) in file.auths {
            let login = match entry {
                Entry { username: Some(user), password: Some(password), .. } => Some((user, password)),
                Entry { auth: Some(auth), .. } => decode(&auth),
                // The password is in a program's keeping.
                _ => continue,
            };
            let malformed = || manifest::malformed(&what, &format!("the password of `{registry}` cannot be read"));
            let (user, password) = login.ok_or_else(malformed)?;
            by_registry.insert(host(&registry).to_owned(), Login { user, password: Secret::new(password) });
        }
        Ok(Self { by_registry })
    }

    /// Makes the passwords of somebody who knows one registry at most.
    pub(in super::super) fn one(registry: &str, login: Option<(String, Secret)>) -> Self {
        let login = login.map(|(user, password)| (registry.to_owned(), Login { user, password }));
        Self { by_registry: login.into_iter().collect() }
    }

    /// Returns the password for a registry.
    pub(super) fn of(&self, name: &Name) -> Option<&Login> {
        self.by_registry.get(name.registry())
    }
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Returns the registry that a key of the file means, which may be a URL.
fn host(key: &str) -> &str {
    place(key).split('/').next().unwrap_or_default()
}

/// Returns the registry that a URL means, with the path behind its host if it has one.
pub(in super::super) fn place(url: &str) -> &str {
    let place = url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    match place.split('/').next().unwrap_or(place) {
        // Its path is that of an interface which is no more.
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => "docker.io",
        _ => place,
    }
}

impl Challenge {
    /// Reads the header `WWW-Authenticate`; `None` for what is not known here.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        Some(Self::Bearer { realm: parameters.remove("realm")?, service: parameters.remove("service") })
    }
}

/// Reads `key="value"` pairs; a value may have commas in it.
fn parameters(mut text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    while let Some((key, rest)) = text.split_once('=') {
        let (value, rest) = match rest.strip_prefix('"') {
            Some(rest) => rest.split_once('"').unwrap_or((rest, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.insert(key.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned());
        text = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        let long = r#"Bearer realm="https://a/token",service="a",scope="repository:b:pull,push""#;
        assert_eq!(Challenge::parse(long), bearer("https://a/token", Some("a")));
        assert_eq!(Challenge::parse("bearer realm=https://a"), bearer("https://a", None));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        for text in ["", "Bearer", "Bearer service=\"a\"", "Digest realm=\"x\""] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }

    #[test]
    fn passwords_are_read_in_each_form_and_never_shown() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "dTpwYXNz"},
            "ghcr.io": {"username": "v", "password": "pass"},
            "kept.example": {}
        }, "credsStore": "desktop"}"#;
        fs::write(file.path(), text).expect("can be written");
        let credentials = Credentials::read(file.path()).expect("is one");
        let login = |text| {
            let login = credentials.of(&Name::parse(text, "docker.io").expect(text))?;
            Some((login.user.clone(), login.password.expose().to_owned()))
        };
        assert_eq!(login("python"), Some(("u".to_owned(), "pass".to_owned())));
        assert_eq!(login("ghcr.io/a"), Some(("v".to_owned(), "pass".to_owned())));
        assert_eq!(login("kept.example/a"), None);
        assert!(!format!("{credentials:?}").contains("pass\""), "{credentials:?}");
    }

    #[test]
    fn a_file_with_a_broken_password_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), r#"{"auths": {"ghcr.io": {"auth": "!"}}}"#).expect("can be written");
        let error = Credentials::read(file.path()).expect_err("is broken").to_string();
        assert!(error.ends_with("the password of `ghcr.io` cannot be read"), "{error}");
    }
}
