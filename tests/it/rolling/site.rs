//! A workspace on the server in the process, looked at after every call that may have changed it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use sbx::client::{Client, Config, Limits, Transport, TransportError};
use sbx::reconcile::inventory::Effect;
use sbx::reconcile::plan::{Plan, Policy, plan};
use sbx::reconcile::{ApplyCx, EventSink, Outcome, Recorder, apply, observe};
use sbx::server::{self, Embedded, Options, embed};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::simulation::workspace::desired;

const BASE: &str = "http://in.process/v2/sandboxes";

/// A transport that looks at the workspace after every call that may have changed it, and can make some go wrong.
pub(super) struct Watched {
    router: Router,
    samples: Mutex<Vec<Sample>>,
    /// One call that may change something at a time, so that a sample is of one moment.
    changing: tokio::sync::Mutex<()>,
    /// How many calls that may change something arrive before all that follows is lost, as when a process is killed.
    n_before_the_end: AtomicUsize,
    /// How many renames to `t` are refused.
    pub(super) n_refused: AtomicUsize,
    /// To how many of them the server answers that it failed.
    pub(super) n_failing: AtomicUsize,
    /// Whether pools are shown as if they referred to templates by their names only.
    pub(super) references_stay: AtomicBool,
    /// Whether new templates are shown without the fields that a client need not know.
    pub(super) forgets: AtomicBool,
}

/// What is live after a call.
pub(super) struct Sample {
    pub(super) templates: Vec<String>,
    /// Each pool with its template and its replicas.
    pub(super) pools: Vec<(String, String, u64)>,
}

impl Watched {
    async fn exchange(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let response = self.router.clone().oneshot(Request::from_parts(head, Body::from(body))).await;
        let (head, body) = response.expect("a router answers everything").into_parts();
        Response::from_parts(head, to_bytes(body, usize::MAX).await.expect("the body is in memory"))
    }

    async fn list(&self, route: &str) -> Vec<Value> {
        let request = Request::get(format!("{BASE}/{route}?limit=500")).body(Bytes::new()).expect("a request");
        let answer: Value = serde_json::from_slice(self.exchange(request).await.body()).expect("JSON");
        answer[route].as_array().expect("a list").clone()
    }

    async fn sample(&self) {
        let text = |object: &Value, field: &str| object[field].as_str().expect("a text").to_owned();
        let templates = self.list("templates").await.iter().map(|template| text(template, "name")).collect();
        let pools = self.list("pools").await;
        let of =
            |pool: &Value| (text(pool, "name"), text(pool, "template_name"), pool["replicas"].as_u64().expect("n"));
        let sample = Sample { templates, pools: pools.iter().map(of).collect() };
        self.samples.lock().expect("no test panicked with it").push(sample);
    }

    fn has_ended(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.n_before_the_end.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_err()
    }

    /// Returns the status that a rename to `t` gets in the place of its effect, if it does.
    fn refusal(&self, request: &Request<Bytes>) -> Option<StatusCode> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let one_less = |left: usize| left.checked_sub(1);
        let strikes = |n: &AtomicUsize| n.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        let is_rename = request.method() == Method::PATCH && body["name"] == "t";
        let refuse = || strikes(&self.n_refused).then_some(StatusCode::FORBIDDEN);
        let fail = || strikes(&self.n_failing).then_some(StatusCode::INTERNAL_SERVER_ERROR);
        if is_rename { refuse().or_else(fail) } else { None }
    }

    fn alter(&self, path: &str, response: Response<Bytes>) -> Response<Bytes> {
        let Ok(mut json) = serde_json::from_slice::<Value>(response.body()) else { return response };
        if self.references_stay.load(Ordering::SeqCst) && path.contains("/pools/") && json["template_name"] == "t" {
            json["template_name"] = "somewhere-else".into();
        }
        if self.forgets.load(Ordering::SeqCst) && path.contains("/templates/") && path.contains("--sbx-") {
            json.as_object_mut().and_then(|object| object.remove("proxy_config"));
        }
        response.map(|_| json.to_string().into())
    }
}

impl Transport for Watched {
    fn send(&self, request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            if let Some(status) = self.refusal(&request) {
                let mut response = Response::new(Bytes::from_static(b"{}"));
                *response.status_mut() = status;
                return Ok(response);
            }
            let (is_read, path) = (request.method() == Method::GET, request.uri().path().to_owned());
            if !is_read && self.has_ended() {
                return Err(TransportError::Timeout);
            }
            if is_read {
                let response = self.exchange(request).await;
                return Ok(self.alter(&path, response));
            }
            let _alone = self.changing.lock().await;
            let response = self.exchange(request).await;
            self.sample().await;
            Ok(response)
        })
    }
}

/// Keeps what would be written down.
#[derive(Default)]
pub(super) struct Notebook(pub(super) Mutex<Vec<Effect>>);

impl Recorder for Notebook {
    fn record(&self, effects: Vec<Effect>) {
        self.0.lock().expect("no test panicked with it").extend(effects);
    }
}

pub(super) struct Site {
    pub(super) transport: Arc<Watched>,
    pub(super) client: Client,
    pub(super) notebook: Arc<Notebook>,
    _server: Embedded,
}

impl Site {
    pub(super) async fn open() -> Self {
        Self::open_with(server::Limits::default()).await
    }

    /// Opens a workspace with these limits.
    pub(super) async fn open_with(limits: server::Limits) -> Self {
        let server = embed(Options::new().limits(limits)).await.expect("a server in memory opens");
        let transport = Arc::new(Watched {
            router: server.router(),
            samples: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            n_before_the_end: AtomicUsize::new(usize::MAX),
            n_refused: AtomicUsize::new(0),
            n_failing: AtomicUsize::new(0),
            references_stay: AtomicBool::new(false),
            forgets: AtomicBool::new(false),
        });
        let client = Client::with_transport(Config::new(BASE).max_retries(0), Arc::clone(&transport) as _);
        Self { transport, client: client.expect("the URL is good"), notebook: Arc::default(), _server: server }
    }

    pub(super) async fn apply(&self, manifests: &str) -> (Plan, Outcome) {
        let now = "2026-03-24T12:00:00Z".parse().expect("a time");
        let world = observe(&self.client.reader(), now).await.expect("the lists can be read");
        let plan = plan(&desired(manifests), &world, &Policy::default());
        let mut cx = ApplyCx::new(self.client.clone(), NonZeroUsize::new(4).expect("4 is not 0"));
        cx.recorder = Some(Arc::clone(&self.notebook) as _);
        let outcome = apply(&plan, &cx, EventSink::none(), CancellationToken::new()).await;
        (plan, outcome)
    }

    pub(super) async fn must_apply(&self, manifests: &str) -> Plan {
        let (plan, outcome) = self.apply(manifests).await;
        assert!(outcome.is_complete(), "{outcome:?}");
        plan
    }

    /// Applies until a number of calls that may change something has arrived; returns whether that was all of it.
    pub(super) async fn apply_until(&self, n_calls: usize, manifests: &str) -> bool {
        self.transport.n_before_the_end.store(n_calls, Ordering::SeqCst);
        let (_, outcome) = self.apply(manifests).await;
        self.transport.n_before_the_end.store(usize::MAX, Ordering::SeqCst);
        outcome.is_complete()
    }

    /// Returns what was seen since this was asked last.
    pub(super) fn samples(&self) -> Vec<Sample> {
        std::mem::take(&mut *self.transport.samples.lock().expect("no test panicked with it"))
    }

    pub(super) async fn image(&self) -> String {
        self.client.get_template("t").await.expect("it has its name").image
    }
}
