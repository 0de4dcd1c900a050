//! A record of what is owned, kept in an object store as a program keeps it, and attempts that use it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use sbx::reconcile::inventory::{Effect, Run};
use sbx::reconcile::ledger::{Ledger, Opening, Reading};
use sbx::reconcile::model::Model;
use sbx::reconcile::plan::{Action, Note, Policy, Refusal, plan};
use sbx::reconcile::{Desired, EventSink, Inventory, Plan, World, apply, look_again};

use super::cases::is_replay;
use super::faults::FaultPlan;
use super::store::FaultyStore;
use super::workspace::{Attempt, Workspace, now};

/// The record as it is kept: it survives whoever is killed.
pub(crate) struct Disk {
    store: Arc<FaultyStore>,
    ledger: Ledger,
    /// What each attempt was going to do and how it ended, for the report of a failure.
    story: Mutex<String>,
    /// The ids of what plans said of that its data is lost.
    called_out: Mutex<BTreeSet<String>>,
}

/// How much of what a program records is kept before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// All of it, at once.
    AtOnce,
    /// None of it: all is written at the end, and lost with a program that is killed.
    AtTheEnd,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let store = Arc::new(FaultyStore::default());
        let ledger = Ledger::in_store(Arc::clone(&store) as _, "simulated.json").expect("the name is good");
        Self { store, ledger, story: Mutex::default(), called_out: Mutex::default() }
    }

    /// Plans with the record, and applies once. Whatever is planned is something that the server's rules allow.
    pub(crate) async fn attempt(
        &self,
        workspace: &Workspace,
        desired: &Desired,
        policy: &Policy,
        parallelism: NonZeroUsize,
        writes: Writes,
    ) -> Attempt {
        let faults = workspace.faults();
        self.store.follow(faults.clone());
        let ended = tokio::select! {
            biased;
            () = faults.kill.cancelled() => Attempt::Killed,
            is_complete = self.try_to_apply(workspace, desired, policy, parallelism, writes) => match is_complete {
                Some(true) => Attempt::Complete,
                Some(false) | None => Attempt::Failed,
            },
        };
        self.store.refuse_writes(false);
        self.tell(&format!("=> {ended:?}"));
        if is_replay() {
            self.tell_all(workspace).await;
        }
        ended
    }

    /// Returns whether all steps were done; `None` if there was no plan, or the record was not written.
    async fn try_to_apply(
        &self,
        workspace: &Workspace,
        desired: &Desired,
        policy: &Policy,
        parallelism: NonZeroUsize,
        writes: Writes,
    ) -> Option<bool> {
        let (reading, world) = self.look(workspace).await?;
        let plan = plan(desired, &world, policy);
        self.tell(&text_of(&plan));
        assert_possible(&plan, &world);
        self.note_what_is_lost(&plan);
        if plan.steps.is_empty() && plan.effects.is_empty() && !reading.is_unfinished {
            return Some(true);
        }
        let opening = Opening {
            inventory: world.inventory.as_deref().cloned().unwrap_or_default(),
            effects: plan.effects.clone(),
            intents: plan.intents(now()),
            has_steps: !plan.steps.is_empty(),
            run: None,
        };
        let recording = self.ledger.begin(reading, opening).await.ok()?;
        self.store.refuse_writes(writes == Writes::AtTheEnd);
        let mut cx = workspace.cx(parallelism);
        cx.recorder = Some(recording.recorder());
        let outcome = apply(&plan, &cx, EventSink::none(), recording.broken().clone()).await;
        self.store.refuse_writes(false);
        recording.finish(run()).await.ok()?;
        Some(outcome.is_complete())
    }

    /// Tells what is recorded and what is live, by calls that are not counted.
    async fn tell_all(&self, workspace: &Workspace) {
        let plan = workspace.follow(FaultPlan::default());
        self.store.follow(FaultPlan::default());
        self.tell(&format!("{}\nand live:\n{}", self.record().await.to_text(), workspace.describe().await));
        workspace.follow(plan);
    }

    fn note_what_is_lost(&self, plan: &Plan) {
        let is_lost = |note: &Note| matches!(note, Note::DataLost { .. });
        let lost = plan.changes.iter().filter(|one| one.action == Action::Delete || one.notes.iter().any(is_lost));
        let ids = lost.filter_map(|change| change.id.as_ref().map(ToString::to_string));
        self.called_out.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// Returns the ids of what plans so far said of that it is deleted, or its data lost.
    pub(crate) fn called_out(&self) -> BTreeSet<String> {
        self.called_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, line: &str) {
        writeln!(self.story.lock().unwrap_or_else(PoisonError::into_inner), "{line}").expect("it is a string");
    }

    /// Returns what all attempts so far were going to do.
    pub(crate) fn story(&self) -> String {
        self.story.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what is recorded, as it is written.
    pub(crate) async fn record(&self) -> Inventory {
        self.ledger.read().await.expect("nothing goes wrong here").inventory
    }

    /// Returns the world with what is recorded.
    pub(crate) async fn world(&self, workspace: &Workspace) -> World {
        self.store.follow(workspace.faults());
        self.look(workspace).await.expect("nothing goes wrong here").1
    }

    async fn look(&self, workspace: &Workspace) -> Option<(Reading, World)> {
        let reading = self.ledger.read().await.ok()?;
        let reader = workspace.client().reader();
        let world = look_again(workspace.world().await?, &reading.inventory, &reader).await.ok()?;
        let world = world.with_inventory(&reading.inventory);
        Some((reading, world))
    }
}

fn run() -> Run {
    Run {
        at: now(),
        by: "simulation".to_owned(),
        commit: None,
        url: None,
        serial: None,
        outcome: "done".to_owned(),
        summary: String::new(),
        extra: serde_json::Map::new(),
    }
}

fn text_of(plan: &Plan) -> String {
    let mut out = String::new();
    for change in plan.changes.iter().filter(|change| change.action != Action::Keep || !change.notes.is_empty()) {
        let notes: Vec<_> = change.notes.iter().map(ToString::to_string).collect();
        let was = change.was.as_ref().map(|was| format!(" (live as {was})")).unwrap_or_default();
        writeln!(out, "{} {}{was}: {}", change.action.as_str(), change.key, notes.join("; ")).expect("it is a string");
    }
    for effect in &plan.effects {
        writeln!(out, "  {}", short(effect)).expect("it is a string");
    }
    out
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Put { key, entry } => format!("put {key} {:?}", entry.id),
        Effect::Move { from, to } => format!("move {from} to {to}"),
        Effect::Drop { key, .. } => format!("drop {key}"),
        Effect::Learn(habits) => format!("{habits:?}"),
    }
}

fn assert_possible(plan: &Plan, world: &World) {
    let is_wrong = |refusal: &Refusal| matches!(refusal, Refusal::Impossible { .. });
    assert!(!plan.refusals.iter().any(is_wrong), "{:?}", plan.refusals);
    if let Err((step, refusal)) = Model::of(world).run(plan) {
        let steps: Vec<_> = plan.steps.iter().map(|step| format!("{} {}", step.verb.as_str(), step.key)).collect();
        panic!("step {step} is against the rules: {refusal}\n{}", steps.join("\n"));
    }
}
