//! Random workspaces with a record of what is owned: random edits, reverts of them, meddling by others, and faults.
//!
//! Each case applies a random manifest set, lets somebody else change things, edits the manifests, applies them with one
//! or two calls that go wrong, and then applies the same or the earlier manifests until nothing is left to do.
//! `SBX_SIMULATION_CASES=100000` runs more cases, and `SBX_SIMULATION_SEED=17` the one that a failure names.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use fastrand::Rng;
use futures_util::FutureExt as _;
use sbx::kinds::{self, Key, Live, Value};
use sbx::reconcile::inventory::Standing;
use sbx::reconcile::plan::{Action, Note, Policy, plan};
use sbx::reconcile::{Desired, World};
use sbx::types::Name;

use super::faults::Fault;
use super::manifests::Manifests;
use super::random::seeds;
use super::recorded::{Disk, Writes};
use super::workspace::{Attempt, Workspace, desired};

const DEFAULT_CASES: u64 = 300;

#[tokio::test(start_paused = true)]
async fn any_history_ends_as_declared() {
    let (mut n_cases, mut n_clear, mut n_hit) = (0_u64, 0_u64, 0_u64);
    for seed in seeds(DEFAULT_CASES) {
        let disk = Disk::new();
        match AssertUnwindSafe(Case::of(seed).check(&disk)).catch_unwind().await {
            Ok(end) => {
                n_clear += u64::from(end.is_clear);
                n_hit += u64::from(end.was_hit);
            }
            Err(panic) => {
                eprintln!("{}", disk.story());
                eprintln!("replay with: SBX_SIMULATION_SEED={seed} cargo test --test it simulation::owned");
                std::panic::resume_unwind(panic);
            }
        }
        n_cases += 1;
    }
    println!("{n_cases} cases, {n_hit} of them with an attempt that failed, {n_clear} with nothing blocked at the end");
    assert!(n_cases == 1 || (n_hit * 4 > n_cases && n_clear * 2 > n_cases), "{n_hit} and {n_clear} of {n_cases}");
}

/// All that is random in a case.
struct Case {
    before: Manifests,
    after: Manifests,
    /// Which manifests are applied once nothing goes wrong any more.
    is_reverted: bool,
    faults: Vec<(f64, Fault)>,
    writes: Writes,
    retries: u32,
    parallelism: NonZeroUsize,
    seed: u64,
}

/// How a case ended.
struct End {
    /// Whether nothing was blocked.
    is_clear: bool,
    /// Whether the faults kept the attempt from being complete.
    was_hit: bool,
}

/// Objects that somebody else made: a sandbox and a pool on a template of ours, and a volume.
const FOREIGN: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: x-volume}, spec: {size: 3Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: x-template}, spec: {image: x}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: x-pool}, spec: {template_name: x-template, replicas: 1}}
";

