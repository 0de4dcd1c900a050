//! Random workspaces with a record of what is owned: random edits, reverts of them, meddling by others, and faults.
//!
//! Each case applies a random manifest set, lets somebody else change things, edits the manifests, applies them with one
//! or two calls that go wrong, and then applies the same or the earlier manifests until nothing is left to do.
//! `SBX_SIMULATION_CASES=100000` runs more cases, and `SBX_SIMULATION_SEED=17` the one that a failure names.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use fastrand::Rng;
use sbx::kinds::{self, CreateOptions, Health, Key, Live, Naming, Object, RenamedFrom, Secrets, Value, VerbCx};
use sbx::reconcile::plan::plan;
use sbx::reconcile::{Desired, World};
use sbx::types::{Image, Name};

use super::cases::{Tally, run_all, seeds};
use super::faults::Fault;
use super::generation::{FIRST, Generation, SECOND};
use super::invariants::{Before, FOREIGN, check, id_of, is_foreign, policy};
use super::manifests::Manifests;
use super::recorded::{Disk, Writes};
use super::workspace::{Attempt, Workspace, desired};

const DEFAULT_CASES: u64 = 600;
const DEFAULT_CASES_OF_THE_SECOND: u64 = 600;

#[test]
fn any_history_ends_as_declared() {
    check_all(FIRST, DEFAULT_CASES, "any_history_ends_as_declared");
}

#[test]
fn any_history_of_the_second_generation_ends_as_declared() {
    check_all(SECOND, DEFAULT_CASES_OF_THE_SECOND, "any_history_of_the_second_generation_ends_as_declared");
}

/// Runs the cases of a generation; `test` is the name of the test that does.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "counts and seeds are for whoever runs it")]
fn check_all(generation: Generation, by_default: u64, test: &str) {
    let seeds = seeds(by_default);
    let n_cases = seeds.end - seeds.start;
    let ends = run_all(seeds.map(|seed| Case::of(generation, seed)), Case::check, |case| {
        eprintln!("{}\n{}", case.text(), case.disk.story());
        eprintln!("replay with: SBX_SIMULATION_SEED={} cargo test --test it simulation::owned::{test}", case.seed);
    });
    let mut tally = Tally::default();
    ends.iter().flat_map(|end| &end.faults).for_each(|fault| tally.add(*fault));
    let count = |is_counted: fn(&End) -> bool| ends.iter().filter(|end| is_counted(end)).count() as u64;
    let (n_hit, n_clear) = (count(|end| end.was_hit), count(|end| end.is_clear));
    println!("{n_cases} cases, {n_hit} of them with an attempt that failed, {n_clear} with nothing blocked at the end");
    println!("their faults: {tally}");
    assert_eq!(ends.len() as u64, n_cases);
    assert!(n_cases == 1 || (n_hit * 4 > n_cases && n_clear * 2 > n_cases), "{n_hit} and {n_clear} of {n_cases}");
}

/// All that is random in a case.
struct Case {
    generation: Generation,
    before: Manifests,
    after: Manifests,
    /// Which manifests are applied once nothing goes wrong any more.
    is_reverted: bool,
    faults: Vec<(f64, Fault)>,
    writes: Writes,
    retries: u32,
    parallelism: NonZeroUsize,
    seed: u64,
    disk: Disk,
}

/// How a case ended.
struct End {
    /// Whether nothing was blocked.
    is_clear: bool,
    /// Whether the faults kept the attempt from being complete.
    was_hit: bool,
    faults: Vec<Fault>,
}

impl Case {
    fn of(generation: Generation, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let before = Manifests::random(generation, &mut rng).closed();
        let after = before.edited(&mut rng).closed();
        let n_faults = rng.usize(1..3);
        let fault = |rng: &mut Rng| (rng.f64(), rng.choice(Fault::ALL).expect("there are faults"));
        Self {
            is_reverted: rng.usize(0..3) == 0,
            faults: (0..n_faults).map(|_| fault(&mut rng)).collect(),
            writes: if rng.bool() { Writes::AtOnce } else { Writes::AtTheEnd },
            retries: if rng.bool() { 3 } else { 0 },
            parallelism: NonZeroUsize::new(if rng.bool() { 1 } else { 4 }).expect("neither is 0"),
            generation,
            before,
            after,
            seed,
            disk: Disk::new(),
        }
    }

