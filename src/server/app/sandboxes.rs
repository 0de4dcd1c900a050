//! Sandboxes.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::claims::{self, Draw};
use super::from_snapshot::{self, Reconfiguration};
use super::quota::{self, Demand};
use super::templates::referred_to;
use super::waiters::Waited;
use super::{App, Error, Kind, Tx};
use crate::server::lifecycle::{self, Event, State};
use crate::server::metrics::{Claim, Path};
use crate::server::runtime::LaunchError;
use crate::server::store::sandboxes::{self, Origin, Sandbox};
use crate::server::store::templates::Template;
use crate::server::store::{ListOptions, Page};
use crate::types::{Labels, Name, SandboxId, Ttl};

/// A sandbox to create.
#[derive(Debug)]
pub(crate) struct NewSandbox {
    /// The server makes one up when `None`.
    pub(crate) name: Option<Name>,
    pub(crate) template_name: String,
    /// Whether to answer only when it is ready.
    pub(crate) wait: bool,
    pub(crate) timeout: Duration,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) idle_ttl: Option<Ttl>,
    /// Whether a fault rule keeps it from being started.
    pub(crate) held: bool,
}

/// What to change of a sandbox. What one of its generation does not have is left alone.
#[derive(Default)]
pub(crate) struct SandboxChange {
    pub(crate) name: Option<Name>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) idle_ttl: Option<Ttl>,
    pub(crate) second: Reconfiguration,
}

/// What became of a sandbox that somebody waits for.
#[derive(Debug)]
pub(crate) enum Settled {
    /// It is ready.
    Ready,
    /// It could not be started, and is gone.
    Failed(LaunchError),
}

impl App {
    /// Creates a sandbox: from a pool if one has a replica, else from nothing.
    ///
    /// With `wait` the answer comes when it is ready; one that is not in time, or that cannot be started, is taken back
    /// (contract G11 and G12).
    pub(crate) async fn create_sandbox(&self, new: NewSandbox) -> Result<Sandbox, Error> {
        let app = self.clone();
        self.owned(async move {
            let id = SandboxId::new(Uuid::new_v4().to_string());
            let settled = app.0.sandbox_waiters.announce(id.clone());
            let (wait, timeout) = (new.wait, new.timeout);
            let begun = Instant::now();
            let (draw, sandbox) = app.transact(move |tx| insert(tx, id, &new)).await?;
            app.count_draw(draw, begun);
            if sandbox.state == State::Ready || !wait {
                return Ok(sandbox);
            }
            match settled.wait(timeout).await {
                Waited::Told(Settled::Ready) => {
                    app.metrics().time_ready(Path::Cold, begun.elapsed());
                    app.sandbox_by_id(sandbox.id).await
                }
                Waited::Told(Settled::Failed(error)) => Err(Error::Launch(error)),
                Waited::Forgotten => Err(not_found(&display_name(&sandbox))),
                Waited::TimedOut => {
                    let name = sandbox.name.expect("what somebody waits for has a name");
                    let late = Error::NotReadyInTime { kind: Kind::Sandbox, name, seconds: timeout.as_secs() };
                    app.give_up(sandbox.id, late).await
                }
            }
        })
        .await
    }

    fn count_draw(&self, draw: Draw, begun: Instant) {
        match draw {
            Draw::Hit(pool) => {
                self.metrics().count_claim(pool, Claim::Hit);
                self.metrics().time_ready(Path::Pool, begun.elapsed());
            }
            Draw::Miss(pools) => {
                for pool in pools {
                    self.metrics().count_claim(pool, Claim::Miss);
                }
            }
            Draw::NoPool => {}
        }
    }

    /// Takes a sandbox back that was not ready in time, unless it became ready in this very moment.
    pub(super) async fn give_up(&self, id: SandboxId, late: Error) -> Result<Sandbox, Error> {
        self.transact(move |tx| {
            let sandbox = sandboxes::by_id(tx, &id)?.ok_or_else(|| not_found(id.as_str()))?;
            if lifecycle::next(sandbox.generation(), sandbox.state, Event::GivenUp) != Ok(State::Gone) {
                return Ok(Ok(sandbox));
            }
            sandboxes::delete(tx, &id)?;
            tx.sets_off_work();
            Ok(Err(late))
        })
        .await?
    }

