//! What holds for every plan, over random manifests and worlds that are not all as they should be.

use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::Index;

use super::second;
use super::*;
use crate::kinds::{Capacity, KindId, Live, OnRemove, Quota};

/// Returns the `lifecycle` of an object of a sort whose names begin with `prefix`, without its braces.
fn lifecycle(prefix: &'static str) -> impl Strategy<Value = String> {
    let rename = prop_oneof![
        6 => Just(String::new()),
        1 => Just("renamed_from: none, ".to_owned()),
        3 => (0..4_usize).prop_map(move |from| format!("renamed_from: {prefix}{from}, ")),
    ];
    let protect = prop_oneof![9 => Just(""), 1 => Just("prevent_destroy: true, ")];
    let on_remove = prop_oneof![2 => Just(""), 1 => Just("on_remove: delete, "), 1 => Just("on_remove: retain, ")];
    let replace = prop_oneof![2 => Just(""), 1 => Just("replace: rolling, "), 1 => Just("replace: recreate, ")];
    let follows = prop_oneof![Just(""), Just("on_template_change: replace, ")];
    (rename, protect, on_remove, replace, follows).prop_map(move |(rename, protect, on_remove, replace, follows)| {
        let own = match prefix {
            "v" => "",
            "s" => follows,
            _ => replace,
        };
        format!("{rename}{protect}{on_remove}{own}")
    })
}

/// A manifest set over a small universe of names, so that names meet.
pub(super) fn manifests() -> impl Strategy<Value = String> {
    let volumes = prop::collection::btree_map(0..4_usize, (1..4_u8, lifecycle("v")), 0..4);
    let templates =
        prop::collection::btree_map(0..4_usize, ("[ab]", prop::option::of(0..3_usize), lifecycle("t")), 0..5);
    let pools = prop::collection::btree_map(0..3_usize, (0..4_usize, 0..4_u32, 0..3_u32, lifecycle("p")), 0..4);
    let sandboxes = prop::collection::btree_map(0..3_usize, (0..4_usize, lifecycle("s")), 0..4);
    (volumes, templates, pools, sandboxes).prop_map(|(volumes, templates, pools, sandboxes)| {
        let mut text = String::new();
        let mut origins = HashSet::new();
        let mut more = |name: &str, lifecycle: String| {
            let (rename, rest) = lifecycle.split_once(", ").unwrap_or_default();
            let origin = rename.strip_prefix("renamed_from: ").filter(|origin| *origin != "none");
            let is_good = origin.is_none_or(|origin| origin != name && origins.insert(origin.to_owned()));
            format!(", lifecycle: {{{}}}", if is_good { lifecycle.as_str() } else { rest }.trim_end_matches(", "))
        };
        for (name, (size, lifecycle)) in volumes {
            let name = format!("v{name}");
            text += &volume(&name, &format!("{size}Gi"), &more(&name, lifecycle));
        }
        let mut mounted = HashSet::new();
        for (name, (image, mount, lifecycle)) in templates {
            mounted.extend(mount.map(|_| name));
            let name = format!("t{name}");
            let mounts =
                mount.map(|volume| format!(", volume_mounts: [{{volume_name: v{volume}, mount_path: /data}}]"));
            let spec = format!("{{image: {image}{}}}", mounts.unwrap_or_default());
            let more = more(&name, lifecycle);
            writeln!(
                text,
                "---\n{{apiVersion: sbx/v1, kind: Template, metadata: {{name: {name}}}, spec: {spec}{more}}}"
            )
            .expect("a string takes everything");
        }
        for (name, (of, min, range, lifecycle)) in pools.into_iter().filter(|(_, (of, ..))| !mounted.contains(of)) {
            let replicas = if range == 0 { min.to_string() } else { format!("{{min: {min}, max: {}}}", min + range) };
            let name = format!("p{name}");
            text += &pool(&name, &format!("t{of}"), &replicas, &more(&name, lifecycle));
        }
        for (name, (of, lifecycle)) in sandboxes {
            let name = format!("s{name}");
            text += &sandbox(&name, &format!("t{of}"), &more(&name, lifecycle));
        }
        text
    })
}

/// Returns two manifest sets of one generation.
fn two() -> impl Strategy<Value = (String, String)> {
    prop_oneof![(manifests(), manifests()), (second::manifests(), second::manifests())]
}

/// Returns manifest sets of one generation to be applied one after the other, with what happens before each.
fn rounds() -> impl Strategy<Value = Vec<(String, Mishaps)>> {
    prop_oneof![
        prop::collection::vec((manifests(), mishaps()), 1..4),
        prop::collection::vec((second::manifests(), mishaps()), 1..4),
    ]
}