impl Case {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let before = Manifests::random(&mut rng).closed();
        let after = before.edited(&mut rng).closed();
        let n_faults = rng.usize(1..3);
        let fault = |rng: &mut Rng| {
            (rng.f64(), *rng.choice([Fault::ALL, &[Fault::Stale]].concat().iter()).expect("there are faults"))
        };
        Self {
            is_reverted: rng.usize(0..3) == 0,
            faults: (0..n_faults).map(|_| fault(&mut rng)).collect(),
            writes: if rng.bool() { Writes::AtOnce } else { Writes::AtTheEnd },
            retries: if rng.bool() { 3 } else { 0 },
            parallelism: NonZeroUsize::new(if rng.bool() { 1 } else { 4 }).expect("neither is 0"),
            before,
            after,
            seed,
        }
    }

    async fn check(&self, disk: &Arc<Disk>) -> End {
        fastrand::seed(self.seed);
        let workspace = Workspace::open(self.retries).await;
        workspace.must_apply(FOREIGN).await;
        self.attempt(&workspace, disk, &self.before).await;
        let foreign_box = self.box_on_ours(&workspace).await;
        let deleted = self.meddle(&workspace).await;
        let before = disk.world(&workspace).await.expect("nothing goes wrong here");

        let n_calls = self.n_calls(&before);
        workspace.begin_all(self.faults.iter().map(|(place, fault)| (call_at(*place, n_calls), *fault)).collect());
        let first = self.attempt(&workspace, disk, &self.after).await;
        workspace.begin(None);
        let goal = if self.is_reverted { &self.before } else { &self.after };
        for _ in 0..2 {
            self.attempt(&workspace, disk, goal).await;
        }

        let world = disk.world(&workspace).await.expect("nothing goes wrong here");
        let left = plan(&goal.desired(), &world, &policy());
        let is_settled = left.steps.is_empty() && left.effects.is_empty();
        assert!(is_settled, "{}\nleft: {:?}\n{:?}", self.text(), left.steps, left.effects);
        self.check_volumes(&before, &world, &deleted);
        self.check_foreign(&before, &world, foreign_box.as_ref());
        self.check_record(&goal.desired(), &world, &left.changes.iter().collect::<Vec<_>>());
        End {
            is_clear: left.changes.iter().all(|change| change.action != Action::Blocked),
            was_hit: first != Attempt::Complete,
        }
    }

    async fn attempt(&self, workspace: &Workspace, disk: &Arc<Disk>, manifests: &Manifests) -> Attempt {
        disk.attempt(workspace, &manifests.desired(), &policy(), self.parallelism, self.writes).await
    }

    /// Makes a sandbox that nobody declares on one of our templates, in some cases.
    async fn box_on_ours(&self, workspace: &Workspace) -> Option<Key> {
        let mut rng = Rng::with_seed(self.seed ^ 0xb0);
        let world = workspace.world().await.expect("nothing goes wrong here");
        let templates: Vec<_> = world.iter().filter(|live| live.key.kind == kinds::TEMPLATE).collect();
        let template = rng.choice(templates).filter(|_| self.seed.is_multiple_of(3))?;
        workspace
            .must_apply(&format!(
                "{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: x-box}}, spec: {{template_name: {}}}}}",
                template.key.name
            ))
            .await;
        Some(Key { kind: kinds::SANDBOX, name: name("x-box") })
    }

    /// Lets somebody else change a few of our objects; returns the ids of volumes that they deleted.
    async fn meddle(&self, workspace: &Workspace) -> BTreeSet<String> {
        let mut rng = Rng::with_seed(self.seed ^ 0x3e);
        let mut deleted = BTreeSet::new();
        for number in 0..rng.usize(0..4) {
            let world = workspace.world().await.expect("nothing goes wrong here");
            let ours: Vec<_> = world.iter().filter(|live| !live.key.name.as_str().starts_with("x-")).collect();
            let Some(live) = rng.choice(ours) else { break };
            let (kind, client) = (live.key.kind, workspace.client());
            match rng.usize(0..3) {
                // What is in use cannot be deleted.
                0 if world.holders(&live.key).next().is_none() => {
                    kind.delete(client, &live.key.name).await.expect("nothing holds it");
                    deleted.extend((kind == kinds::VOLUME).then(|| id_of(live)));
                }
                1 => {
                    let to = name(&format!("y{number}-{}", self.seed));
                    kind.rename(client, &live.key.name, &to).await.expect("the name is free");
                }
                // A volume that somebody made larger stays in the way of most edits.
                _ if kind != kinds::VOLUME || rng.usize(0..4) == 0 => {
                    let changes = bumped(live);
                    if !changes.is_empty() {
                        kind.update(client, &live.key.name, &changes).await.expect("it only grows");
                    }
                }
                _ => {}
            }
        }
        deleted
    }

    /// Returns how many calls the edit takes when nothing goes wrong.
    fn n_calls(&self, world: &World) -> usize {
        let plan = plan(&self.after.desired(), world, &policy());
        // Five to look, and for each step one to check and one to act; renames look once more.
        5 + plan.steps.len() * 2
    }

    /// A volume that nobody deleted is there, whatever becomes of the manifests.
    fn check_volumes(&self, before: &World, after: &World, deleted: &BTreeSet<String>) {
        let volumes = |world: &World| -> BTreeSet<String> {
            world.iter().filter(|live| live.key.kind == kinds::VOLUME).map(id_of).collect()
        };
        let after = volumes(after);
        for id in volumes(before).difference(deleted) {
            assert!(after.contains(id), "{}: volume {id} was lost", self.text());
        }
    }

    /// What somebody else made is as it was, down to its id.
    fn check_foreign(&self, before: &World, after: &World, foreign_box: Option<&Key>) {
        for live in before.iter().filter(|live| live.key.name.as_str().starts_with("x-")) {
            let now = after.get(&live.key);
            assert_eq!(now.map(id_of), Some(id_of(live)), "{}: {} was touched", self.text(), live.key);
            if Some(&live.key) != foreign_box {
                assert_eq!(now.map(|now| &now.spec), Some(&live.spec), "{}: {} was changed", self.text(), live.key);
            }
        }
    }

    /// The record says what is true: what it has is live under that name and id, and what we made is in it.
    fn check_record(&self, goal: &Desired, world: &World, changes: &[&sbx::reconcile::plan::Change]) {
        let inventory = world.inventory.as_ref().expect("there is a record");
        for (key, entry) in inventory.iter() {
            let live = entry.id.as_ref().and_then(|id| world.by_id(key.kind, id));
            let expired = changes.iter().any(|change| change.key == *key && is_awaited(change));
            assert!(
                expired || live.is_some(),
                "{}: {key} is recorded with id {:?}, which is not live",
                self.text(),
                entry.id,
            );
        }
        let blocked: BTreeMap<_, _> = changes
            .iter()
            .filter(|change| change.action == Action::Blocked)
            .map(|change| (&change.key, &change.notes))
            .collect();
        for object in goal.iter().filter(|object| !blocked.contains_key(&object.key)) {
            let entry = inventory.get(&object.key);
            assert!(
                entry.is_some_and(|entry| entry.standing == Standing::Owned),
                "{}: {} is not recorded as ours",
                self.text(),
                object.key
            );
        }
        for live in world.iter().filter(|live| !live.key.name.as_str().starts_with("x-")) {
            let is_known = inventory.entry_of(live).is_some() || blocked.contains_key(&live.key);
            assert!(is_known, "{}: {} is nobody's", self.text(), live.key);
        }
    }

    fn text(&self) -> String {
        let faults: Vec<_> = self.faults.iter().map(|(_, fault)| format!("{fault:?}")).collect();
        let goal = if self.is_reverted { "and back" } else { "and on" };
        let (before, after) = (self.before.to_text(), self.after.to_text());
        format!("seed {}: {} {goal}\n{before}===\n{after}", self.seed, faults.join(", "))
    }
}

