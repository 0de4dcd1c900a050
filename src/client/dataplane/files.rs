//! Files in a sandbox, in memory and in pieces.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{iter, once};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, Method, Response};
use percent_encoding::utf8_percent_encode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use crate::client::error::{Error, Kind};
use crate::client::exchange::Exchange;
use crate::client::handle::{Sandbox, SandboxObject};
use crate::client::link::Link;
use crate::client::request::{Request, SEGMENT, Verb};
use crate::client::transport::{Content, TransportError};
use crate::wire::route;

/// How long each step of reading or writing may take, unless the client says otherwise (contract section 1.4).
const TIMEOUT: Duration = Duration::from_mins(1);
/// In what pieces a file is sent.
const PIECE: usize = 64 * 1024;
/// More of an answer that says what is wrong is not read.
const MAX_REFUSAL: usize = 64 * 1024;

impl<O: SandboxObject> Sandbox<O> {
    /// Reads a file into memory. A relative path starts at `/home/user`.
    ///
    /// An attempt may take 60 s, or what [`Client::with_timeout`](crate::client::Client::with_timeout) says.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotReady`] and [`Kind::NoDataPlane`]: the sandbox cannot be worked in; nothing was sent.
    /// * [`Kind::NotFound`] of a [`Resource::File`](crate::client::Resource::File): there is no such file.
    /// * [`Kind::Operation`]: it cannot be read; [`Error::error_type`] is `ReadError` or `PermissionDenied`.
    pub async fn read(&self, path: &str) -> Result<Bytes, Error> {
        let request = self.file_request(Verb::ReadFile, Method::GET, route::DOWNLOAD, path)?;
        let link = self.client().link();
        let mut exchange = Exchange::new(link, &request);
        Ok(link.repeat(&mut exchange).await?.into_body())
    }

    /// Reads a file into `writer` as it comes, and returns how many bytes it has. Nothing is tried again.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::read`], and [`Kind::Local`] when `writer` fails. It may have got a part of the file then.
    pub async fn read_to(&self, path: &str, writer: &mut (impl AsyncWrite + Unpin + ?Sized)) -> Result<u64, Error> {
        let request = self.file_request(Verb::ReadFile, Method::GET, route::DOWNLOAD, path)?;
        let link = self.client().link();
        let copy = async {
            let mut content = transfer(link, &request, futures_util::stream::empty().boxed()).await?;
            let mut size = 0;
            while let Some(piece) = next_piece(&request, &mut content).await? {
                writer.write_all(&piece).await.map_err(|error| local(&request, error))?;
                size += piece.len() as u64;
            }
            writer.flush().await.map_err(|error| local(&request, error))?;
            Ok(size)
        };
        let result = link.within_deadline(copy).await;
        result.unwrap_or_else(|| Err(Error::deadline_exceeded(&request, 1)))
    }

    /// Writes a file from memory, with the folders above it, in place of one that is there. Relative paths and time
    /// limits are those of [`Sandbox::read`].
    ///
    /// # Errors
    ///
    /// * [`Kind::NotReady`] and [`Kind::NoDataPlane`]: the sandbox cannot be worked in; nothing was sent.
    /// * [`Kind::Operation`]: it cannot be written; [`Error::error_type`] is `WriteError` or `PermissionDenied`.
    pub async fn write(&self, path: &str, content: impl Into<Bytes>) -> Result<(), Error> {
        let content: Bytes = content.into();
        let form = Form::new();
        let request = self.file_request(Verb::WriteFile, Method::POST, route::UPLOAD, path)?;
        let request = request.bytes(content, form.content_type()).around(form.head(), form.tail());
        let link = self.client().link();
        // The same bytes at the same place: doing it twice does no harm.
        link.repeat(&mut Exchange::new(link, &request)).await?;
        Ok(())
    }

