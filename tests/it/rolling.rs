//! Replacement without a gap, on the server in the process: what it looks like from outside after every single call, and
//! what becomes of a swap that goes wrong.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use sbx::client::{Client, Config, CreateTemplateOptions, Limits, Transport, TransportError};
use sbx::reconcile::inventory::{Effect, Habits};
use sbx::reconcile::plan::{Plan, Policy, plan};
use sbx::reconcile::{ApplyCx, EventSink, Outcome, Phase, Recorder, StepError, apply, observe};
use sbx::server::{Embedded, Options, embed};
use sbx::types::Name;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::simulation::workspace::desired;

const BASE: &str = "http://in.process/v2/sandboxes";

/// A transport that looks at the workspace after every call that may have changed it, and can make some go wrong.
struct Watched {
    router: Router,
    samples: Mutex<Vec<Sample>>,
    /// How many renames to `t` are refused.
    n_refused: AtomicUsize,
    /// Whether pools are shown as if they referred to templates by their names only.
    references_stay: AtomicBool,
    /// Whether new templates are shown without the fields that a client need not know.
    forgets: AtomicBool,
}

/// What is live after a call.
struct Sample {
    templates: Vec<String>,
    /// Each pool with its template and its replicas.
    pools: Vec<(String, String, u64)>,
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

    fn is_refused(&self, request: &Request<Bytes>) -> bool {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let is_rename = request.method() == Method::PATCH && body["name"] == "t";
        let refuse = |left: usize| left.checked_sub(1);
        is_rename && self.n_refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok()
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
            if self.is_refused(&request) {
                let mut response = Response::new(Bytes::from_static(b"{}"));
                *response.status_mut() = StatusCode::FORBIDDEN;
                return Ok(response);
            }
            let (is_read, path) = (request.method() == Method::GET, request.uri().path().to_owned());
            let response = self.exchange(request).await;
            if is_read {
                return Ok(self.alter(&path, response));
            }
            self.sample().await;
            Ok(response)
        })
    }
}

/// Keeps what would be written down.
#[derive(Default)]
struct Notebook(Mutex<Vec<Effect>>);

impl Recorder for Notebook {
    fn record(&self, effects: Vec<Effect>) {
        self.0.lock().expect("no test panicked with it").extend(effects);
    }
}

struct Site {
    transport: Arc<Watched>,
    client: Client,
    notebook: Arc<Notebook>,
    _server: Embedded,
}

impl Site {
    async fn open() -> Self {
        let server = embed(Options::new()).await.expect("a server in memory opens");
        let transport = Arc::new(Watched {
            router: server.router(),
            samples: Mutex::default(),
            n_refused: AtomicUsize::new(0),
            references_stay: AtomicBool::new(false),
            forgets: AtomicBool::new(false),
        });
        let client = Client::with_transport(Config::new(BASE).max_retries(0), Arc::clone(&transport) as _);
        Self { transport, client: client.expect("the URL is good"), notebook: Arc::default(), _server: server }
    }

    async fn apply(&self, manifests: &str) -> (Plan, Outcome) {
        let now = "2026-03-24T12:00:00Z".parse().expect("a time");
        let world = observe(&self.client.reader(), now).await.expect("the lists can be read");
        let plan = plan(&desired(manifests), &world, &Policy::default());
        let mut cx = ApplyCx::new(self.client.clone(), NonZeroUsize::new(4).expect("4 is not 0"));
        cx.recorder = Some(Arc::clone(&self.notebook) as _);
        let outcome = apply(&plan, &cx, EventSink::none(), CancellationToken::new()).await;
        (plan, outcome)
    }

    async fn must_apply(&self, manifests: &str) -> Plan {
        let (plan, outcome) = self.apply(manifests).await;
        assert!(outcome.is_complete(), "{outcome:?}");
        plan
    }

    async fn image(&self) -> String {
        self.client.get_template("t").await.expect("it has its name").image
    }
}

fn manifests(image: &str) -> String {
    format!(
        "{{apiVersion: sbx/v1, kind: Template, metadata: {{name: t}}, spec: {{image: {image}}}}}
---
{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: p}}, spec: {{template_name: t, replicas: 2}}}}
---
{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: q}}, spec: {{template_name: t, replicas: 3}}}}
---
{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: s}}, spec: {{template_name: t}}}}
"
    )
}

