//! A registry on the loopback interface, which answers as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::build::Built;
use crate::server::images::digest::Digest;

/// How a registry behaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    /// Whom it answers.
    pub(super) answers: Answers,
    /// It sends layers from elsewhere.
    pub(super) redirects: bool,
    /// It cuts this many layers short before it sends them whole.
    pub(super) cuts: u32,
    /// It sends other bytes for layers, of the same length.
    pub(super) lies: bool,
    /// It sends more bytes of layers than it should.
    pub(super) overflows: bool,
    /// It answers everything with this.
    pub(super) status: Option<u16>,
}

/// Whom a registry answers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Answers {
    #[default]
    Everybody,
    /// Who shows a token, which anybody gets.
    Tokens,
    /// Who shows a token, which is had for this `user:password` in Base64.
    TokensFor(&'static str),
}

/// A registry that runs until it is dropped.
pub(super) struct Registry {
    host: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    host: String,
    manner: Mutex<Manner>,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
}

impl Registry {
    /// Starts a registry with one image in it, as `py:1`.
    pub(super) async fn with(image: &Built, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let host = listener.local_addr().expect("is bound").to_string();
        let (manner, asked) = (Mutex::new(manner), Mutex::default());
        let shared = Arc::new(Shared { host: host.clone(), manner, files: Mutex::default(), asked });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        let registry = Self { host, shared, _server: server };
        registry.put("py", "1", image);
        registry
    }

    /// Gives an image a tag.
    pub(super) fn put(&self, repository: &str, tag: &str, image: &Built) {
        let mut files = lock(&self.shared.files);
        files.insert(format!("/v2/{repository}/manifests/{tag}"), image.manifest.clone());
        let by_digest = format!("/v2/{repository}/manifests/{}", Digest::of(&image.manifest));
        files.insert(by_digest, image.manifest.clone());
        for blob in image.layers.iter().chain([&image.config]) {
            files.insert(format!("/v2/{repository}/blobs/{}", Digest::of(blob)), blob.clone());
        }
    }

    /// Puts one file where an image would have it.
    pub(super) fn put_file(&self, path: &str, bytes: &[u8]) {
        lock(&self.shared.files).insert(path.to_owned(), bytes.to_vec());
    }

    pub(super) fn set(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Returns how many requests there were whose path has `part` in it.
    pub(super) fn asked(&self, part: &str) -> usize {
        lock(&self.shared.asked).iter().filter(|path| path.contains(part)).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    lock(&shared.asked).push(path.clone());
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let mut manner = lock(&shared.manner);
    if let Some(status) = manner.status {
        return plain(StatusCode::from_u16(status).expect("is a status"), Vec::new());
    }
    if !matches!(manner.answers, Answers::Everybody) {
        if path == "/token" {
            let expected = match manner.answers {
                Answers::TokensFor(login) => Some(format!("Basic {login}")),
                Answers::Everybody | Answers::Tokens => None,
            };
            let scope = request.uri().query().unwrap_or_default();
            return match (expected.as_deref() == authorization, scope) {
                (true, "service=tests&scope=repository%3Apy%3Apull") => {
                    plain(StatusCode::OK, br#"{"token":"abc"}"#.to_vec())
                }
                (true, _) => plain(StatusCode::BAD_REQUEST, Vec::new()),
                (false, _) => plain(StatusCode::UNAUTHORIZED, Vec::new()),
            };
        }
        if authorization != Some("Bearer abc") && !path.starts_with("/elsewhere") {
            let mut answer = plain(StatusCode::UNAUTHORIZED, Vec::new());
            let challenge = format!("Bearer realm=\"http://{}/token\",service=\"tests\"", shared.host);
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().expect("is a header"));
            return answer;
        }
    }
    if manner.redirects && path.contains("/blobs/") && path.starts_with("/v2") {
        let mut answer = plain(StatusCode::TEMPORARY_REDIRECT, Vec::new());
        answer.headers_mut().insert(header::LOCATION, format!("/elsewhere{path}").parse().expect("is a header"));
        return answer;
    }
    let path = path.strip_prefix("/elsewhere").unwrap_or(&path);
    let Some(mut bytes) = lock(&shared.files).get(path).cloned() else {
        return plain(StatusCode::NOT_FOUND, Vec::new());
    };
    // Configurations are blobs too, but begin as JSON does.
    if path.contains("/blobs/") && !bytes.starts_with(b"{") {
        if manner.cuts > 0 {
            manner.cuts -= 1;
            bytes.truncate(bytes.len() / 2);
        }
        if manner.lies {
            bytes.fill(0);
        }
        if manner.overflows {
            bytes.push(0);
        }
    }
    plain(StatusCode::OK, bytes)
}

fn plain(status: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    let mut answer = Response::new(Body::from(bytes));
    *answer.status_mut() = status;
    answer
}
