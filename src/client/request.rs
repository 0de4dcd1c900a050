//! Requests as plain values, and what they are for.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::error::{Detail, Error, Mapped, Resource};
use super::generation::Generation;
use super::object::Object;
use super::page::Position;
use crate::types::{Name, Secret};
use crate::wire::{ListQuery, route};

/// What a segment of a path can hold as it is: the unreserved characters of RFC 3986.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a name in a path can hold as it is: servers split a snapshot's reference at a `:` that is not encoded.
const NAME: &AsciiSet = &SEGMENT.remove(b':');

/// One request to the API, without the server's address and the credentials. `Debug` leaves the body out.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// Below the base URL, percent-encoded, with the query.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    /// What is sent before and after the body, which may be large and is not copied to stand between them.
    pub(super) around: Option<(Bytes, Bytes)>,
    /// What the body is.
    pub(super) content_type: Option<HeaderValue>,
    /// Which part of a file is asked for.
    pub(super) range: Option<HeaderValue>,
    /// What the path is below, where that is not the API: a sandbox's own URL.
    pub(super) base_url: Option<String>,
    /// The time limit of one attempt, where it is not the client's.
    pub(super) timeout: Option<Duration>,
    /// What the body has of secrets, so that a server's error that quotes one is not passed on.
    pub(super) secrets: Vec<Secret>,
}

/// What a request is for: its errors are explained with this.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) verb: Verb,
    pub(super) resource: Option<Resource>,
    pub(super) name: String,
    pub(super) new_name: Option<String>,
    /// The file in the sandbox that it is about, if it is about one.
    pub(super) file: Option<String>,
    /// The sandbox that it is made from, if it is made from one.
    pub(super) sandbox: Option<String>,
    /// The port in the sandbox that it is about, if it is about one.
    pub(super) port: Option<u16>,
    /// The generation of the API that alone has this operation; `None` where both have.
    pub(super) generation: Option<Generation>,
    /// What answers mean for this kind of object in particular.
    pub(super) rules: Rules,
}

/// What a status means for one kind of object, or `None` where it means the same for all.
pub(super) type Rules = fn(&Operation, u16, &Detail) -> Option<Mapped>;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Get,
    Create,
    Update,
    Delete,
    DeleteMany,
    Status,
    Wait,
    Start,
    Stop,
    Capture,
    Tags,
    ServiceUrl,
    ServiceUrls,
    EndService,
    DownloadUrl,
    CallService,
    Usage,
    Run,
    Reconnect,
    ReadFile,
    Search,
    WriteFile,
    Tunnel,
}

impl Verb {
    /// Returns whether it is done to one object, which may not be there.
    pub(super) fn is_on_one(self) -> bool {
        use Verb::{Delete, DownloadUrl, EndService, Get, ServiceUrl, ServiceUrls, Start, Status, Stop, Tags, Update};
        matches!(
            self,
            Get | Update | Delete | Status | Start | Stop | Tags | ServiceUrl | ServiceUrls | EndService | DownloadUrl
        )
    }
}

impl Operation {
    pub(super) fn on<T: Object>(verb: Verb, name: &str) -> Self {
        let resource = Some(T::RESOURCE);
        Self { resource, name: name.to_owned(), generation: T::GENERATION, ..Self::new(verb, T::rules) }
    }

    pub(super) fn usage() -> Self {
        Self::new(Verb::Usage, |_, _, _| None)
    }

    /// Something that is done inside a sandbox.
    pub(super) fn inside(verb: Verb, sandbox: &str, rules: Rules) -> Self {
        Self { resource: Some(Resource::Sandbox), name: sandbox.to_owned(), ..Self::new(verb, rules) }
    }

    fn new(verb: Verb, rules: Rules) -> Self {
        Self {
            verb,
            resource: None,
            name: String::new(),
            new_name: None,
            sandbox: None,
            file: None,
            port: None,
            generation: None,
            rules,
        }
    }
}

impl Request {
    /// `GET` of one page of a list. `filter` is the end of the query.
    pub(super) fn list<T: Object>(position: &Position, filter: &str) -> Self {
        let page = match position {
            Position::Offset(offset) => format!("limit={}&offset={offset}", ListQuery::MAX_LIMIT),
            Position::Cursor(cursor) => {
                let cursor = utf8_percent_encode(cursor, SEGMENT);
                format!("page_size={}&cursor={cursor}", ListQuery::MAX_PAGE_SIZE)
            }
        };
        let path = format!("{}?{page}{filter}", T::COLLECTION);
        Self::new(Operation::on::<T>(Verb::List, ""), Method::GET, path)
    }

