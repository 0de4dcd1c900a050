//! A transport that carries requests to a router in the process, and lets one of them go wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, Uri};
use sbx::client::{Limits, Transport, TransportError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::passwords::Told;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is not made.
    Refused,
    /// The request is lost on its way.
    LostBefore,
    /// The request has its effect, and the answer is lost.
    LostAfter,
    /// The request has its effect, and no answer comes in time.
    Stalled,
    /// The request has its effect, and the answer is cut short.
    Truncated,
    /// The request has its effect, and the answer is JSON of another shape.
    WrongJson,
    /// A proxy answers in the server's place, before the effect.
    Unavailable,
    /// A proxy answers in the server's place, after the effect.
    BadGateway,
    /// A proxy no longer waits for the server, which goes on: the effect is there all the same.
    GatewayTimeout,
    /// All goes well, and takes most of the time that there is for it.
    Slow,
    /// The server is out of order.
    Broken,
    /// There are too many requests.
    TooMany,
    /// A cache answers a read with what it saw first; writes go through.
    Stale,
    /// The program is killed before the request is sent.
    KilledBefore,
    /// The program is killed after the effect.
    KilledAfter,
}

impl Fault {
    /// All of them. A record tells an old list from a new one.
    pub(crate) const ALL: [Self; 15] = [
        Self::Stale,
        Self::Refused,
        Self::LostBefore,
        Self::LostAfter,
        Self::Stalled,
        Self::Truncated,
        Self::WrongJson,
        Self::Unavailable,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::Slow,
        Self::Broken,
        Self::TooMany,
        Self::KilledBefore,
        Self::KilledAfter,
    ];

    /// All but [`Fault::Stale`]: without a record, nothing tells an old list from a new one.
    pub(crate) fn without_record() -> &'static [Self] {
        &Self::ALL[1..]
    }

    pub(crate) fn has_effect(self) -> bool {
        matches!(
            self,
            Self::Stale
                | Self::LostAfter
                | Self::Stalled
                | Self::Truncated
                | Self::WrongJson
                | Self::BadGateway
                | Self::GatewayTimeout
                | Self::Slow
                | Self::KilledAfter
        )
    }
}

/// The router, and what is to go wrong.
pub(crate) struct FaultyTransport {
    router: Router,
    plan: Mutex<FaultPlan>,
    n_writes: AtomicUsize,
    /// What each read answered first, for a cache that is out of date.
    first_answers: Mutex<HashMap<Uri, Bytes>>,
    pub(crate) told: Arc<Told>,
    answering: TaskTracker,
}

/// The calls of one attempt, to the server and to the store of the record, and those of them that go wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultPlan {
    faults: Vec<(usize, Fault)>,
    n_calls: Arc<AtomicUsize>,
    /// Cancelled when the program is to be killed.
    pub(crate) kill: CancellationToken,
}

impl FaultPlan {
    pub(crate) fn so_far(&self) -> usize {
        self.n_calls.load(Ordering::SeqCst)
    }

    /// Counts a call, and returns what goes wrong with it.
    pub(crate) fn next(&self) -> Option<Fault> {
        let call = self.n_calls.fetch_add(1, Ordering::SeqCst);
        self.faults.iter().find(|(at, _)| *at == call).map(|(_, fault)| *fault)
    }
}

impl FaultyTransport {
    pub(crate) fn new(router: Router) -> Self {
        Self {
            router,
            plan: Mutex::default(),
            n_writes: AtomicUsize::new(0),
            first_answers: Mutex::default(),
            told: Arc::default(),
            answering: TaskTracker::new(),
        }
    }

    /// Begins to count calls anew; the one with this index goes wrong.
    pub(crate) fn begin(&self, fault: Option<(usize, Fault)>) -> FaultPlan {
        self.begin_all(fault.into_iter().collect())
    }

    /// Begins to count calls anew; those with these indices go wrong.
    pub(crate) fn begin_all(&self, faults: Vec<(usize, Fault)>) -> FaultPlan {
        let plan = FaultPlan { faults, ..FaultPlan::default() };
        self.follow(plan.clone());
        plan
    }

