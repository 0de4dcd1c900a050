//! The answers of one round of reading: a list that several kinds of objects need is asked for once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use tokio::sync::OnceCell;

use super::request::{Request, Verb};
use super::transport::TransportError;

type Kept = HashMap<String, Arc<OnceCell<Response<Bytes>>>>;
type Answer = Result<Response<Bytes>, TransportError>;

/// What the server answered to lists. Kinds may read different things from one answer, so that it is kept as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Kept>>);

impl Answers {
    /// Returns the answer to a list, from whoever asks first. One that may be another one soon is not kept.
    pub(super) async fn get(&self, request: &Request, ask: impl Future<Output = Answer>) -> Answer {
        if request.method != Method::GET || request.operation.verb != Verb::List {
            return ask.await;
        }
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(request.path.clone()).or_default())
        };
        let first = async {
            match ask.await {
                Ok(answer) if is_lasting(answer.status()) => Ok(answer),
                other => Err(other),
            }
        };
        match cell.get_or_try_init(|| first).await {
            Ok(answer) => Ok(answer.clone()),
            Err(passing) => passing,
        }
    }
}

/// Returns whether asking again would give the same: what there is, or that there is no such list.
fn is_lasting(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_FOUND
}