fn error_of(outcome: &Outcome) -> Arc<StepError> {
    let failed = outcome.state.iter().find_map(|(_, phase)| match phase {
        Phase::Failed { error, .. } => Some(Arc::clone(error)),
        _ => None,
    });
    failed.unwrap_or_else(|| panic!("{outcome:?}"))
}

#[tokio::test]
async fn nothing_is_ever_missing_but_a_name_between_its_two_renames() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.samples.lock().expect("not poisoned").clear();
    site.must_apply(&manifests("b")).await;

    let samples = std::mem::take(&mut *site.transport.samples.lock().expect("not poisoned"));
    assert!(samples.len() > 9, "{} calls are too few", samples.len());
    let mut n_missing = 0;
    for sample in &samples {
        // Steps on different objects run side by side, so that two names may be between their renames at once.
        for (name, replicas) in [("p", 2), ("q", 3)] {
            match sample.pools.iter().find(|pool| pool.0 == name) {
                Some(pool) => assert!(pool.2 >= replicas, "{pool:?}"),
                None => n_missing += 1,
            }
        }
        if !sample.templates.iter().any(|name| name == "t") {
            n_missing += 1;
            continue;
        }
        let warm: u64 = sample.pools.iter().filter(|pool| pool.1 == "t").map(|pool| pool.2).sum();
        assert!(warm >= 5, "who creates from `t` finds {warm} of 5: {:?}", sample.pools);
    }
    assert!((3..=5).contains(&n_missing), "each of three names is missing once: {n_missing}");
    assert_eq!(site.image().await, "b");
    let again = site.must_apply(&manifests("b")).await;
    assert!(again.steps.is_empty(), "{:?}", again.steps);
}

#[tokio::test]
async fn a_second_rename_that_fails_for_good_takes_the_first_one_back() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.n_refused.store(1, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::SwapFailed { is_undone: true, .. }), "{error:?}");
    assert_eq!(error.to_string(), "template/t has its name again");
    assert_eq!(site.image().await, "a");
    let plan = site.must_apply(&manifests("b")).await;
    assert!(plan.steps.iter().all(|step| step.verb.as_str() != "create"), "what was built is used: {:?}", plan.steps);
    assert_eq!(site.image().await, "b");
}

#[tokio::test]
async fn a_name_that_could_not_be_given_back_is_said_and_comes_back_with_the_next_apply() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.n_refused.store(2, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::SwapFailed { is_undone: false, .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("template/t is named `t--sbx-") && text.ends_with("` until it is applied again"),
        "{text}"
    );
    assert!(site.client.get_template("t").await.is_err());
    site.must_apply(&manifests("b")).await;
    assert_eq!(site.image().await, "b");
}

#[tokio::test]
async fn where_references_stay_behind_the_swap_is_taken_back_and_that_is_remembered() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.references_stay.store(true, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::ReferenceStayed { is_taken_back: true, .. }), "{error:?}");
    assert_eq!(site.image().await, "a");
    let learnt = Effect::Learn(Habits { references_follow_renames: Some(false) });
    assert!(site.notebook.0.lock().expect("not poisoned").contains(&learnt));
}

#[tokio::test]
async fn where_references_follow_that_is_remembered() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.must_apply(&manifests("b")).await;
    let learnt = Effect::Learn(Habits { references_follow_renames: Some(true) });
    assert!(site.notebook.0.lock().expect("not poisoned").contains(&learnt));
}

#[tokio::test]
async fn what_cannot_be_read_back_is_not_swapped_in() {
    let site = Site::open().await;
    let extra = serde_json::json!({"proxy_config": {"rules": []}});
    let extra = extra.as_object().expect("it is an object").clone();
    let name = Name::parse("t").expect("a name");
    let options = CreateTemplateOptions::default().extra(extra);
    site.client.create_template(&name, "a", options).await.expect("it is created");
    site.must_apply(&manifests("a")).await;
    site.transport.forgets.store(true, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::NotCarriedOver { .. }), "{error:?}");
    assert_eq!(site.image().await, "a", "nothing is lost");
}