/// Prune, and let through what that destroys: the cases are about what is reached.
fn policy() -> Policy {
    Policy { prune: true, allow_destroy: Some(usize::MAX), ..Policy::default() }
}

/// Returns whether an object is declared, recorded and rightly not there.
fn is_awaited(change: &sbx::reconcile::plan::Change) -> bool {
    change.action == Action::Blocked || change.notes.iter().any(|note| matches!(note, Note::Expired { .. }))
}

/// Returns changes in place that somebody else could make.
fn bumped(live: &Live) -> Vec<(&'static str, Value)> {
    let Ok(spec) = &live.spec else { return Vec::new() };
    let fields = spec.kind().fields().iter().zip(spec.values());
    let bumped = fields.filter_map(|(field, value)| match value {
        Some(Value::Size(_)) if field.change == kinds::Change::GrowOnly => {
            Some((field.path, Value::Size("9Gi".parse().expect("a size"))))
        }
        Some(Value::Replicas(replicas)) => {
            Some((field.path, Value::Replicas(kinds::Replicas::exactly(replicas.min + 1))))
        }
        _ => None,
    });
    bumped.collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number that is not negative")]
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn call_at(place: f64, n_calls: usize) -> usize {
    (place * n_calls as f64) as usize
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a good name")
}

fn id_of(live: &Live) -> String {
    live.id.as_ref().expect("the server gives ids").to_string()
}

impl Manifests {
    fn desired(&self) -> Desired {
        let text = self.to_text();
        if text.is_empty() { Desired::default() } else { desired(&text) }
    }
}
