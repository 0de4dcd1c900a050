//! The model of the server's rules beside the server itself: both take the same steps, refuse the same steps for the same
//! reason, and end with the same workspace.
//!
//! The planner checks its plans against the model, and much of what tests say about plans rests on it. The two are
//! written apart: a rule that one of them has and the other has not is found here.
//!
//! `SBX_SIMULATION_CASES` and `SBX_SIMULATION_SEED` say how many histories, or which.

use std::collections::BTreeMap;

use fastrand::Rng;
use sbx::client::{Client, Kind};
use sbx::kinds::{
    self, CreateOptions, Key, KindId, Naming, POOL, REGISTRY, SANDBOX, SANDBOX_V2, SNAPSHOT, Secrets, Spec, TEMPLATE,
    Unreadable, VOLUME, VerbCx,
};
use sbx::reconcile::model::{Model, Refusal};
use sbx::reconcile::plan::{Step, Verb};
use sbx::reconcile::{Desired, World};
use sbx::types::{Name, ObjectId};

use super::cases::{run_all, seeds};
use super::workspace::{Workspace, desired};

const DEFAULT_CASES: u64 = 60;
/// How many steps each history has.
const N_STEPS: usize = 40;
/// How many names there are of each kind: few, so that they are taken, in use and missing often.
const N_NAMES: usize = 3;

const FIRST: &[KindId] = &[VOLUME, TEMPLATE, POOL, SANDBOX];
const SECOND: &[KindId] = &[REGISTRY, SNAPSHOT, SANDBOX_V2];

#[test]
fn the_model_and_the_server_have_the_same_rules() {
    check_all(FIRST, "the_model_and_the_server_have_the_same_rules");
}

#[test]
fn they_have_the_same_rules_in_the_second_generation() {
    check_all(SECOND, "they_have_the_same_rules_in_the_second_generation");
}

/// Runs histories over these kinds; `test` is the name of the test that does.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "counts and seeds are for whoever runs it")]
fn check_all(kinds: &'static [KindId], test: &str) {
    let seeds = seeds(DEFAULT_CASES);
    let is_one = seeds.end - seeds.start == 1;
    let histories = run_all(
        seeds.clone(),
        async |seed| History::open(kinds, *seed).await.run().await,
        |seed| {
            eprintln!("replay with: SBX_SIMULATION_SEED={seed} cargo test --test it simulation::against_model::{test}");
        },
    );
    let n_taken: usize = histories.iter().map(|(n_taken, _)| n_taken).sum();
    let refusals: Vec<_> = histories.into_iter().flat_map(|(_, refusals)| refusals).collect();
    println!("{} steps taken and {} refused, by both", n_taken, refusals.len());
    for reason in [Reason::Taken, Reason::Missing, Reason::BadReference, Reason::InUse, Reason::BadValue] {
        assert!(is_one || refusals.contains(&reason), "no step was refused as {reason:?}: the histories are too tame");
    }
}

/// Why a step is refused, in what the model and the server have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Taken,
    Missing,
    BadReference,
    InUse,
    BadValue,
}

/// Random steps that both sides take.
struct History {
    kinds: &'static [KindId],
    seed: u64,
    rng: Rng,
    workspace: Workspace,
    before: World,
    model: Model,
    /// The server's ids, by the model's.
    ids: BTreeMap<ObjectId, ObjectId>,
}

impl History {
    async fn open(kinds: &'static [KindId], seed: u64) -> Self {
        let workspace = Workspace::open(0).await;
        let before = workspace.world().await.expect("nothing goes wrong here");
        let model = Model::of(&before);
        Self { kinds, seed, rng: Rng::with_seed(seed), workspace, before, model, ids: BTreeMap::new() }
    }