    /// `GET` of a list of one object, to see whether there is such a list.
    pub(super) fn first_of<T: Object>() -> Self {
        Self::new(Operation::on::<T>(Verb::List, ""), Method::GET, format!("{}?limit=1&offset=0", T::COLLECTION))
    }

    /// `GET` of an object.
    pub(super) fn get<T: Object>(name: &str) -> Result<Self, Error> {
        Self::on_item(Operation::on::<T>(Verb::Get, name), Method::GET, T::ITEM)
    }

    /// `POST` of a new object. `name` is what it can be looked up by.
    pub(super) fn create<T: Object>(name: &(impl AsRef<str> + ?Sized), body: &impl Serialize) -> Self {
        let operation = Operation::on::<T>(Verb::Create, name.as_ref());
        Self::new(operation, Method::POST, T::COLLECTION.to_owned()).json(body)
    }

    /// `PATCH` of an object.
    pub(super) fn update<T: Object>(name: &str, new_name: Option<&Name>, body: &impl Serialize) -> Result<Self, Error> {
        let mut operation = Operation::on::<T>(Verb::Update, name);
        operation.new_name = new_name.map(ToString::to_string);
        Ok(Self::on_item(operation, Method::PATCH, T::ITEM)?.json(body))
    }

    /// `DELETE` of an object.
    pub(super) fn delete<T: Object>(name: &str) -> Result<Self, Error> {
        Self::on_item(Operation::on::<T>(Verb::Delete, name), Method::DELETE, T::ITEM)
    }

    /// `POST` of the names of objects to delete.
    pub(super) fn delete_many<T: Object>(route: &str, body: &impl Serialize) -> Self {
        Self::new(Operation::on::<T>(Verb::DeleteMany, ""), Method::POST, route.to_owned()).json(body)
    }

    /// `GET` of the quotas and what is used of them.
    pub(super) fn usage() -> Self {
        Self::new(Operation::usage(), Method::GET, route::USAGE.to_owned())
    }

    /// A request on one object, whose name goes into `route`.
    pub(super) fn on_item(operation: Operation, method: Method, route: &str) -> Result<Self, Error> {
        let name = operation.sandbox.as_ref().unwrap_or(&operation.name);
        if let Some(path) = path(route, name) {
            return Ok(Self::new(operation, method, path));
        }
        let message = format!("`{name}` cannot be a name: it would address another path");
        Err(Error::invalid_argument(operation, "name", message))
    }

    /// A stand-in for the request that a refused argument prevented.
    pub(super) fn unsent(operation: Operation) -> Self {
        Self::new(operation, Method::GET, String::new())
    }

