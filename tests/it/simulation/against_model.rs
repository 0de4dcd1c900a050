//! The model of the server's rules beside the server itself: both take the same steps, refuse the same steps for the same
//! reason, and end with the same workspace.
//!
//! The planner checks its plans against the model, and much of what tests say about plans rests on it. The two are
//! written apart: a rule that one of them has and the other has not is found here.
//!
//! `SBX_SIMULATION_CASES` and `SBX_SIMULATION_SEED` say how many histories, or which.

use fastrand::Rng;
use sbx::client::{Client, Kind};
use sbx::kinds::{CreateOptions, Key, KindId, POOL, SANDBOX, Secrets, Spec, TEMPLATE, VOLUME, VerbCx};
use sbx::reconcile::model::{Model, Refusal};
use sbx::reconcile::plan::{Step, Verb};
use sbx::reconcile::{Desired, World};
use sbx::types::Name;

use super::cases::{run_all, seeds};
use super::workspace::{Workspace, desired};

const DEFAULT_CASES: u64 = 60;
/// How many steps each history has.
const N_STEPS: usize = 40;
/// How many names there are of each kind: few, so that they are taken, in use and missing often.
const N_NAMES: usize = 3;

#[test]
fn the_model_and_the_server_have_the_same_rules() {
    let seeds = seeds(DEFAULT_CASES);
    let is_one = seeds.end - seeds.start == 1;
    let histories = run_all(
        seeds.clone(),
        async |seed| history(*seed).await,
        |seed| eprintln!("replay with: SBX_SIMULATION_SEED={seed} cargo test --test it simulation::against_model"),
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

/// Takes random steps on both sides; returns how many were taken, and why the others were not.
async fn history(seed: u64) -> (usize, Vec<Reason>) {
    let mut rng = Rng::with_seed(seed);
    let workspace = Workspace::open(0).await;
    let before = workspace.world().await.expect("nothing goes wrong here");
    let mut model = Model::of(&before);
    let (mut n_taken, mut refusals) = (0, Vec::new());
    for number in 0..N_STEPS {
        let step = random_step(&mut rng);
        let case = format!("seed {seed}, step {number}, {} {:?}", step.key, step.verb);
        let by_model = model.perform(&step).map_err(|refusal| reason_of(&refusal));
        let by_server = call(&step, workspace.client()).await;
        assert_eq!(by_model, by_server, "{case}: the model is on the left, the server on the right");
        match by_model {
            Ok(()) => n_taken += 1,
            Err(reason) => refusals.push(reason),
        }
        let live = workspace.world().await.expect("nothing goes wrong here");
        assert_eq!(describe(&model.to_world(&before), &live), describe(&live, &live), "{case}");
    }
    (n_taken, refusals)
}

fn random_step(rng: &mut Rng) -> Step {
    let kind = *rng.choice([VOLUME, TEMPLATE, POOL, SANDBOX].iter()).expect("there are kinds");
    let name = rng.usize(0..N_NAMES);
    let other = rng.usize(0..N_NAMES);
    let spec = random_spec(kind, rng);
    let verb = match rng.usize(0..6) {
        0..3 => Verb::Create { spec, options: CreateOptions::default() },
        3 if kind != TEMPLATE => Verb::Update { changes: in_place(&spec) },
        3 | 4 if other != name => Verb::Rename { to: name_of(kind, other) },
        _ => Verb::Delete { is_waited_for: false },
    };
    Step { key: Key { kind, name: name_of(kind, name) }, change: 0, verb, after: Vec::new(), expects: None }
}

fn name_of(kind: KindId, number: usize) -> Name {
    Name::parse(&format!("{}{number}", kind.info().singular)).expect("a name")
}

fn random_spec(kind: KindId, rng: &mut Rng) -> Spec {
    let other = rng.usize(0..N_NAMES);
    let spec = match kind {
        VOLUME => format!("size: {}Gi", rng.usize(1..5)),
        TEMPLATE if rng.bool() => "image: a".to_owned(),
        TEMPLATE => format!("image: a, volume_mounts: [{{volume_name: volume{other}, mount_path: /v}}]"),
        POOL => format!("template_name: template{other}, replicas: {}", rng.usize(0..3)),
        _ => format!("template_name: template{other}, ttl_seconds: {}", rng.usize(0..3) * 3600),
    };
    let manifest = format!("{{apiVersion: sbx/v1, kind: {kind}, metadata: {{name: x}}, spec: {{{spec}}}}}");
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

/// Returns what there is, one object a line. What an object leaves to the server is as the server has it.
fn describe(world: &World, server: &World) -> Vec<String> {
    let settled = |key: &Key, spec: &Spec| {
        let live = server.get(key).and_then(|live| live.spec.as_ref().ok());
        spec.settled(live)
    };
    world
        .iter()
        .map(|live| {
            let spec = live.spec.as_ref().map(|spec| settled(&live.key, spec));
            format!("{} {spec:?}", live.key)
        })
        .collect()
}