    /// Returns a sandbox by name or id.
    pub(crate) async fn sandbox(&self, name: String) -> Result<Sandbox, Error> {
        self.transact(move |tx| find(tx, &name)).await
    }

    /// Returns a sandbox that somebody created, by id.
    pub(crate) async fn sandbox_by_id(&self, id: SandboxId) -> Result<Sandbox, Error> {
        self.transact(move |tx| {
            let sandbox = sandboxes::by_id(tx, &id)?.filter(|sandbox| sandbox.pool_id.is_none());
            sandbox.ok_or_else(|| not_found(id.as_str()))
        })
        .await
    }

    /// Refuses an operation inside a sandbox, by its name, where no process runs: never a made-up success.
    pub(crate) async fn needs_process(&self, operation: &'static str) -> Result<(), Error> {
        let runtime = self.runtime();
        if runtime.has_data_plane().await {
            return Ok(());
        }
        Err(Error::NoProcess { operation, runtime: runtime.name() })
    }

    /// Lets a sandbox pass that is ready.
    pub(crate) fn only_ready(sandbox: Sandbox) -> Result<Sandbox, Error> {
        if sandbox.state == State::Ready { Ok(sandbox) } else { Err(not_ready(&sandbox)) }
    }

    /// Records that a sandbox is used now, from which its idle time to live counts (contract G37).
    ///
    /// That it cannot be recorded is no reason not to use it: on a disk that is full, a command may make room.
    pub(crate) async fn touch(&self, id: &SandboxId) {
        let of = id.clone();
        let touched = self.transact(move |tx| {
            let Some(mut sandbox) = sandboxes::by_id(tx, &of)? else { return Ok(()) };
            sandbox.last_activity_at = tx.now();
            sandboxes::update(tx, &sandbox)?;
            if sandbox.idle_ttl.is_some() {
                tx.moves_deadline();
            }
            Ok(())
        });
        if let Err(error) = touched.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(sandbox.id = %id, error, "an activity is not recorded");
        }
    }

    /// Returns a page of the sandboxes, replicas of pools left out (contract G20).
    pub(crate) async fn sandboxes(&self, options: ListOptions) -> Result<Page<Sandbox>, Error> {
        self.transact(move |tx| Ok(sandboxes::list(tx, &options)?)).await
    }

    /// Renames a sandbox or changes its times to live.
    pub(crate) async fn update_sandbox(&self, name: String, change: SandboxChange) -> Result<Sandbox, Error> {
        self.transact(move |tx| update(tx, &name, change)).await
    }

    /// Deletes a sandbox in whatever state it is; one that is being started is cancelled (contract G17).
    pub(crate) async fn delete_sandbox(&self, name: String) -> Result<(), Error> {
        self.transact(move |tx| {
            let sandbox = find(tx, &name)?;
            if lifecycle::next(sandbox.generation(), sandbox.state, Event::Deleted) == Ok(State::Gone) {
                sandboxes::delete(tx, &sandbox.id)?;
                tx.sets_off_work();
            }
            Ok(())
        })
        .await
    }
}

pub(super) fn not_found(name: &str) -> Error {
    Error::NotFound { kind: Kind::Sandbox, name: name.to_owned() }
}

/// Says that a sandbox is not ready, and why where it has failed.
pub(super) fn not_ready(sandbox: &Sandbox) -> Error {
    let reason = sandbox.status_message.clone().filter(|_| sandbox.state == State::Failed);
    Error::NotReady { name: display_name(sandbox), reason }
}

pub(super) fn display_name(sandbox: &Sandbox) -> String {
    sandbox.name.as_ref().map_or_else(|| sandbox.id.to_string(), Name::to_string)
}