    /// Adds a JSON body.
    pub(super) fn json(self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).expect("bodies are structs with text keys and no failing serializer");
        self.bytes(bytes.into(), HeaderValue::from_static("application/json"))
    }

    /// Adds a body.
    pub(super) fn bytes(mut self, body: Bytes, content_type: HeaderValue) -> Self {
        self.body = Some(body);
        self.content_type = Some(content_type);
        self
    }

    /// Puts something before and after the body.
    pub(super) fn around(mut self, before: Bytes, after: Bytes) -> Self {
        self.around = Some((before, after));
        self
    }

    /// Keeps secrets of the body out of errors.
    pub(super) fn hiding(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// Sets the time limit of an attempt.
    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A request to a sandbox itself, at `base_url`.
    pub(super) fn inside(operation: Operation, method: Method, base_url: &str, path: String) -> Self {
        Self { base_url: Some(base_url.to_owned()), ..Self::new(operation, method, path) }
    }

    pub(super) fn new(operation: Operation, method: Method, path: String) -> Self {
        Self {
            operation,
            method,
            path,
            body: None,
            around: None,
            content_type: None,
            range: None,
            base_url: None,
            timeout: None,
            secrets: Vec::new(),
        }
    }

    /// Returns whether the request may change something. Making a URL changes nothing that anybody could miss, and a
    /// search nothing at all.
    pub(super) fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
            && !matches!(self.operation.verb, Verb::ServiceUrl | Verb::DownloadUrl | Verb::Search)
    }

    /// Returns the request as HTTP, for the server at `base_url`, with `headers` on top of its own.
    pub(super) fn to_http(
        &self,
        base_url: &str,
        headers: &http::HeaderMap,
    ) -> Result<http::Request<Bytes>, http::Error> {
        let uri = format!("{}{}", self.base_url.as_deref().unwrap_or(base_url), self.path);
        let mut request = http::Request::builder().method(&self.method).uri(uri);
        request = request.header(header::ACCEPT, "*/*");
        if let Some(content_type) = &self.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(range) = &self.range {
            request = request.header(header::RANGE, range);
        }
        let mut request = request.body(self.body.clone().unwrap_or_default())?;
        overlay(request.headers_mut(), headers);
        Ok(request)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("base_url", &self.base_url)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Puts `over` on top of `headers`: a name that is in both has the values of `over` alone.
pub(super) fn overlay(headers: &mut http::HeaderMap, over: &http::HeaderMap) {
    for name in over.keys() {
        headers.remove(name);
    }
    for (name, value) in over {
        headers.append(name, value.clone());
    }
}

/// Puts a name into a route, or returns `None` for one that would address something else.
///
/// An empty name is the collection, and `.` and `..` are steps that URL parsers take, also when percent-encoded.
fn path(route: &str, name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    Some(route.replace("{name}", &utf8_percent_encode(name, NAME).to_string()))
}

impl fmt::Display for Operation {
    /// Writes it to follow "cannot": ``create volume `data` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, name, new_name, .. } = self;
        let one = self.resource.map_or("object", Resource::as_str);
        let several = self.resource.map_or("objects", Resource::plural);
        match (verb, new_name) {
            (Verb::List, _) => write!(f, "list {several}"),
            (Verb::Get, _) => write!(f, "get {one} `{name}`"),
            (Verb::Create, _) => write!(f, "create {one} `{name}`"),
            (Verb::Update, Some(new_name)) => write!(f, "rename {one} `{name}` to `{new_name}`"),
            (Verb::Update, None) => write!(f, "update {one} `{name}`"),
            (Verb::Delete, _) => write!(f, "delete {one} `{name}`"),
            (Verb::DeleteMany, _) => write!(f, "delete {several}"),
            (Verb::Status, _) => write!(f, "get the status of {one} `{name}`"),
            (Verb::Wait, _) => write!(f, "wait for {one} `{name}`"),
            (Verb::Start, _) => write!(f, "start {one} `{name}`"),
            (Verb::Stop, _) => write!(f, "stop {one} `{name}`"),
            (Verb::Capture, _) => {
                write!(f, "capture {one} `{name}` of sandbox `{}`", self.sandbox.as_deref().unwrap_or_default())
            }
            (Verb::Tags, _) => write!(f, "list the tags of {one} `{name}`"),
            (Verb::ServiceUrls, _) => write!(f, "list the services of {one} `{name}`"),
            (Verb::EndService, _) => write!(f, "end the access to services of {one} `{name}`"),
            (Verb::DownloadUrl, _) => {
                let file = self.file.as_deref().unwrap_or_default();
                write!(f, "get a download URL of `{file}` in {one} `{name}`")
            }
            (Verb::ServiceUrl, _) => write!(f, "get a service URL of {one} `{name}`"),
            (Verb::CallService, _) => write!(f, "call a service of {one} `{name}`"),
            (Verb::Usage, _) => f.write_str("read the usage"),
            (Verb::Run, _) => write!(f, "run a command in {one} `{name}`"),
            (Verb::Reconnect, _) => write!(f, "reconnect to a command in {one} `{name}`"),
            (Verb::ReadFile, _) => write!(f, "read `{}` in {one} `{name}`", self.file.as_deref().unwrap_or_default()),
            (Verb::Search, _) => write!(f, "search `{}` in {one} `{name}`", self.file.as_deref().unwrap_or_default()),
            (Verb::WriteFile, _) => write!(f, "write `{}` in {one} `{name}`", self.file.as_deref().unwrap_or_default()),
            (Verb::Tunnel, _) => write!(f, "open a tunnel to port {} of {one} `{name}`", self.port.unwrap_or_default()),
        }
    }
}