    async fn check(&self) -> End {
        fastrand::seed(self.seed);
        let workspace = self.workspace().await;
        workspace.must_apply(FOREIGN).await;
        self.make_by_hand(&workspace).await;
        self.attempt(&workspace, &self.before).await;
        let on_ours = self.box_on_ours(&workspace).await;
        let Meddled { deleted, renamed, published } = self.meddle(&workspace).await;
        let world = self.disk.world(&workspace).await;
        let carriers = self.carriers(&world, &(&deleted | &renamed));

        let n_calls = self.n_calls(&world);
        workspace.begin_all(self.faults.iter().map(|(place, fault)| (call_at(*place, n_calls), *fault)).collect());
        workspace.fail_builds(true);
        let first = self.attempt(&workspace, &self.after).await;
        workspace.fail_builds(false);
        workspace.begin(None);
        // Two lists in a row that are older than a rename: the object seems to be gone, and its old name is.
        let n_stale = self.faults.iter().filter(|(_, fault)| *fault == Fault::Stale).count();
        let lost_sight_of = if n_stale > 1 { renamed } else { BTreeSet::new() };
        let unmanaged = &published | &lost_sight_of;
        let goal = if self.is_reverted { &self.before } else { &self.after };
        for _ in 0..2 {
            self.attempt(&workspace, goal).await;
        }
        if n_stale < 2 {
            are_carried_over(&carriers, &workspace).await;
        }
        End {
            is_clear: check(&Before { world, deleted, unmanaged, on_ours }, &goal.desired(), &self.disk, &workspace)
                .await,
            was_hit: first != Attempt::Complete,
            faults: self.faults.iter().map(|(_, fault)| *fault).collect(),
        }
    }

    async fn workspace(&self) -> Workspace {
        let has_builds = self.generation.iter().any(|sort| sort.kind == kinds::SNAPSHOT);
        if has_builds { Workspace::open_with_builds(self.retries).await } else { Workspace::open(self.retries).await }
    }

    async fn attempt(&self, workspace: &Workspace, manifests: &Manifests) -> Attempt {
        self.disk.attempt(workspace, &manifests.desired(), &policy(), self.parallelism, self.writes).await
    }

    /// Makes some of the templates beforehand, as somebody did by hand, with a field that no manifest can declare.
    async fn make_by_hand(&self, workspace: &Workspace) {
        let mut rng = Rng::with_seed(self.seed ^ 0xca);
        let declared = self.before.desired();
        let is_alone =
            |object: &&Object| object.key.kind == kinds::TEMPLATE && object.spec.references().next().is_none();
        for object in declared.iter().filter(is_alone).filter(|_| self.seed.is_multiple_of(2) && rng.bool()) {
            let carry = serde_json::Map::from_iter([(UNDECLARABLE.to_owned(), serde_json::json!({"rules": []}))]);
            let options = CreateOptions { carry, ..CreateOptions::default() };
            let cx = VerbCx { client: workspace.client(), secrets: &Secrets::default(), mark: None };
            object.key.kind.create(cx, &object.key.name, &object.spec, options).await.expect("the name is free");
        }
    }