    /// Returns how many steps were taken, and why the others were not.
    async fn run(mut self) -> (usize, Vec<Reason>) {
        let (mut n_taken, mut refusals) = (0, Vec::new());
        for number in 0..N_STEPS {
            let step = self.random_step();
            let case = format!("seed {}, step {number}, {} {:?}", self.seed, step.key, step.verb);
            let by_model = self.model.perform(&step).map_err(|refusal| reason_of(&refusal));
            let on_server = Step { key: self.on_server(&step.key), ..step.clone() };
            let by_server = call(&on_server, self.workspace.client()).await;
            assert_eq!(by_model, by_server, "{case}: the model is on the left, the server on the right");
            let live = self.workspace.world().await.expect("nothing goes wrong here");
            match by_model {
                Ok(()) => n_taken += 1,
                Err(reason) => refusals.push(reason),
            }
            self.learn_ids(&step, &live);
            assert_eq!(self.describe_model(&live), describe(&live), "{case}");
        }
        (n_taken, refusals)
    }

    fn random_step(&mut self) -> Step {
        let rng = &mut self.rng;
        let kind = *rng.choice(self.kinds.iter()).expect("there are kinds");
        let name = rng.usize(0..N_NAMES);
        let other = rng.usize(0..N_NAMES);
        let spec = random_spec(kind, rng);
        let is_changed = kind.fields().iter().any(|field| field.change != kinds::Change::Replace);
        let is_renamed = kind.info().naming == Naming::Label;
        let verb = match rng.usize(0..6) {
            0..3 => Verb::Create { spec, options: CreateOptions::default() },
            3 if is_changed => Verb::Update { changes: in_place(&spec) },
            3 | 4 if is_renamed && other != name => Verb::Rename { to: name_of(kind, other) },
            _ => Verb::Delete { is_waited_for: false },
        };
        let mut key = Key { kind, name: name_of(kind, name) };
        if matches!(verb, Verb::Delete { .. }) && rng.bool() {
            key = self.random_displaced(kind).unwrap_or(key);
        }
        Step { key, change: 0, verb, after: Vec::new(), expects: None }
    }

    /// Returns something that only its id names any more.
    fn random_displaced(&mut self, kind: KindId) -> Option<Key> {
        let world = self.model.to_world(&self.before);
        let displaced = world.iter().map(|live| &live.key);
        let displaced: Vec<_> =
            displaced.filter(|key| key.kind == kind && kinds::known_by_id(&key.name).is_some()).cloned().collect();
        self.rng.choice(displaced)
    }

    /// Takes in the id that the server gave to what was made.
    fn learn_ids(&mut self, step: &Step, live: &World) {
        let id_in = |world: &World| world.get(&step.key).and_then(|live| live.id.clone());
        if matches!(step.verb, Verb::Create { .. })
            && let (Some(by_model), Some(by_server)) = (id_in(&self.model.to_world(&self.before)), id_in(live))
        {
            self.ids.insert(by_model, by_server);
        }
    }

    /// Returns the key that the server has for an object of the model.
    fn on_server(&self, key: &Key) -> Key {
        let id = kinds::known_by_id(&key.name).and_then(|(_, id)| self.ids.get(&ObjectId::new(id)));
        let name = id.and_then(|id| kinds::by_id(&key.name, id)).unwrap_or_else(|| key.name.clone());
        Key { kind: key.kind, name }
    }

    /// Returns what there is in the model, as [`describe`] does. What an object leaves to the server is as the server
    /// has it, and so are ids.
    fn describe_model(&self, server: &World) -> Vec<String> {
        let world = self.model.to_world(&self.before);
        let settled = world.iter().map(|live| {
            let key = self.on_server(&live.key);
            let there = server.get(&key).and_then(|live| live.spec.as_ref().ok());
            let spec = live.spec.as_ref().map(|spec| {
                spec.settled(there).with_renamed_references(&|reference| {
                    let key = self.on_server(&reference.key()?);
                    Some(key.name.as_str().into())
                })
            });
            line(&key, spec.as_ref().map_err(|unreadable| *unreadable))
        });
        let mut lines: Vec<_> = settled.collect();
        lines.sort();
        lines
    }
}

fn name_of(kind: KindId, number: usize) -> Name {
    kind.name(&format!("{}{number}", kind.info().singular)).expect("a name")
}