pub(super) fn find(tx: &Tx<'_>, name: &str) -> Result<Sandbox, Error> {
    sandboxes::find(tx, name)?.ok_or_else(|| not_found(name))
}

fn insert(tx: &Tx<'_>, id: SandboxId, new: &NewSandbox) -> Result<(Draw, Sandbox), Error> {
    let name = name_of_new(tx, new.name.as_ref())?;
    let template = referred_to(tx, &new.template_name)?;
    quota::check(tx, &Demand::of_sandboxes(&template.resources, 1))?;
    tx.sets_off_work();
    tx.moves_deadline();
    if new.held {
        let sandbox = insert_cold(tx, id, name, template, new)?;
        return Ok((Draw::NoPool, sandbox));
    }
    match claims::draw(tx, &template, &name, new)? {
        (draw, Some(sandbox)) => Ok((draw, sandbox)),
        (draw, None) => Ok((draw, insert_cold(tx, id, name, template, new)?)),
    }
}

/// Returns the name of a new sandbox: the one asked for, if it is free, or one that is made up.
pub(super) fn name_of_new(tx: &Tx<'_>, asked: Option<&Name>) -> Result<Name, Error> {
    match asked {
        Some(name) if sandboxes::exists(tx, name)? => {
            Err(Error::AlreadyExists { kind: Kind::Sandbox, name: name.clone() })
        }
        Some(name) => Ok(name.clone()),
        None => free_name(tx),
    }
}

fn insert_cold(tx: &Tx<'_>, id: SandboxId, name: Name, template: Template, new: &NewSandbox) -> Result<Sandbox, Error> {
    let sandbox = Sandbox {
        id,
        name: Some(name),
        origin: Origin::Template { id: template.id, name: template.name },
        pool_id: None,
        state: State::Provisioning,
        status_message: None,
        waited_for: new.wait,
        held: new.held,
        to_halt: false,
        ttl: new.ttl,
        idle_ttl: new.idle_ttl,
        delete_after_stop: None,
        last_activity_at: tx.now(),
        stopped_at: None,
        labels: Labels::new(),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    sandboxes::insert(tx, &sandbox)?;
    Ok(sandbox)
}

/// Makes up a name that no sandbox has (contract G3).
fn free_name(tx: &Tx<'_>) -> Result<Name, Error> {
    loop {
        let name = Name::parse(&format!("sandbox-{:08x}", fastrand::u32(..))).expect("it follows the rule");
        if !sandboxes::exists(tx, &name)? {
            return Ok(name);
        }
    }
}

fn update(tx: &Tx<'_>, name: &str, change: SandboxChange) -> Result<Sandbox, Error> {
    let mut sandbox = find(tx, name)?;
    let mut is_changed = false;
    if let Some(name) = change.name
        && sandbox.name.as_ref() != Some(&name)
    {
        if sandboxes::exists(tx, &name)? {
            return Err(Error::NameTaken { kind: Kind::Sandbox, name });
        }
        sandbox.name = Some(name);
        is_changed = true;
    }
    is_changed |= replace(&mut sandbox.idle_ttl, change.idle_ttl);
    match &mut sandbox.origin {
        Origin::Template { .. } => is_changed |= replace(&mut sandbox.ttl, change.ttl),
        Origin::Snapshot { settings, .. } => {
            is_changed |= replace(&mut sandbox.delete_after_stop, change.second.delete_after_stop);
            let before = settings.clone();
            from_snapshot::reconfigure(tx, settings, change.second)?;
            is_changed |= before != *settings;
        }
    }
    if is_changed {
        sandbox.updated_at = tx.now();
        sandboxes::update(tx, &sandbox)?;
        tx.moves_deadline();
    }
    Ok(sandbox)
}

/// Puts a new time to live in the place of an old one; returns whether it differs.
fn replace(ttl: &mut Option<Ttl>, new: Option<Ttl>) -> bool {
    let is_new = new.is_some() && new != *ttl;
    *ttl = new.or(*ttl);
    is_new
}
