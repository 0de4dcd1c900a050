//! Random manifests, a random edit of them, and a random fault at a random call.
//!
//! `SBX_SIMULATION_CASES=10000` runs more cases, and `SBX_SIMULATION_SEED=17` the one that a failure names. Half of the
//! cases run one step at a time, so that they run the same way each time; in the others the order of calls may differ.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use fastrand::Rng;
use sbx::kinds::{self, Absent, Field, Key, Live, Object, Reference, Spec, Value};
use sbx::reconcile::plan::{self, Note, Plan};
use sbx::reconcile::{Desired, World};

use super::UNMANAGED;
use super::cases::{run_all, seeds};
use super::faults::Fault;
use super::generation::{FIRST, Generation, SECOND};
use super::manifests::Manifests;
use super::workspace::{Attempt, Workspace, desired, policy};

const DEFAULT_CASES: u64 = 300;

/// Four lists and the usage.
const CALLS_TO_OBSERVE: usize = 5;

#[test]
fn any_edit_survives_any_fault() {
    check_all(FIRST, "any_edit_survives_any_fault");
}

#[test]
fn any_edit_of_the_second_generation_survives_any_fault() {
    check_all(SECOND, "any_edit_of_the_second_generation_survives_any_fault");
}

/// Runs the cases of a generation; `test` is the name of the test that does.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "counts and seeds are for whoever runs it")]
fn check_all(generation: Generation, test: &str) {
    let seeds = seeds(DEFAULT_CASES);
    let n_cases = seeds.end - seeds.start;
    let ends = run_all(seeds.map(|seed| Case::of(generation, seed)), Case::check, |case| {
        eprintln!("replay with: SBX_SIMULATION_SEED={} cargo test --test it simulation::random::{test}", case.seed);
    });
    let n_with_steps = ends.into_iter().filter(|n_calls| *n_calls > CALLS_TO_OBSERVE).count() as u64;
    println!("{n_cases} cases without a record, {n_with_steps} of them with steps");
    assert!(n_cases == 1 || n_with_steps * 2 > n_cases, "{n_with_steps} of {n_cases} have steps: too few");
}

/// How a case ended.
struct End {
    /// How many calls the first attempt made.
    n_calls: usize,
    live: String,
    undecided: BTreeSet<String>,
}

/// All that is random in a case.
struct Case {
    before: Manifests,
    after: Manifests,
    fault: Fault,
    /// Where the fault is, as a part of all calls.
    place: f64,
    retries: u32,
    parallelism: NonZeroUsize,
    seed: u64,
}

impl Case {
    fn of(generation: Generation, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let before = Manifests::random(generation, &mut rng);
        let parallelism = NonZeroUsize::new(if seed.is_multiple_of(2) { 1 } else { 4 });
        Self {
            after: before.edited(&mut rng),
            before,
            fault: *rng.choice(Fault::without_record()).expect("there are faults"),
            place: rng.f64(),
            retries: if rng.bool() { 3 } else { 0 },
            parallelism: parallelism.expect("neither is 0"),
            seed,
        }
    }

