//! Whether a sandbox can be worked in, and what its answers mean.

use std::time::Duration;

use http::Method;

use super::socket::Patience;
use crate::client::error::{Detail, Error, Kind, Mapped, Resource};
use crate::client::generation::Generation;
use crate::client::handle::{Sandbox, SandboxObject};
use crate::client::request::{Operation, Request, Verb};
use crate::wire::SandboxStatus;

impl<O: SandboxObject> Sandbox<O> {
    /// Makes a request to the sandbox itself, whose path is `path`.
    ///
    /// # Errors
    ///
    /// [`Kind::NotReady`] and [`Kind::NoDataPlane`], from what is known here: nothing is sent to find out.
    pub(super) fn inside(&self, operation: Operation, method: Method, path: String) -> Result<Request, Error> {
        if let Some((status, said)) = self.obstacle() {
            let message = match (status, said) {
                (SandboxStatus::Failed, Some(reason)) => format!("the sandbox has failed: {reason}"),
                (status, _) => format!("the sandbox is not ready, it is {status}"),
            };
            let error = Error::new(Kind::NotReady, &Request::unsent(operation), message);
            return Err(error.with_last_status(status.clone()));
        }
        let url = self.data_plane().map(|url| url.trim_end_matches('/'));
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            Ok(Request::inside(operation, method, url, path))
        } else {
            let message = "the server gives the sandbox no URL for this";
            Err(Error::new(Kind::NoDataPlane, &Request::unsent(operation), message))
        }
    }

    /// Returns how long a WebSocket to the sandbox is tried to be opened.
    pub(super) fn patience(&self, attempt: Duration) -> Patience {
        let budget = self.client().link().socket_timeouts().connect_budget;
        Patience::new(attempt, budget.filter(|_| O::GENERATION == Generation::Second))
    }

    /// Names something that is done in the sandbox.
    pub(super) fn operation(&self, verb: Verb) -> Operation {
        Operation::inside(verb, self.display_name(), rules)
    }
}

/// What an answer of a sandbox means. The first rule that fits holds.
fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    let failed = |error_type| Mapped::new(Kind::Operation).about(Resource::Sandbox).typed(error_type);
    let missing = || match &operation.file {
        Some(file) => {
            let message = format!("there is no file `{file}` in sandbox `{}`", operation.name);
            Mapped::new(Kind::NotFound).about(Resource::File).saying(message)
        }
        None => Mapped::new(Kind::NotFound).about(Resource::Sandbox),
    };
    if matches!(operation.verb, Verb::ReadFile | Verb::Search) && status == 404 {
        return Some(missing());
    }
    if let Some(error_type) = ["WriteError", "ReadError", "CommandError"].into_iter().find(|it| detail.is(it)) {
        return Some(failed(error_type));
    }
    let mapped = match status {
        _ if detail.is("CommandTimeout") => Mapped::new(Kind::CommandTimeout).about(Resource::Sandbox),
        403 => failed("PermissionDenied"),
        502 if detail.is("ConnectionError") => Mapped::new(Kind::Connection),
        400 if detail.is("NotReady") => Mapped::new(Kind::NotReady).about(Resource::Sandbox),
        503 if detail.is("ServiceUnavailable") => Mapped::new(Kind::NotReady).about(Resource::Sandbox),
        404 => missing(),
        _ if detail.is("FileNotFound") => missing(),
        // The official SDK knows no more than that either, but a wrong key is worth saying.
        401 => Mapped::new(Kind::Authentication),
        // The rules for all calls tell a limit of requests from one of the workspace.
        429 => return None,
        _ => Mapped::new(Kind::Client),
    };
    Some(mapped)
}
