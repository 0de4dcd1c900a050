//! A record of what is owned, kept as a program keeps it, and attempts that use it.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use sbx::reconcile::inventory::Effect;
use sbx::reconcile::model::Model;
use sbx::reconcile::plan::{Action, Policy, plan};
use sbx::reconcile::{Desired, EventSink, Inventory, Plan, Recorder, World, apply, look_again};
use tokio_util::sync::CancellationToken;

use super::workspace::{Attempt, Workspace, now};

/// The record as it is on disk: it survives whoever is killed.
pub(crate) struct Disk {
    inventory: Mutex<Inventory>,
    /// What each attempt was going to do and how it ended, for the report of a failure.
    story: Mutex<String>,
}

/// How much of what a program records reaches the disk before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// All of it, at once.
    AtOnce,
    /// None of it: all is written at the end, and lost with a program that is killed.
    AtTheEnd,
}

struct Pending {
    disk: Arc<Disk>,
    writes: Writes,
    effects: Mutex<Vec<Effect>>,
}

impl Recorder for Pending {
    fn record(&self, effects: Vec<Effect>) {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner).extend(effects);
        if self.writes == Writes::AtOnce {
            self.write();
        }
    }
}

impl Pending {
    fn write(&self) {
        let effects = std::mem::take(&mut *self.effects.lock().unwrap_or_else(PoisonError::into_inner));
        let mut inventory = self.disk.read();
        for effect in effects {
            inventory.fulfil(effect);
        }
        self.disk.write(inventory);
    }
}

impl Disk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inventory: Mutex::default(), story: Mutex::default() })
    }

    pub(crate) fn read(&self) -> Inventory {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, inventory: Inventory) {
        *self.inventory.lock().unwrap_or_else(PoisonError::into_inner) = inventory;
    }

    /// Plans with the record, and applies once. Whatever is planned is something that the server's rules allow.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        workspace: &Workspace,
        desired: &Desired,
        policy: &Policy,
        parallelism: NonZeroUsize,
        writes: Writes,
    ) -> Attempt {
        let kill = workspace.kill();
        let attempt = async {
            let Some(world) = self.world(workspace).await else { return Attempt::Failed };
            let plan = plan(desired, &world, policy);
            self.tell(&plan);
            assert_possible(&plan, &world);
            let mut inventory = world.inventory.as_deref().cloned().unwrap_or_default();
            for effect in plan.effects.iter().cloned() {
                inventory.apply(effect);
            }
            inventory.intend(plan.intents(now()));
            self.write(inventory);
            let pending = Arc::new(Pending { disk: Arc::clone(self), writes, effects: Mutex::default() });
            let mut cx = workspace.cx(parallelism);
            cx.recorder = Some(Arc::clone(&pending) as Arc<dyn Recorder>);
            let outcome = apply(&plan, &cx, EventSink::none(), CancellationToken::new()).await;
            pending.write();
            if outcome.is_complete() { Attempt::Complete } else { Attempt::Failed }
        };
        let ended = tokio::select! {
            biased;
            () = kill.cancelled() => Attempt::Killed,
            attempt = attempt => attempt,
        };
        writeln!(self.story.lock().unwrap_or_else(PoisonError::into_inner), "=> {ended:?}").expect("it is a string");
        ended
    }

    fn tell(&self, plan: &Plan) {
        let mut story = self.story.lock().unwrap_or_else(PoisonError::into_inner);
        for change in plan.changes.iter().filter(|change| change.action != Action::Keep || !change.notes.is_empty()) {
            let notes: Vec<_> = change.notes.iter().map(ToString::to_string).collect();
            let was = change.was.as_ref().map(|was| format!(" (live as {was})")).unwrap_or_default();
            writeln!(story, "{} {}{was}: {}", change.action.as_str(), change.key, notes.join("; "))
                .expect("it is a string");
        }
        for effect in &plan.effects {
            writeln!(story, "  {}", short(effect)).expect("it is a string");
        }
    }

    /// Returns what all attempts so far were going to do.
    pub(crate) fn story(&self) -> String {
        self.story.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the world with what is recorded.
    pub(crate) async fn world(&self, workspace: &Workspace) -> Option<World> {
        let inventory = self.read();
        let world = look_again(workspace.world().await?, &inventory, &workspace.client().reader()).await.ok()?;
        Some(world.with_inventory(&inventory))
    }
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Put { key, entry } => format!("put {key} {:?}", entry.id),
        Effect::Move { from, to } => format!("move {from} to {to}"),
        Effect::Drop { key } => format!("drop {key}"),
        Effect::Learn(habits) => format!("{habits:?}"),
    }
}

fn assert_possible(plan: &Plan, world: &World) {
    if let Err((step, refusal)) = Model::of(world).run(plan) {
        let steps: Vec<_> = plan.steps.iter().map(|step| format!("{} {}", step.verb.as_str(), step.key)).collect();
        panic!("step {step} is against the rules: {refusal}\n{}", steps.join("\n"));
    }
}