    /// Counts calls with those of this plan from now on, and returns the one before.
    pub(crate) fn follow(&self, plan: FaultPlan) -> FaultPlan {
        std::mem::replace(&mut self.plan.lock().unwrap_or_else(PoisonError::into_inner), plan)
    }

    pub(crate) fn plan(&self) -> FaultPlan {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn n_writes(&self) -> usize {
        self.n_writes.load(Ordering::SeqCst)
    }

    /// Has a request answered. Whatever becomes of who asked, the server goes on to the end.
    async fn exchange(&self, request: Request<Bytes>) -> Response<Bytes> {
        let read = (*request.method() == Method::GET).then(|| request.uri().clone());
        let (router, told) = (self.router.clone(), Arc::clone(&self.told));
        let answered = self.answering.spawn(async move {
            let sent = request.body().clone();
            let response = ask(router, request).await;
            if response.status().is_success() {
                told.take_in(&sent, response.body());
            }
            response
        });
        let response = answered.await.expect("the router does not panic");
        if let Some(uri) = read.filter(|_| response.status().is_success()) {
            let mut first = self.first_answers.lock().unwrap_or_else(PoisonError::into_inner);
            first.entry(uri).or_insert_with(|| response.body().clone());
        }
        response
    }

    async fn go_wrong(
        &self,
        fault: Fault,
        request: Request<Bytes>,
        limits: Limits,
        kill: CancellationToken,
    ) -> Result<Response<Bytes>, TransportError> {
        let stale = (*request.method() == Method::GET).then(|| request.uri().clone());
        let response = if fault.has_effect() { Some(self.exchange(request).await) } else { None };
        match fault {
            Fault::Stale => {
                let first = self.first_answers.lock().unwrap_or_else(PoisonError::into_inner);
                let old = stale.and_then(|uri| first.get(&uri).cloned());
                let response = response.expect("it had its effect");
                Ok(match old {
                    Some(old) if response.status().is_success() => response.map(|_| old),
                    _ => response,
                })
            }
            Fault::Refused => Err(TransportError::Connect { source: "refused".into() }),
            Fault::LostBefore | Fault::LostAfter => Err(TransportError::Dropped { source: "lost".into() }),
            Fault::Stalled => {
                sleep(limits.timeout).await;
                Err(TransportError::Timeout)
            }
            Fault::Truncated => Ok(response.expect("it had its effect").map(|body| body.slice(..body.len() / 2))),
            Fault::WrongJson => Ok(response.expect("it had its effect").map(|_| Bytes::from_static(b"[true]"))),
            Fault::Unavailable => Ok(answer(StatusCode::SERVICE_UNAVAILABLE)),
            Fault::BadGateway => Ok(answer(StatusCode::BAD_GATEWAY)),
            Fault::GatewayTimeout => Ok(answer(StatusCode::GATEWAY_TIMEOUT)),
            Fault::Slow => {
                sleep(limits.timeout.mul_f64(0.9)).await;
                Ok(response.expect("it had its effect"))
            }
            Fault::Broken => Ok(answer(StatusCode::INTERNAL_SERVER_ERROR)),
            Fault::TooMany => Ok(answer(StatusCode::TOO_MANY_REQUESTS)),
            Fault::KilledBefore | Fault::KilledAfter => {
                kill.cancel();
                std::future::pending().await
            }
        }
    }
}

async fn ask(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let response = router.oneshot(Request::from_parts(head, Body::from(body))).await;
    let (head, body) = response.expect("a router answers everything").into_parts();
    Response::from_parts(head, to_bytes(body, usize::MAX).await.expect("the body is in memory"))
}

fn answer(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"<html>out of order</html>"));
    *response.status_mut() = status;
    response
}

impl Transport for FaultyTransport {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let plan = self.plan();
        let fault = plan.next();
        if *request.method() != Method::GET {
            self.n_writes.fetch_add(1, Ordering::SeqCst);
        }
        Box::pin(async move {
            match fault {
                Some(fault) => self.go_wrong(fault, request, limits, plan.kill).await,
                None => Ok(self.exchange(request).await),
            }
        })
    }
}
