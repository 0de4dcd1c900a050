//! Searching the files of a sandbox.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::error::Error;
use crate::client::handle::{Sandbox, SandboxObject};
use crate::client::request::Verb;
use crate::wire::{Glob, GlobResult, Grep, GrepResult, route};

/// How long an attempt may take, unless the client says otherwise.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What [`Sandbox::glob`] and [`Sandbox::grep`] return at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchOptions {
    /// How many matches to return at most; the server's choice by default. It may have fewer: see
    /// [`GlobResult::truncated`].
    pub limit: Option<u64>,
    /// What the files of a [`Sandbox::grep`] have to match, all files by default. A pattern with neither `/` nor `**`
    /// is one for their names; any other is one for their paths below the folder.
    pub files: Option<String>,
}

impl SearchOptions {
    /// Sets how many matches to return at most.
    #[must_use]
    pub fn limit(mut self, n_matches: u64) -> Self {
        self.limit = Some(n_matches);
        self
    }

    /// Sets what the files of a [`Sandbox::grep`] have to match.
    #[must_use]
    pub fn files(mut self, pattern: impl Into<String>) -> Self {
        self.files = Some(pattern.into());
        self
    }
}

impl<O: SandboxObject> Sandbox<O> {
    /// Finds files and folders below `folder` whose path from there matches a pattern (`POST /glob` of the sandbox, of
    /// the second generation only): `**` stands for any number of names, and `*`, `?` and `[…]` for characters of one.
    /// `*` lists a folder.
    ///
    /// An attempt may take 60 s, or what [`Client::with_timeout`](crate::client::Client::with_timeout) says. Whoever
    /// needs all matches looks at [`GlobResult::truncated`].
    ///
    /// # Errors
    ///
    /// * [`Kind::NotReady`](crate::client::Kind::NotReady) and [`Kind::NoDataPlane`](crate::client::Kind::NoDataPlane):
    ///   the sandbox cannot be worked in; nothing was sent.
    /// * [`Kind::NotFound`](crate::client::Kind::NotFound) of a [`Resource::File`](crate::client::Resource::File): there
    ///   is no such folder.
    /// * [`Kind::Operation`](crate::client::Kind::Operation): it cannot be read, or is no folder.
    pub async fn glob(&self, pattern: &str, folder: &str, options: SearchOptions) -> Result<GlobResult, Error> {
        let body = Glob { pattern: pattern.to_owned(), path: folder.to_owned(), limit: options.limit };
        self.search(route::GLOB, folder, &body).await
    }

    /// Finds lines with a text, as it stands there, in the files below `folder` (`POST /grep` of the sandbox, of the
    /// second generation only).
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::glob`], and its time limits.
    pub async fn grep(&self, text: &str, folder: &str, options: SearchOptions) -> Result<GrepResult, Error> {
        let (pattern, path) = (text.to_owned(), folder.to_owned());
        self.search(route::GREP, folder, &Grep { pattern, path, glob: options.files, limit: options.limit }).await
    }

    /// Sends a search. It changes nothing: it is sent again like any request that reads.
    async fn search<R: DeserializeOwned>(&self, route: &str, folder: &str, body: &impl Serialize) -> Result<R, Error> {
        let mut operation = self.operation(Verb::Search);
        operation.file = Some(folder.to_owned());
        let link = self.client().link();
        let request = self.inside(operation, Method::POST, route.to_owned())?.json(body);
        let request = request.timeout(link.scope_timeout().unwrap_or(TIMEOUT));
        link.fetch(&request).await
    }
}