/// Something that happens to a live object behind the plan's back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mishap {
    Fails,
    WillExpire,
    BecomesUnreadable,
}

pub(super) type Mishaps = Vec<(Index, Mishap)>;

pub(super) fn mishaps() -> impl Strategy<Value = Mishaps> {
    let mishap =
        prop_oneof![3 => Just(Mishap::Fails), 2 => Just(Mishap::WillExpire), 1 => Just(Mishap::BecomesUnreadable)];
    prop::collection::vec((any::<Index>(), mishap), 0..3)
}

pub(super) fn let_happen(world: &World, mishaps: &Mishaps) -> World {
    let n_live = world.iter().count();
    let mut index = 0;
    altered(world, |live| {
        for (_, mishap) in mishaps.iter().filter(|(place, _)| place.index(n_live) == index) {
            match mishap {
                Mishap::Fails if live.key.kind.info().expires => live.health = Health::Failed("out of disk".to_owned()),
                Mishap::WillExpire => live.expires_at = "2026-03-24T14:05:00Z".parse().ok(),
                Mishap::BecomesUnreadable => make_unreadable(live),
                Mishap::Fails => {}
            }
        }
        index += 1;
    })
}

/// Small limits, 0 for none.
fn limits() -> impl Strategy<Value = Quota> {
    let gib = |gib: u64| gib << 30;
    (
        prop_oneof![2 => Just(0), 1 => 1..12_u64],
        prop_oneof![2 => Just(0), 1 => 1..5_u64],
        prop_oneof![2 => Just(0), 1 => 1..9_u64],
    )
        .prop_map(move |(sandboxes, volumes, storage)| Quota {
            sandboxes,
            volumes,
            storage_bytes: gib(storage),
            ..Quota::default()
        })
}

fn with_limit(mut world: World, limit: Quota) -> World {
    let used = used(&world);
    world.capacity = Some(Capacity { used, limit });
    world
}

fn used(world: &World) -> Quota {
    let specs = world.iter().filter_map(|live| live.spec.as_ref().ok());
    specs.map(|spec| spec.kind().takes(spec, world)).fold(Quota::default(), |sum, quota| sum + quota)
}

/// Returns what the manifests declare, or nothing if they are not valid together.
pub(super) fn valid(text: &str) -> Option<Desired> {
    let input = Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut diagnostics) = load(&[input], &Limits::default());
    let objects = kinds::decode(&documents, &mut diagnostics);
    (!diagnostics.has_errors() || text.is_empty()).then(|| Desired::new(objects))
}

/// Performs the steps on the model, which refuses what the server would.
fn perform(plan: &Plan, world: &World) -> Result<World, TestCaseError> {
    prop_assert!(!is_impossible(plan), "{:?}\n{}", plan.refusals, text_of(plan));
    let mut model = Model::of(world);
    model.run(plan).map_err(|(step, refusal)| TestCaseError::fail(format!("{step}: {refusal}\n{}", text_of(plan))))?;
    Ok(model.to_world(world))
}

/// Returns the live objects that steps delete, each with its change, without those that others have replaced by then.
fn deleted<'a>(plan: &'a Plan, world: &'a World) -> impl Iterator<Item = (&'a Live, &'a Change)> {
    let deletes = plan.steps.iter().filter(|step| matches!(step.verb, Verb::Delete { .. }));
    let deletes = deletes.filter(|step| !plan.changes[step.change].is_rolling());
    deletes.map(|step| (world.get(&step.key).expect("what is deleted is live"), &plan.changes[step.change]))
}

/// Whatever else a plan may be allowed to do.
fn policies() -> impl Strategy<Value = Policy> {
    let take_over = prop_oneof![Just(TakeOver::Nothing), Just(TakeOver::All)];
    let on_drift = prop_oneof![Just(OnDrift::Revert), Just(OnDrift::Hold)];
    (any::<bool>(), take_over, on_drift, prop::option::of(Just(100)), prop::option::of(0..4_usize)).prop_map(
        |(prune, take_over, on_drift, allow_destroy, target)| {
            let target = target.map(|index| ownership::key("template", &format!("t{index}")));
            // A part of what is declared says nothing of what is declared no longer.
            let scope = Scope { targets: target.filter(|_| !prune).into_iter().collect(), ..Scope::default() };
            Policy { prune, scope, take_over, on_drift, allow_destroy, allow: None }
        },
    )
}

