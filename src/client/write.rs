//! Writes that have their effect once, over a wire that may deliver them twice or lose the answer.
//!
//! A create is never sent again blindly: when its answer was lost, the object is looked up by name first. A delete that
//! finds nothing after a lost answer has been done. A rename is looked up under its new name.

use http::Method;
use tracing::info;

use super::error::{Error, Kind};
use super::exchange::{Exchange, Outcome};
use super::link::{Link, decode};
use super::object::Object;
use super::request::{Operation, Request, Verb};
use crate::wire::{ResourceStatus, SandboxStatus, route};

/// An object that a create brought about.
pub(super) enum Created<T> {
    /// The server answered with it.
    Made(T),
    /// The answer was lost, and looking it up found what was to be created.
    Found(T),
}

/// What a name tells of the object that is created under it.
#[derive(Clone, Copy)]
pub(super) enum Naming<'a> {
    /// There is one of each name, so that a create that is sent twice is refused.
    Unique,
    /// It goes from one to the next, here from the one with the id `before`: that one still under the name means that nothing
    /// has been created.
    Moves { before: Option<&'a str> },
}

/// How often to look for what a create brought about that is not refused when it is sent twice.
const LOOKS: usize = 2;

impl<T> Created<T> {
    pub(super) fn into_object(self) -> T {
        match self {
            Self::Made(object) | Self::Found(object) => object,
        }
    }
}

impl Link {
    /// Gets an object.
    pub(super) async fn get<T: Object>(&self, name: &str) -> Result<T, Error> {
        self.fetch(&Request::get::<T>(name)?).await
    }

    /// Gets an object if there is one.
    pub(super) async fn find<T: Object>(&self, name: &str) -> Result<Option<T>, Error> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object. `is_asked` tells whether an object of that name is what the request asks for.
    ///
    /// # Errors
    ///
    /// [`Kind::AlreadyExists`] when there is another object of that name.
    pub(super) async fn create<T: Object>(
        &self,
        request: &Request,
        is_asked: impl Fn(&T) -> bool,
    ) -> Result<Created<T>, Error> {
        self.create_under(request, Naming::Unique, is_asked).await
    }

    /// Creates an object whose name says so much of it.
    pub(super) async fn create_under<T: Object>(
        &self,
        request: &Request,
        naming: Naming<'_>,
        is_asked: impl Fn(&T) -> bool,
    ) -> Result<Created<T>, Error> {
        let mut exchange = Exchange::new(self, request);
        loop {
            let error = match exchange.advance().await {
                Outcome::Answered(response) => {
                    return decode(request, &response, exchange.attempts()).map(Created::Made);
                }
                // The conflict may be with what an earlier attempt of this very call created.
                Outcome::Failed(error) if error.is_a(Kind::AlreadyExists) && exchange.is_doubtful() => error,
                Outcome::Doubtful(error) if self.max_retries() > 0 => error,
                Outcome::Failed(error) | Outcome::Doubtful(error) => return Err(error),
            };
            let name = &request.operation.name;
            match self.find_new::<T>(name, naming).await {
                Ok(Some(found)) if is_asked(&found) => {
                    info!(name, "the answer of a create was lost, but it had its effect");
                    return Ok(Created::Found(found));
                }
                Ok(Some(_)) => return Err(other_exists(request, exchange.attempts())),
                // It had its time, and whoever asked says how long that is: another attempt would have as much again.
                Ok(None) if was_late(&error) => return Err(error.with_ambiguous(false)),
                Ok(None) => {
                    // An answered attempt is over; one that was cut off may still be under way.
                    let under_way = error.status().is_none();
                    exchange.pause_or(error.with_ambiguous(under_way)).await?;
                }
                Err(_) => return Err(error.with_ambiguous(true)),
            }
        }
    }