fn random_spec(kind: KindId, rng: &mut Rng) -> Spec {
    let other = rng.usize(0..N_NAMES);
    let spec = match kind {
        VOLUME => format!("size: {}Gi", rng.usize(1..5)),
        TEMPLATE if rng.bool() => "image: a".to_owned(),
        TEMPLATE => format!("image: a, volume_mounts: [{{volume_name: volume{other}, mount_path: /v}}]"),
        POOL => format!("template_name: template{other}, replicas: {}", rng.usize(0..3)),
        SANDBOX => format!("template_name: template{other}, ttl_seconds: {}", rng.usize(0..3) * 3600),
        REGISTRY => format!("url: a.example, aws_role_arn: 'arn:aws:iam::1:role/{}'", rng.usize(0..3)),
        SNAPSHOT if rng.bool() => format!("docker_image: a, fs_capacity_bytes: {}Gi", rng.usize(1..3)),
        SNAPSHOT => format!("docker_image: a, fs_capacity_bytes: 1Gi, registry_name: registry{other}"),
        _ => {
            let memory = rng.choice(["", "", ", mem_bytes: 2Gi", ", mem_bytes: 9Gi"]).unwrap_or_default();
            let (cpu, disk) = (rng.usize(1..3), rng.usize(1..5));
            format!("snapshot: snapshot{other}, vcpus: {cpu}, fs_capacity_bytes: {disk}Gi{memory}")
        }
    };
    let version = kind.info().api_version;
    let manifest = format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: x}}, spec: {{{spec}}}}}");
    let declared: Desired = desired(&manifest);
    let object = declared.iter().next().expect("it declares one object");
    object.spec.settled(None)
}

/// Returns what of a spec the API can change in place.
fn in_place(spec: &Spec) -> Vec<(&'static str, sbx::kinds::Value)> {
    let fields = spec.kind().fields().iter().zip(spec.values());
    let fields = fields.filter(|(field, _)| field.change != sbx::kinds::Change::Replace);
    fields.filter_map(|(field, value)| Some((field.path, value.clone()?))).collect()
}

/// Makes the call of a step.
async fn call(step: &Step, client: &Client) -> Result<(), Reason> {
    let Step { key: Key { kind, name }, verb, .. } = step;
    let secrets = Secrets::default();
    let cx = VerbCx { client, secrets: &secrets, mark: None };
    let result = match verb {
        Verb::Create { spec, options } => kind.create(cx, name, spec, options.clone()).await.map(drop),
        Verb::Update { changes } => match kind.get(&client.reader(), name).await {
            Ok(live) => {
                let spec = live.spec.expect("the server's objects can be read").with_changes(changes);
                kind.update(cx, name, &spec, changes).await
            }
            Err(error) => Err(error),
        },
        Verb::Rename { to } => kind.rename(client, name, to).await,
        Verb::Delete { .. } => kind.delete(client, name).await,
        Verb::Swap { .. } | Verb::Verify { .. } => unreachable!("no such step is drawn"),
    };
    let is_create = matches!(verb, Verb::Create { .. });
    result.map_err(|error| match error.kind() {
        Kind::AlreadyExists | Kind::NameConflict => Reason::Taken,
        Kind::InUse => Reason::InUse,
        Kind::Validation => Reason::BadValue,
        _ if is_create && error.is_not_found() => Reason::BadReference,
        _ if is_create && error.error_type().is_some_and(|word| word.ends_with("NotFound")) => Reason::BadReference,
        _ if error.is_not_found() => Reason::Missing,
        _ => panic!("{}: {error:?}", step.key),
    })
}

fn reason_of(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::NameTaken { .. } => Reason::Taken,
        Refusal::NotFound { .. } => Reason::Missing,
        Refusal::BadReference { .. } => Reason::BadReference,
        Refusal::InUse { .. } => Reason::InUse,
        Refusal::BadChange { .. } | Refusal::BrokenRule { .. } => Reason::BadValue,
        _ => panic!("a refusal that this test does not know: {refusal}"),
    }
}

/// Returns what there is, one object a line.
fn describe(world: &World) -> Vec<String> {
    let mut lines: Vec<_> = world.iter().map(|live| line(&live.key, live.spec.as_ref())).collect();
    lines.sort();
    lines
}

/// Why something cannot be read is told in other words by each.
fn line(key: &Key, spec: Result<&Spec, &Unreadable>) -> String {
    match spec {
        Ok(spec) => format!("{key} {spec:?}"),
        Err(_) => format!("{key} cannot be read"),
    }
}