fn ids_of(world: &World, kind: KindId) -> HashSet<String> {
    let live = world.iter().filter(|live| live.key.kind == kind);
    live.map(|live| live.id.as_ref().expect("the model gives ids").to_string()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    /// The server's rules let every step of every plan pass, in its order; nothing is left to do after it; and planning
    /// twice gives one plan.
    #[test]
    fn plans_can_be_performed_and_leave_nothing_to_do(
        rounds in rounds(),
        limit in prop::option::of(limits()),
    ) {
        let mut live = World::new([], now());
        for (text, mishaps) in rounds {
            let Some(desired) = valid(&text) else { continue };
            live = let_happen(&live, &mishaps);
            if let Some(limit) = limit {
                live = with_limit(live, limit);
            }
            let plan = plan(&desired, &live, &Policy::default());
            prop_assert_eq!(text_of(&plan), text_of(&self::plan(&desired, &live, &Policy::default())));
            if !plan.refusals.is_empty() {
                continue;
            }
            let mut after = perform(&plan, &live)?;
            if let Some(limit) = limit {
                let was_used = used(&live).amounts();
                after = with_limit(after, limit);
                for ((is_used, limit), was_used) in used(&after).amounts().iter().zip(limit.amounts()).zip(was_used) {
                    let is_within = limit.1 == 0 || is_used.1 <= limit.1.max(was_used.1);
                    prop_assert!(is_within, "{:?} of {:?}\n{text}\n{}", is_used, limit, text_of(&plan));
                }
            }
            let again = self::plan(&desired, &after, &Policy::default());
            prop_assert!(again.steps.is_empty(), "{text}\n{}\nthen\n{}", text_of(&plan), text_of(&again));
            live = after;
        }
    }

    /// A plan deletes only what it makes anew, what no manifest protects, and never a volume; what is undeclared stays.
    #[test]
    fn plans_destroy_nothing_by_implication((first, second) in two(), mishaps in mishaps()) {
        let (Some(first), Some(second)) = (valid(&first), valid(&second)) else { return Ok(()) };
        let live = let_happen(&after(&first, &World::new([], now())), &mishaps);
        let plan = plan(&second, &live, &Policy::default());
        for (gone, change) in deleted(&plan, &live) {
            prop_assert_eq!(change.action, Action::Replace);
            prop_assert!(gone.key.kind != kinds::VOLUME);
            let is_protected = second.get(&change.key).is_some_and(|object| object.lifecycle.prevent_destroy);
            prop_assert_eq!(is_protected, plan.protected().contains(&change.key), "{}", text_of(&plan));
        }
        for key in plan.protected() {
            prop_assert!(second.get(key).is_some_and(|object| object.lifecycle.prevent_destroy));
        }
        let after = perform(&plan, &live)?;
        prop_assert!(ids_of(&after, kinds::VOLUME).is_superset(&ids_of(&live, kinds::VOLUME)));
        let touched: HashSet<_> = plan.changes.iter().filter_map(|change| change.id.clone()).collect();
        for untouched in live.iter().filter(|live| !touched.contains(live.id.as_ref().expect("the model gives ids"))) {
            let now = after.get(&untouched.key).and_then(|now| now.id.as_ref());
            prop_assert_eq!(now, untouched.id.as_ref(), "{}\n{}", untouched.key, text_of(&plan));
        }
    }

    /// Whatever a plan may do: data goes only if its manifest said so when it was applied last, it is declared no longer,
    /// it is to be pruned, and somebody has allowed as many objects to be destroyed.
    #[test]
    fn data_goes_only_where_all_say_so(
        (first, second) in two(), mishaps in mishaps(), policy in policies(),
        forgotten in prop::collection::vec(any::<Index>(), 0..2),
    ) {
        let (Some(first), Some(second)) = (valid(&first), valid(&second)) else { return Ok(()) };
        let nothing = World::new([], now()).with_inventory(&Inventory::default());
        let mut live = performed(&plan(&first, &nothing, &Policy::default()), &nothing);
        let inventory = live.inventory.clone().expect("there is one");
        live = let_happen(&live, &mishaps);
        let keys: Vec<_> = inventory.iter().map(|(key, _)| key.clone()).collect();
        let mut known = Inventory::clone(&inventory);
        for index in forgotten.iter().filter(|_| !keys.is_empty()) {
            known.apply(Effect::Drop { key: index.get(&keys).clone(), id: None });
        }
        live.inventory = Some(known.into());
        let plan = plan(&second, &live, &policy);
        if !plan.refusals.is_empty() {
            return Ok(());
        }
        let is_lost = |live: &Live| matches!(live.health, Health::Failed(_)) && !live.key.kind.info().recovers;
        for (gone, change) in deleted(&plan, &live).filter(|(gone, _)| gone.key.kind.info().holds_data && !is_lost(gone)) {
            let text = text_of(&plan);
            prop_assert!(policy.allow_destroy.is_some(), "{} goes without a word\n{text}", gone.key);
            let entry = live.inventory.as_ref().and_then(|inventory| inventory.entry_of(gone)).map(|(_, entry)| entry);
            let is_protected = entry.is_some_and(|entry| entry.lifecycle.prevent_destroy);
            prop_assert!(!is_protected, "{} is protected\n{text}", gone.key);
            if gone.key.kind == kinds::VOLUME || change.action == Action::Delete {
                let says_so = entry.is_some_and(|entry| entry.lifecycle.on_remove == Some(OnRemove::Delete));
                let is_declared = second.get(&change.key).is_some();
                prop_assert!(policy.prune && says_so && !is_declared, "{} goes\n{text}", gone.key);
            }
        }
        let after = perform(&plan, &live)?;
        let is_ours = |object: &&Live| live.inventory.as_ref().is_some_and(|known| known.entry_of(object).is_some());
        let declared: HashSet<_> =
            plan.changes.iter().filter(|change| change.spec.is_some()).filter_map(|change| change.id.clone()).collect();
        let is_declared = |live: &&Live| live.id.as_ref().is_some_and(|id| declared.contains(id));
        for stranger in live.iter().filter(|live| !is_ours(live) && !is_declared(live)) {
            prop_assert!(after.get(&stranger.key).is_some_and(|now| now.id == stranger.id), "{}", stranger.key);
        }
    }

    /// Destroying deletes what the manifests name and let go, all of it that nothing holds, and nothing else.
    #[test]
    fn destroy_deletes_what_is_named_and_not_kept((first, second) in two(), mishaps in mishaps()) {
        let (Some(first), Some(second)) = (valid(&first), valid(&second)) else { return Ok(()) };
        let live = let_happen(&after(&first, &World::new([], now())), &mishaps);
        let plan = plan_destroy(&second, &live);
        prop_assert_eq!(plan.changes.len(), second.len());
        for (gone, change) in deleted(&plan, &live) {
            let object = second.get(&change.key).expect("what is destroyed is declared");
            let default = if object.key.kind.info().holds_data { OnRemove::Retain } else { OnRemove::Delete };
            prop_assert_eq!(object.lifecycle.on_remove.unwrap_or(default), OnRemove::Delete);
            prop_assert_eq!(object.lifecycle.prevent_destroy, plan.protected().contains(&change.key));
            prop_assert_eq!(&gone.key, &object.key);
        }
        let after = perform(&plan, &live)?;
        let blocked = plan.changes.iter().filter(|change| change.action == Action::Blocked && change.was.is_none());
        for Change { key, .. } in blocked {
            prop_assert!(after.holders(key).next().is_some(), "{key} is held by nothing\n{}", text_of(&plan));
        }
        let again = plan_destroy(&second, &after);
        prop_assert!(again.steps.is_empty(), "{}\nthen\n{}", text_of(&plan), text_of(&again));
    }

    /// Removing deletes those of the named objects that nothing holds, and nothing else.
    #[test]
    fn removal_deletes_what_is_named(
        (first, _) in two(), mishaps in mishaps(), named in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let Some(first) = valid(&first) else { return Ok(()) };
        let live = let_happen(&after(&first, &World::new([], now())), &mishaps);
        let all: Vec<_> = live.iter().map(|live| live.key.clone()).collect();
        let keys: Vec<_> = named.iter().filter(|_| !all.is_empty()).map(|index| index.get(&all).clone()).collect();
        let plan = plan_removal(&keys, &live);
        let after = perform(&plan, &live)?;
        for key in &all {
            let is_gone = after.get(key).is_none();
            let is_free = after.holders(key).next().is_none();
            prop_assert_eq!(is_gone, keys.contains(key) && is_free, "{}\n{}", key, text_of(&plan));
        }
    }

    /// Each step comes after all that it waits for, and after every step on what it refers to.
    #[test]
    fn order_respects_references((first, second) in two()) {
        let (Some(first), Some(second)) = (valid(&first), valid(&second)) else { return Ok(()) };
        let live = after(&first, &World::new([], now()));
        let plan = plan(&second, &live, &Policy::default());
        for (index, step) in plan.steps.iter().enumerate() {
            prop_assert!(step.after.iter().all(|&earlier| earlier < index));
            let Verb::Create { spec, .. } = &step.verb else { continue };
            for reference in spec.references() {
                let makes = |other: &Step| matches!(other.verb, Verb::Create { .. })
                    && other.key.kind == reference.kind && other.key.name.as_str() == &*reference.name;
                if let Some(source) = plan.steps.iter().position(makes) {
                    prop_assert!(step.after.contains(&source));
                }
            }
        }
    }
}