    /// Looks up what a create may have brought about. Where nothing but this look keeps it from being done twice, one answer
    /// that there is nothing is not believed: it may be older than the create.
    async fn find_new<T: Object>(&self, name: &str, naming: Naming<'_>) -> Result<Option<T>, Error> {
        let Naming::Moves { before } = naming else { return self.find(name).await };
        for _ in 0..LOOKS {
            let found = self.find::<T>(name).await?;
            if found.as_ref().is_some_and(|found| before.is_none() || found.id() != before) {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Sends an update, or a rename where the request has a new name, and returns the object as it is then.
    pub(super) async fn update<T: Object>(&self, request: &Request) -> Result<T, Error> {
        let Some(new_name) = &request.operation.new_name else {
            return self.fetch(request).await;
        };
        let mut exchange = Exchange::new(self, request);
        loop {
            let (error, old_is_gone) = match exchange.advance().await {
                Outcome::Answered(response) => return decode(request, &response, exchange.attempts()),
                Outcome::Failed(error) if error.is_not_found() && exchange.is_doubtful() => (error, true),
                Outcome::Doubtful(error) if self.max_retries() > 0 => (error, false),
                Outcome::Failed(error) | Outcome::Doubtful(error) => return Err(error),
            };
            match self.find_renamed(&request.operation.name, new_name, old_is_gone).await {
                Ok(Some(found)) => {
                    info!(name = request.operation.name, new_name, "the answer of a rename was lost, but it was done");
                    return Ok(found);
                }
                Ok(None) if old_is_gone => return Err(error.with_ambiguous(false)),
                Ok(None) => exchange.pause_or(error).await?,
                Err(_) => return Err(error.with_ambiguous(true)),
            }
        }
    }

    /// Returns the object under its new name if the rename was done: the old name is gone, and the new one is there.
    async fn find_renamed<T: Object>(&self, name: &str, new_name: &str, old_is_gone: bool) -> Result<Option<T>, Error> {
        let Some(found) = self.find::<T>(new_name).await? else {
            return Ok(None);
        };
        let done = old_is_gone || self.find::<T>(name).await?.is_none();
        Ok(done.then_some(found))
    }

    /// Sends what brings a sandbox into a status, and does not do so twice: a server that is asked again after it has
    /// begun may refuse. `is_done` tells what the status is like when it has begun.
    pub(super) async fn switch(
        &self,
        request: &Request,
        is_done: impl Fn(&SandboxStatus) -> bool,
    ) -> Result<(), Error> {
        let mut exchange = Exchange::new(self, request);
        loop {
            let (error, is_final) = match exchange.advance().await {
                Outcome::Answered(_) => return Ok(()),
                Outcome::Failed(error) if exchange.is_doubtful() && is_bad_request(&error) => (error, true),
                Outcome::Doubtful(error) if self.max_retries() > 0 => (error, false),
                Outcome::Failed(error) | Outcome::Doubtful(error) => return Err(error),
            };
            let look = Operation { verb: Verb::Status, ..request.operation.clone() };
            let look = Request::on_item(look, Method::GET, route::SANDBOX_STATUS)?;
            match self.fetch::<ResourceStatus>(&look).await {
                Ok(now) if is_done(&now.status) => {
                    info!(name = request.operation.name, status = %now.status, "an answer was lost, but it was done");
                    return Ok(());
                }
                Ok(_) if is_final => return Err(error.with_ambiguous(false)),
                Ok(_) => exchange.pause_or(error).await?,
                Err(_) => return Err(error.with_ambiguous(true)),
            }
        }
    }

    /// Deletes an object.
    pub(super) async fn delete<T: Object>(&self, name: &str) -> Result<(), Error> {
        let request = Request::delete::<T>(name)?;
        let mut exchange = Exchange::new(self, &request);
        match self.repeat(&mut exchange).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() && exchange.is_doubtful() => {
                info!(name, "the answer of a delete was lost, but it was done");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_bad_request(error: &Error) -> bool {
    error.status().is_some_and(|status| status.as_u16() == 400)
}

/// Returns whether the server itself says that what it made was not ready in time, and not something before the server.
fn was_late(error: &Error) -> bool {
    error.is_a(Kind::Timeout) && error.error_type() == Some("Timeout")
}

fn other_exists(request: &Request, attempts: u32) -> Error {
    let message = "an object of this name exists, and it is not the one that was to be created";
    Error::new(Kind::AlreadyExists, request, message).with_attempts(attempts)
}