    /// Returns the templates with such a field that keep their names in all manifests, and that nobody else has had a hand
    /// in.
    fn carriers(&self, world: &World, meddled: &BTreeSet<String>) -> BTreeSet<Key> {
        let all = [self.before.desired(), self.after.desired()];
        let origin = |object: &Object| match &object.lifecycle.renamed_from {
            Some(RenamedFrom::Name(name)) => Some(Key { kind: object.key.kind, name: name.clone() }),
            _ => None,
        };
        let moves =
            |object: &Object, key: &Key| origin(object).is_some_and(|origin| origin == *key || object.key == *key);
        let is_steady = |key: &Key| {
            all.iter().all(|declared| declared.get(key).is_some() && !declared.iter().any(|object| moves(object, key)))
        };
        let carries = |live: &&Live| live.extra.contains_key(UNDECLARABLE) && !meddled.contains(&id_of(live));
        let carriers = world.iter().filter(carries).map(|live| live.key.clone());
        carriers.filter(is_steady).collect()
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

    /// Lets somebody else change a few of our objects.
    async fn meddle(&self, workspace: &Workspace) -> Meddled {
        let mut rng = Rng::with_seed(self.seed ^ 0x3e);
        let Meddled { mut deleted, mut renamed, mut published } = Meddled::default();
        for number in 0..rng.usize(0..4) {
            let world = workspace.world().await.expect("nothing goes wrong here");
            let ours: Vec<_> = world.iter().filter(|live| !is_foreign(live)).collect();
            let Some(live) = rng.choice(&ours) else { break };
            let (kind, client) = (live.key.kind, workspace.client());
            match rng.usize(0..4) {
                // As it stops by itself, once it is idle.
                3 if kind == kinds::SANDBOX_V2 && live.health != Health::Stopped => {
                    client.stop_sandbox_v2(live.key.name.as_str()).await.expect("it is there");
                }
                // What is in use cannot be deleted.
                0 if world.holders(&live.key).next().is_none() => {
                    kind.delete(client, &live.key.name).await.expect("nothing holds it");
                    deleted.insert(id_of(live));
                }
                1 if kind.info().naming == Naming::Published => {
                    published.extend(publish_another(live, workspace).await);
                }
                1 => {
                    let to = name(&format!("y{number}-{}", self.seed));
                    kind.rename(client, &live.key.name, &to).await.expect("the name is free");
                    renamed.insert(id_of(live));
                    // Its name may go to another one, and that one's to it.
                    let others: Vec<_> =
                        ours.iter().filter(|other| other.key.kind == kind && other.key != live.key).collect();
                    if let Some(other) = rng.choice(others).filter(|_| rng.bool()) {
                        kind.rename(client, &other.key.name, &live.key.name).await.expect("the name is free");
                        kind.rename(client, &to, &other.key.name).await.expect("the name is free");
                        renamed.insert(id_of(other));
                    }
                }
                // A volume that somebody made larger stays in the way of most edits.
                _ if kind != kinds::VOLUME || rng.usize(0..4) == 0 => {
                    let changes = bumped(live);
                    if !changes.is_empty() {
                        let cx = VerbCx { client, secrets: &Secrets::default(), mark: None };
                        let spec = live.spec.as_ref().expect("it was read").with_changes(&changes);
                        kind.update(cx, &live.key.name, &spec, &changes).await.expect("it only grows");
                    }
                }
                _ => {}
            }
        }
        Meddled { deleted, renamed, published }
    }

    /// Returns how many calls the edit takes when nothing goes wrong.
    fn n_calls(&self, world: &World) -> usize {
        let plan = plan(&self.after.desired(), world, &policy());
        // About as many to look as there are kinds, two to read and open the record, and for each step one to check, one to act and one to record.
        9 + plan.steps.len() * 3
    }

    fn text(&self) -> String {
        let faults: Vec<_> = self.faults.iter().map(|(_, fault)| format!("{fault:?}")).collect();
        let goal = if self.is_reverted { "and back" } else { "and on" };
        let (before, after) = (self.before.to_text(), self.after.to_text());
        format!("seed {}: {} {goal}\n{before}===\n{after}", self.seed, faults.join(", "))
    }
}

/// A field of templates that no manifest can declare.
const UNDECLARABLE: &str = "proxy_config";

/// Checks that what is live under these names has what no manifest can declare, however often it was made anew.
async fn are_carried_over(carriers: &BTreeSet<Key>, workspace: &Workspace) {
    let now = workspace.world().await.expect("nothing goes wrong any more");
    for live in carriers.iter().filter_map(|key| now.get(key)) {
        assert!(live.extra.contains_key(UNDECLARABLE), "{} has lost its {UNDECLARABLE}", live.key);
    }
}

/// What somebody else did, by ids.
#[derive(Default)]
struct Meddled {
    /// What they deleted.
    deleted: BTreeSet<String>,
    /// The objects that they renamed.
    renamed: BTreeSet<String>,
    /// What they made under the names of ours.
    published: BTreeSet<String>,
}

/// Publishes another snapshot under the name of this one, as somebody else's pipeline would, and returns its id.
async fn publish_another(live: &Live, workspace: &Workspace) -> Option<String> {
    let published = live.spec.as_ref().ok().filter(|_| !kinds::is_reserved(&live.key.name))?;
    let cx = VerbCx { client: workspace.client(), secrets: &Secrets::default(), mark: None };
    let other = published.with_changes(&[("docker_image", Value::Image(Image::new("elsewhere")))]);
    let made = live.key.kind.create(cx, &live.key.name, &other, CreateOptions::default()).await;
    Some(id_of(&made.expect("names can move")))
}

/// Returns changes in place that somebody else could make.
fn bumped(live: &Live) -> Vec<(&'static str, Value)> {
    let Ok(spec) = &live.spec else { return Vec::new() };
    let fields = spec.kind().fields().iter().zip(spec.values());
    let bumped = fields.filter_map(|(field, value)| match value {
        Some(Value::Size(_)) if field.change == kinds::Change::GrowOnly => {
            Some((field.path, Value::Size("9Gi".parse().expect("a size"))))
        }
        Some(Value::Cpu(_)) if field.change == kinds::Change::InPlace => {
            Some((field.path, Value::Cpu("3".parse().expect("it is an amount of CPU"))))
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

impl Manifests {
    fn desired(&self) -> Desired {
        let text = self.to_text();
        if text.is_empty() { Desired::default() } else { desired(&text) }
    }
}
