//! Which generations of the API a server speaks.

use std::fmt;

use tokio::sync::OnceCell;

use super::connect::Client;
use super::error::{Error, Kind, Resource};
use super::link::Link;
use super::object::Object;
use super::reader::Reader;
use super::request::Request;
use crate::wire::{Snapshot, Template};

/// A generation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// Volumes, templates, pools, and the sandboxes made from templates.
    First,
    /// Registries, snapshots, and the sandboxes made from snapshots.
    Second,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// The generations of the API that a server speaks. It may be both, or none when the endpoint is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generations {
    /// Whether it has templates and pools.
    pub first: bool,
    /// Whether it has snapshots and registries.
    pub second: bool,
}

impl Generations {
    /// Returns whether the server speaks a generation.
    pub fn speaks(self, generation: Generation) -> bool {
        match generation {
            Generation::First => self.first,
            Generation::Second => self.second,
        }
    }
}

impl Client {
    /// Returns which generations of the API the server speaks.
    ///
    /// It is found out once for all clones and views of the client: by lists that were read before, or else by one
    /// request for each generation (`GET /templates` and `GET /snapshots`, of one object).
    ///
    /// # Errors
    ///
    /// Those of listing, such as [`Kind::Authentication`]; nothing is kept then, and the next call asks again. That a
    /// server does not speak a generation is no error.
    pub async fn generations(&self) -> Result<Generations, Error> {
        self.link().generations().await
    }
}

impl Reader {
    /// Returns which generations of the API the server speaks, see [`Client::generations`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::generations`].
    pub async fn generations(&self) -> Result<Generations, Error> {
        self.link().generations().await
    }
}

impl Generation {
    /// Returns the generation that a list of these objects tells of: the kinds that no server of it is without.
    ///
    /// The others may be missing from a server that has the rest: registries came later than snapshots.
    pub(super) fn told_by(resource: Resource) -> Option<Self> {
        match resource {
            Resource::Template => Some(Self::First),
            Resource::Snapshot => Some(Self::Second),
            _ => None,
        }
    }
}

/// What is known of a server's generations. The first that is found out holds.
#[derive(Debug, Default)]
pub(super) struct Known {
    first: OnceCell<bool>,
    second: OnceCell<bool>,
}

impl Known {
    /// Notes what an answer has shown.
    pub(super) fn note(&self, generation: Generation, is_spoken: bool) {
        // What was known before stays.
        let _ = self.cell(generation).set(is_spoken);
    }

    /// Returns whether it is known that a generation is spoken, or that it is not.
    pub(super) fn is(&self, generation: Generation, spoken: bool) -> bool {
        self.cell(generation).get() == Some(&spoken)
    }

    fn cell(&self, generation: Generation) -> &OnceCell<bool> {
        match generation {
            Generation::First => &self.first,
            Generation::Second => &self.second,
        }
    }
}

impl Link {
    async fn generations(&self) -> Result<Generations, Error> {
        // To the end, so that what one of them finds out is kept if the other fails.
        let (first, second) =
            tokio::join!(self.speaks::<Template>(Generation::First), self.speaks::<Snapshot>(Generation::Second));
        Ok(Generations { first: first?, second: second? })
    }

    /// Finds out whether the server has a kind of objects that only one generation has.
    async fn speaks<T: Object>(&self, generation: Generation) -> Result<bool, Error> {
        let ask = async || match self.fetch::<T::List>(&Request::first_of::<T>()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_a(Kind::WrongGeneration) => Ok(false),
            Err(error) => Err(error),
        };
        self.known().cell(generation).get_or_try_init(ask).await.copied()
    }

    /// Refuses a request that a server of the other generation would understand as something else, where it is known
    /// that the server does not speak this one.
    pub(super) fn require(&self, generation: Generation, request: &Request) -> Result<(), Error> {
        if !self.known().is(generation, false) {
            return Ok(());
        }
        let message = format!("this server does not speak the API's {generation} generation");
        Err(Error::new(Kind::WrongGeneration, request, message))
    }
}
