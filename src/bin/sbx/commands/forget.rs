//! `sbx forget`: take objects out of the record, and leave them as they are.

use sbx::kinds::{Key, Live};
use sbx::reconcile::World;
use sbx::reconcile::inventory::{Effect, Entry, Standing};

use crate::args::Whereabouts;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::naming::{self, Named};
use crate::project::{Access, Project};
use crate::record::LockArgs;
use crate::workspace::Workspace;

/// Take objects out of the inventory, and leave them as they are
///
/// They are managed here no longer: no apply changes them, and no prune or destroy deletes them. One that is still
/// declared is adopted again by the next apply.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx forget pool/warm
  sbx forget pool warm cold --in prod")]
pub(crate) struct Forget {
    /// The objects: KIND/NAME, or a kind followed by names
    #[arg(value_name = "KIND/NAME", required = true)]
    objects: Vec<String>,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    place: Whereabouts,
}

impl Forget {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let named = naming::keys(&self.objects)?;
        let project = Project::of_objects(&self.place, Access::Writes, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let result = self.forget(&named, &workspace, cx).await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn forget(&self, named: &[Named], workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        let record = workspace.recorded()?;
        workspace.lock("sbx forget", &self.lock, &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        record.check_serial(self.lock.serial)?;
        let keys = naming::among(named, |key| on_record(key, &world).is_some())?;
        let found = find(&keys, &world).map_err(|unknown| Failure::NotRecorded {
            objects: unknown.iter().map(ToString::to_string).collect(),
            place: record.ledger().place(),
        })?;
        let effects = found.iter().map(|(key, live)| forgotten(key, *live, &world)).collect();
        record.note(effects, self.lock.serial, format!("{} forgotten.", found.len())).await?;
        for (key, live) in &found {
            cx.ui.line(&match live {
                Some(live) if live.key == *key => format!("Forgot {key}, which stays as it is."),
                Some(live) => format!("Forgot {key}, which stays as it is, named {}.", live.key.name),
                None => format!("Forgot {key}, which is not live."),
            });
        }
        Ok(Exit::Done)
    }
}

/// What says itself that it is ours would be found again, so that it is on record that it was let go of.
fn forgotten(key: &Key, live: Option<&Live>, world: &World) -> Effect {
    let is_marked = live.is_some_and(|live| world.is_marked_ours(live));
    let entry = world.inventory.as_ref().and_then(|inventory| inventory.get(key)).filter(|_| is_marked);
    match entry {
        Some(entry) => Effect::Put { key: key.clone(), entry: Entry { standing: Standing::Released, ..entry.clone() } },
        None => Effect::Drop { key: key.clone(), id: None },
    }
}

/// Returns the recorded names with what is live of them, or the objects that are not on record.
fn find<'a>(keys: &[Key], world: &'a World) -> Result<Vec<(Key, Option<&'a Live>)>, Vec<Key>> {
    let mut found: Vec<(Key, Option<&Live>)> = Vec::new();
    let mut unknown = Vec::new();
    for key in keys {
        match on_record(key, world) {
            Some(one) if found.iter().all(|(known, _)| *known != one.0) => found.push(one),
            Some(_) => {}
            None => unknown.push(key.clone()),
        }
    }
    if unknown.is_empty() { Ok(found) } else { Err(unknown) }
}

/// By the name that it is recorded with, or else by the one that it has now.
fn on_record<'a>(key: &Key, world: &'a World) -> Option<(Key, Option<&'a Live>)> {
    let inventory = world.inventory.as_ref()?;
    if let Some(entry) = inventory.get(key) {
        let live = entry.id.as_ref().and_then(|id| world.by_id(key.kind, id));
        return Some((key.clone(), live));
    }
    let live = world.get(key)?;
    let (recorded, _) = inventory.entry_of(live)?;
    Some((recorded.clone(), Some(live)))
}