    /// Writes a file from `reader`, in pieces. Nothing is tried again; what is there after a failure is for the server
    /// to say.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::write`], and [`Kind::Local`] when `reader` fails.
    pub async fn write_from(&self, path: &str, reader: impl AsyncRead + Send + 'static) -> Result<(), Error> {
        let form = Form::new();
        let mut request = self.file_request(Verb::WriteFile, Method::POST, route::UPLOAD, path)?;
        request.content_type = Some(form.content_type());
        let head = once(std::future::ready(Ok(form.head())));
        let content = head.chain(ReaderStream::with_capacity(reader, PIECE)).chain(iter([Ok(form.tail())]));
        let link = self.client().link();
        let copy = async {
            let mut answer = transfer(link, &request, content.boxed()).await?;
            // Read to the end, so that the connection can be used again; what it says matters to nobody.
            while next_piece(&request, &mut answer).await?.is_some() {}
            Ok(())
        };
        let result = link.within_deadline(copy).await;
        result.unwrap_or_else(|| Err(Error::deadline_exceeded(&request, 1).with_ambiguous(true)))
    }

    pub(super) fn file_request(&self, verb: Verb, method: Method, route: &str, path: &str) -> Result<Request, Error> {
        let mut operation = self.operation(verb);
        operation.file = Some(path.to_owned());
        if path.is_empty() {
            return Err(Error::invalid_argument(operation, "path", "a file needs a path"));
        }
        let query = utf8_percent_encode(path, SEGMENT);
        let request = self.inside(operation, method, format!("{route}?path={query}"))?;
        Ok(request.timeout(self.client().link().scope_timeout().unwrap_or(TIMEOUT)))
    }
}

/// A form of one part, the file.
struct Form {
    boundary: String,
}

impl Form {
    fn new() -> Self {
        Self { boundary: format!("sbx-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)) }
    }

    fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/form-data; boundary={}", self.boundary);
        HeaderValue::from_str(&text).expect("a boundary is hex digits")
    }

    fn head(&self) -> Bytes {
        let boundary = &self.boundary;
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        head.into()
    }

    fn tail(&self) -> Bytes {
        format!("\r\n--{}--\r\n", self.boundary).into()
    }
}

/// Sends a request with a body that comes in pieces, and returns that of the answer. A silence of the request's time
/// limit, in which nothing of the body is taken either, is one too long.
async fn transfer(link: &Link, request: &Request, content: Content) -> Result<Content, Error> {
    let http = request.to_http(link.base_url(), &link.headers());
    let http = http.map_err(|error| Error::new(Kind::NoDataPlane, request, "it makes no URL").with_source(error))?;
    let taken = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let (count, note) = (taken.clone(), failed.clone());
    let content = content
        .inspect_ok(move |_| _ = count.fetch_add(1, Ordering::Relaxed))
        .inspect_err(move |_| _ = note.fetch_add(1, Ordering::Relaxed));
    let mut answer = pin!(link.transport().transfer(http.map(|_| content.boxed())));
    let mut seen = 0;
    let answer = loop {
        if let Ok(answer) = timeout(limit(request), &mut answer).await {
            break answer;
        }
        let now = taken.load(Ordering::Relaxed);
        if now == seen {
            break Err(TransportError::Timeout);
        }
        seen = now;
    };
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(answer.into_body()),
        Ok(answer) => {
            let (head, mut body) = answer.into_parts();
            let mut text = BytesMut::new();
            while text.len() < MAX_REFUSAL
                && let Some(piece) = next_piece(request, &mut body).await?
            {
                text.extend_from_slice(&piece);
            }
            Err(link.refusal(request, &Response::from_parts(head, text.freeze()), 1))
        }
        Err(error) if failed.load(Ordering::Relaxed) > 0 => {
            Err(Error::new(Kind::Local, request, "the content cannot be read").with_source(error).with_ambiguous(true))
        }
        Err(error) => Err(Error::from_transport(request, error, 1)),
    }
}

async fn next_piece(request: &Request, content: &mut Content) -> Result<Option<Bytes>, Error> {
    let piece = timeout(limit(request), content.next()).await.unwrap_or(Some(Err(io::ErrorKind::TimedOut.into())));
    piece.transpose().map_err(|error| {
        let error = match error.kind() {
            io::ErrorKind::TimedOut => TransportError::Timeout,
            _ => TransportError::Dropped { source: Box::new(error) },
        };
        Error::from_transport(request, error, 1)
    })
}

fn limit(request: &Request) -> Duration {
    request.timeout.unwrap_or(TIMEOUT)
}

fn local(request: &Request, error: io::Error) -> Error {
    Error::new(Kind::Local, request, "what was read cannot be kept").with_source(error)
}