    /// Returns how many calls the edit takes.
    async fn check(&self) -> usize {
        let End { n_calls, live: clean, undecided: undecided_clean } = self.run(None).await;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number that is not negative"
        )]
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let call = (self.place * n_calls as f64) as usize;
        let End { live: faulty, undecided, .. } = self.run(Some((call, self.fault))).await;
        let undecided = &undecided | &undecided_clean;
        let faulty = self.without_origins(&faulty, &undecided);
        let clean = self.without_origins(&clean, &undecided);
        assert_eq!(faulty, clean, "{}: {:?} at call {call} leads elsewhere", self.text(), self.fault);
        n_calls
    }

    /// Leaves out what is declared under another name now. Where that took a new object, and deleting the old one failed,
    /// nothing but a record could tell that both were one: it and what needs it are undecided, until somebody says so.
    fn without_origins<'a>(&self, live: &'a str, undecided: &BTreeSet<String>) -> Vec<&'a str> {
        let declared: BTreeSet<_> =
            desired(&self.after.to_text()).iter().map(|object| object.key.to_string()).collect();
        let origins = &self.after.origins() - &declared;
        let is_left_out = |key: &str| origins.contains(key) || undecided.contains(key);
        live.lines().filter(|line| line.split(' ').next().is_none_or(|key| !is_left_out(key))).collect()
    }

    /// Applies the edit with a fault, or none, and runs again until nothing is left to do.
    async fn run(&self, fault: Option<(usize, Fault)>) -> End {
        // The pauses between tries are drawn from the thread's generator.
        fastrand::seed(self.seed);
        let workspace = Workspace::open(self.retries).await;
        workspace.must_apply(UNMANAGED).await;
        let attempt = self.attempt(&workspace, &self.before).await;
        assert_eq!(attempt, Attempt::Complete, "{}", self.text());
        let live_before = world(&workspace).await;

        let calls = workspace.begin(fault);
        let first = self.attempt(&workspace, &self.after).await;
        let n_calls = calls.so_far();
        workspace.begin(None);
        if fault.is_none() {
            assert_eq!(first, Attempt::Complete, "{}", self.text());
        } else {
            self.attempt(&workspace, &self.after).await;
            self.attempt(&workspace, &self.after).await;
        }
        let live = world(&workspace).await;
        let left = plan::plan(&desired(&self.after.to_text()), &live, &policy());
        assert!(left.steps.is_empty(), "{}: {fault:?} leaves {:?}", self.text(), left.steps);
        self.check_nothing_is_lost(&live_before, &live);
        let undecided = undecided(&left, &desired(&self.after.to_text()), &live);
        End { n_calls, live: self.describe(&live, &live_before), undecided }
    }

    async fn attempt(&self, workspace: &Workspace, manifests: &Manifests) -> Attempt {
        workspace.attempt_with(&desired(&manifests.to_text()), self.parallelism, |_| {}).await
    }

    fn check_nothing_is_lost(&self, before: &World, after: &World) {
        let volumes = |world: &World| -> BTreeSet<String> {
            world.iter().filter(|live| live.key.kind == kinds::VOLUME).map(id_of).collect()
        };
        assert!(volumes(after).is_superset(&volumes(before)), "{}: a volume was lost", self.text());

        let declared = desired(&self.after.to_text());
        let origins = self.after.origins();
        let ids_after: BTreeMap<_, _> = after.iter().map(|live| (&live.key, id_of(live))).collect();
        for live in before.iter().filter(|live| declared.get(&live.key).is_none()) {
            if !origins.contains(&live.key.to_string()) {
                assert_eq!(ids_after.get(&live.key), Some(&id_of(live)), "{}: {} was touched", self.text(), live.key);
            }
        }
        let ids_before: BTreeSet<_> = before.iter().map(id_of).collect();
        for live in after.iter().filter(|live| declared.get(&live.key).is_none()) {
            // What was replaced stays as long as others use it, and where nothing but its id names it, always: only a record
            // could tell whose it was.
            let is_known_by_id = kinds::known_by_id(&live.key.name).is_some() && ids_before.contains(&id_of(live));
            let is_held = kinds::is_reserved(&live.key.name) && after.holders(&live.key).next().is_some();
            let is_kept = is_held || is_known_by_id;
            assert!(is_kept || before.get(&live.key).is_some(), "{}: {} is left over", self.text(), live.key);
        }
    }

    /// Returns what is live, an object a line, with names in the place of ids, which are others in each run.
    ///
    /// What the edit leaves alone of an object that it makes anew is as the old one had it; where that was deleted already,
    /// only a record could tell how that was.
    fn describe(&self, live: &World, before: &World) -> String {
        let declared = desired(&self.after.to_text());
        let ids_before: BTreeSet<_> = before.iter().map(id_of).collect();
        let lines = live.iter().map(|live| {
            let object = declared.get(&live.key).filter(|_| !ids_before.contains(&id_of(live)));
            let spec =
                live.spec.as_ref().map(|spec| object.map_or_else(|| spec.clone(), |object| told_of(object, spec)));
            format!("{} {spec:?}\n", live.key)
        });
        let with_name = |line: String, was: &Live| line.replace(&id_of(was), was.key.name.as_str());
        let mut lines: Vec<String> = lines.map(|line| before.iter().fold(line, with_name)).collect();
        lines.sort();
        lines.concat()
    }

    fn text(&self) -> String {
        format!("seed {}\n{}===\n{}", self.seed, self.before.to_text(), self.after.to_text())
    }
}

/// Returns what has an old and a new object live, both of them, what refers to either, declared or not, and what was put
/// aside and stays for such alone.
fn undecided(left: &Plan, declared: &Desired, live: &World) -> BTreeSet<String> {
    let mut undecided = BTreeSet::new();
    for change in &left.changes {
        for note in &change.notes {
            if let Note::BothNamesLive { old, .. } = note {
                undecided.extend([change.key.clone(), Key { kind: change.key.kind, name: old.clone() }]);
            }
        }
    }
    // The manifests have each object after those that it refers to.
    for object in declared.iter() {
        if object.spec.references().filter_map(Reference::key).any(|to| undecided.contains(&to)) {
            undecided.insert(object.key.clone());
        }
    }
    // So has the live state, where others are that nobody declares.
    for object in live.iter() {
        if object.references().filter_map(Reference::key).any(|to| undecided.contains(&to)) {
            undecided.insert(object.key.clone());
        }
    }
    let put_aside = live.iter().map(|live| &live.key).filter(|key| kinds::is_reserved(&key.name));
    let stays_for_such = |key: &&Key| live.holders(key).all(|holder| undecided.contains(&holder.key));
    let put_aside: Vec<_> = put_aside.filter(stays_for_such).collect();
    undecided.iter().chain(put_aside).map(Key::to_string).collect()
}

/// Returns a live spec without what is not declared and may be left out.
fn told_of(object: &Object, live: &Spec) -> Spec {
    let fields = live.kind().fields().iter().zip(object.spec.values());
    let is_left_alone =
        |(field, value): &(&Field, &Option<Value>)| value.is_none() && field.absent == Absent::LeaveAlone;
    let left_alone: Vec<_> = fields.filter(is_left_alone).map(|(field, _)| field.path).collect();
    live.without(&left_alone)
}

fn id_of(live: &Live) -> String {
    live.id.as_ref().expect("the server gives ids").to_string()
}

async fn world(workspace: &Workspace) -> World {
    workspace.world().await.expect("nothing goes wrong here")
}
