//! What a file is without its content, and parts of files.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, ETAG, HeaderName, LAST_MODIFIED};
use http::{HeaderValue, Method, StatusCode};

use crate::client::error::Error;
use crate::client::exchange::Exchange;
use crate::client::handle::{Sandbox, SandboxObject};
use crate::client::request::Verb;
use crate::types::Timestamp;
use crate::wire::route;

/// What [`Sandbox::stat`] tells of a file. What is `None` the server does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStat {
    /// How many bytes it has.
    pub size_bytes: Option<u64>,
    /// When it was last written to, to the second.
    pub modified: Option<Timestamp>,
    /// What is another text once the file is another one (`ETag`).
    pub tag: Option<String>,
}

impl<O: SandboxObject> Sandbox<O> {
    /// Returns what a file is, without reading it (`HEAD /download` of the sandbox, of the second generation only).
    /// Relative paths and time limits are those of [`Sandbox::read`].
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::read`].
    pub async fn stat(&self, path: &str) -> Result<FileStat, Error> {
        let request = self.file_request(Verb::ReadFile, Method::HEAD, route::DOWNLOAD, path)?;
        let link = self.client().link();
        let answer = link.repeat(&mut Exchange::new(link, &request)).await?;
        let text = |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
        Ok(FileStat {
            size_bytes: text(CONTENT_LENGTH).and_then(|size| size.parse().ok()),
            modified: text(LAST_MODIFIED).and_then(Timestamp::from_http_date),
            tag: text(ETAG).map(str::to_owned),
        })
    }

    /// Reads a part of a file into memory, as much of it as there is (`Range`). A server of the first generation sends
    /// all of the file, of which the rest is thrown away.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::read`].
    pub async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let mut request = self.file_request(Verb::ReadFile, Method::GET, route::DOWNLOAD, path)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let text = format!("bytes={}-{}", range.start, range.end - 1);
        request.range = HeaderValue::try_from(text).ok();
        let link = self.client().link();
        let answer = match link.repeat(&mut Exchange::new(link, &request)).await {
            // It begins behind the end.
            Err(error) if error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) => return Ok(Bytes::new()),
            answer => answer?,
        };
        let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
        let content = answer.into_body();
        if is_part {
            return Ok(content);
        }
        let place = |at: u64| usize::try_from(at).map_or(content.len(), |at| at.min(content.len()));
        Ok(content.slice(place(range.start)..place(range.end)))
    }
}
