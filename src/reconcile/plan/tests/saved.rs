//! Saved plans: what is written reads back, and only what still holds is left.

use proptest::prelude::*;

use super::properties::{let_happen, manifests, mishaps, valid};
use super::*;
use crate::kinds::OnRemove;
use crate::reconcile::inventory::{Effect, Entry, Inventory, Standing};
use crate::reconcile::plan::saved::{Held, LoadError, SavedPlan};

fn saved(plan: Plan) -> SavedPlan {
    SavedPlan {
        plan,
        endpoint: "https://sandboxes.example.com/v2/sandboxes".to_owned(),
        target: Some("prod".to_owned()),
        made_at: now(),
        sbx_version: "0.1.0".to_owned(),
        policy: vec!["prune".to_owned()],
    }
}

/// Writes a plan down and reads it again.
fn through_json(plan: Plan) -> SavedPlan {
    let text = saved(plan).to_json().to_string();
    SavedPlan::from_json(&serde_json::from_str(&text).expect("it is JSON")).expect("it is a plan")
}

/// Gives every object an id of its own: the model counts from one again in each of its lives.
fn with_ids(world: &World, prefix: &str) -> World {
    let mut n = 0;
    altered(world, |live| {
        n += 1;
        live.id = Some(ObjectId::new(format!("{prefix}-{n}")));
    })
}

fn live(text: &str) -> World {
    with_ids(&world(text), "old")
}

fn held(declared: &str, before: &World, now: &World) -> Held {
    through_json(plan(&desired(declared), before, &Policy::default())).still_holds(now)
}

fn shown(held: &Held) -> String {
    let back = held.held_back.iter().map(|back| {
        let Change { key, .. } = &back.change;
        format!("{key}: {} / {} / {}\n", back.planned, back.then, back.now)
    });
    let steps = held.plan.steps.iter().map(|step| format!("{} {} {:?}\n", step.verb.as_str(), step.key, step.after));
    let done = held.done.iter().map(|key| format!("done {key}\n"));
    back.chain(steps).chain(done).collect()
}

#[track_caller]
fn check_held(declared: &str, before: &World, now: &World, expected: &str) {
    assert_eq!(shown(&held(declared, before, now)), expected.trim_start_matches('\n'));
}

#[test]
fn what_changed_meanwhile_is_held_back_with_what_depends_on_it() {
    let before = live(&[volume("v", "1Gi", ""), volume("w", "1Gi", ""), template("t", "a", "")].concat());
    let declared = [
        volume("v", "2Gi", ""),
        volume("w", "2Gi", ""),
        template("t", "b", ", lifecycle: {replace: recreate}"),
        pool("p", "t", "2", ""),
    ];
    let now = altered(&before, |live| {
        if live.key.name.as_str() == "v" {
            live.spec = desired(&volume("v", "4Gi", "")).iter().map(|object| Ok(object.spec.clone())).next().unwrap();
        } else if live.key.name.as_str() == "t" {
            live.id = Some(ObjectId::new("another"));
        }
    });
    check_held(
        &declared.concat(),
        &before,
        &now,
        "
volume/v: update (size: 1Gi -> 2Gi) / size was 1Gi / size is 4Gi
template/t: replace (image: a -> b) / template/t was live, id old-3 / another object has its name, id another
pool/p: create / it comes after template/t / that is held back
update volume/w []
",
    );
}

#[test]
fn a_plan_that_is_done_has_nothing_left_to_do() {
    let before = live(&[volume("v", "1Gi", ""), template("t", "a", ""), volume("old", "1Gi", "")].concat());
    let declared = [
        volume("v", "2Gi", ""),
        template("t", "b", ", lifecycle: {replace: recreate}"),
        volume("new", "1Gi", ", lifecycle: {renamed_from: old}"),
        pool("p", "t", "2", ""),
    ];
    let after = after(&desired(&declared.concat()), &before);
    let held = held(&declared.concat(), &before, &after);
    assert_eq!(shown(&held), "done volume/new\ndone volume/v\ndone template/t\ndone pool/p\n");
    assert_eq!(held.plan.summary().n_changes(), 0);
}

#[test]
fn a_name_must_be_free_still_and_what_is_referred_to_still_there() {
    let before = live(&[template("t", "a", ""), template("u", "a", "")].concat());
    let declared = [template("t", "a", ""), template("u", "a", ""), volume("v", "1Gi", ""), pool("p", "t", "1", "")];
    let others = [template("u", "a", ""), volume("v", "2Gi", "")].concat();
    let now = with_ids(&world(&others), "else");
    check_held(
        &declared.concat(),
        &before,
        &now,
        "
volume/v: create / volume/v was not live, or was to make room / it is live, id else-1
pool/p: create / it was going to refer to template/t, id old-1 / that is not live
",
    );
}

#[test]
fn a_new_holder_keeps_what_it_holds() {
    let before = live(&[template("t", "a", ""), template("u", "a", "")].concat());
    let keys: Vec<_> = before.iter().map(|live| live.key.clone()).collect();
    let taken = [template("t", "a", ""), template("u", "a", ""), sandbox("s", "t", "")].concat();
    let now = with_ids(&world(&taken), "old");
    let held = through_json(plan_removal(&keys, &before)).still_holds(&now);
    assert_eq!(
        shown(&held),
        "template/t: delete / nothing else was using it / sandbox/s is using it\ndelete template/u []\n"
    );
}

#[test]
fn room_that_is_not_made_is_no_room() {
    let before = live(&[volume("a", "1Gi", ""), volume("c", "2Gi", "")].concat());
    let declared =
        [volume("b", "1Gi", ", lifecycle: {renamed_from: a}"), volume("a", "2Gi", ", lifecycle: {renamed_from: c}")]
            .concat();
    let now = altered(&before, |live| {
        if live.key.name.as_str() == "a" {
            live.id = Some(ObjectId::new("another"));
        }
    });
    check_held(
        &declared,
        &before,
        &now,
        "
volume/a: rename from c / volume/a was not live, or was to make room / it is live, id another
volume/b: rename from a / volume/a was live, id old-1 / another object has its name, id another
",
    );
}

/// `b` is made under a name that `b` gives up in the same plan: what has it is not what was made.
#[test]
fn what_gives_its_name_up_is_not_what_is_made_under_it() {
    let before = live(&[volume("a", "1Gi", ""), template("t", "a", "")].concat());
    let declared =
        [volume("b", "1Gi", ", lifecycle: {renamed_from: a}"), volume("a", "1Gi", ", lifecycle: {renamed_from: none}")];
    let declared = declared.concat() + &template("t", "a", "");
    let plan = plan(&desired(&declared), &before, &Policy::default());
    let saved = through_json(plan.clone());
    assert_eq!(shown(&saved.still_holds(&before)), "rename volume/a []\ncreate volume/a [0]\n");
}

#[test]
fn a_rolling_plan_that_is_half_done_goes_on() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &pool("q", "t", "3", "");
    let before = live(&all("a"));
    let plan = plan(&desired(&all("b")), &before, &Policy::default());
    let saved = through_json(plan.clone());
    let mut model = Model::of(&before);
    for n_done in 0..=plan.steps.len() {
        let now = model.to_world(&before);
        let held = saved.still_holds(&now);
        assert!(held.held_back.is_empty(), "after {n_done} steps\n{}", shown(&held));
        assert!(held.plan.steps.len() <= plan.steps.len() - n_done, "after {n_done} steps\n{}", shown(&held));
        let mut rest = Model::of(&now);
        rest.run(&held.plan).unwrap_or_else(|why| panic!("after {n_done} steps {why:?}\n{}", shown(&held)));
        let end = rest.to_world(&now);
        let goal = plan_again(&all("b"), &end);
        assert!(goal.is_empty(), "after {n_done} steps\n{}", text_of(&goal));
        if let Some(step) = plan.steps.get(n_done) {
            model.perform(step).expect("the model takes the plan");
        }
    }
}

fn plan_again(declared: &str, world: &World) -> Plan {
    plan(&desired(declared), world, &Policy::default())
}

#[test]
fn no_secret_is_written_and_what_is_carried_over_is_read_again() {
    let before = altered(&live(&template("t", "a", "")), |live| {
        live.extra.insert("proxy_config".to_owned(), serde_json::json!({"headers": "planted-secret"}));
    });
    let declared = template("t", "b", ", lifecycle: {replace: recreate}");
    let plan = plan(&desired(&declared), &before, &Policy::default());
    let text = saved(plan.clone()).to_json().to_string();
    assert!(text.contains("proxy_config") && !text.contains("planted-secret"), "{text}");

    let held = through_json(plan.clone()).still_holds(&before);
    let carried = held.plan.steps.iter().find_map(|step| match &step.verb {
        Verb::Create { options, .. } => options.carry.get("proxy_config").cloned(),
        _ => None,
    });
    assert_eq!(carried, Some(serde_json::json!({"headers": "planted-secret"})));

    let without = altered(&before, |live| live.extra.clear());
    let held = through_json(plan).still_holds(&without);
    assert_eq!(
        shown(&held),
        "template/t: replace (image: a -> b) / the object before it had a `proxy_config` / that is gone\n"
    );
}

#[test]
fn what_somebody_else_did_meanwhile_is_adopted() {
    let before = World::new([], now());
    let declared = volume("v", "1Gi", "");
    let now = live(&declared).with_inventory(&Inventory::default());
    let held = held(&declared, &before, &now);
    assert_eq!(shown(&held), "done volume/v\n");
    assert!(
        matches!(held.plan.effects.as_slice(), [super::super::Effect::Put { entry, .. }] if entry.id.is_some()),
        "{:?}",
        held.plan.effects
    );
}

#[test]
fn refusals_and_notes_stay_words() {
    let before = live(&[template("t", "a", ""), sandbox("s", "t", "")].concat());
    let declared = template("t", "b", ", lifecycle: {prevent_destroy: true, replace: recreate}");
    let plan = plan(&desired(&declared), &before, &Policy::default());
    let words = |plan: &Plan| -> Vec<_> {
        let notes = plan.changes.iter().flat_map(|change| &change.notes);
        let notes = notes.map(|note| (note.to_string(), note.help(), note.is_obstacle()));
        notes.chain(plan.refusals.iter().map(|r| (r.to_string(), Some(r.help()), true))).collect()
    };
    assert!(!words(&plan).is_empty());
    let mut expected = words(&plan);
    // What helps is said of a plan, and this one is made.
    for (_, help, _) in expected.iter_mut().skip(plan.changes.iter().map(|change| change.notes.len()).sum()) {
        *help = help.take().map(|help| format!("in a new plan: {help}"));
    }
    assert_eq!(words(&through_json(plan).plan), expected);
}

fn with_record(world: &World, inventory: Inventory) -> World {
    let mut world = world.clone();
    world.inventory = Some(Arc::new(inventory));
    world
}

/// Returns the world with something else on record of an object.
fn on_record(world: &World, key: &Key, change: impl FnOnce(&mut Entry)) -> World {
    let mut inventory = world.inventory.as_deref().expect("there is a record").clone();
    let mut entry = inventory.get(key).expect("it is on record").clone();
    change(&mut entry);
    inventory.apply(Effect::Put { key: key.clone(), entry });
    with_record(world, inventory)
}

fn forgotten(world: &World, key: &Key) -> World {
    let mut inventory = world.inventory.as_deref().expect("there is a record").clone();
    inventory.apply(Effect::Drop { key: key.clone(), id: None });
    with_record(world, inventory)
}

#[test]
fn what_was_let_go_of_or_protected_since_stays() {
    let data = |size: &str| volume("v", size, ", lifecycle: {on_remove: delete}");
    let before = owned(&[data("1Gi"), template("t", "a", "")].concat());
    let v = Key { kind: crate::kinds::VOLUME, name: "v".parse().unwrap() };
    let policy = Policy { prune: true, allow_destroy: Some(1), ..Policy::default() };
    let pruned = through_json(plan(&desired(&template("t", "a", "")), &before, &policy));
    let updated = through_json(plan(&desired(&[data("2Gi"), template("t", "a", "")].concat()), &before, &policy));

    assert_eq!(shown(&pruned.still_holds(&before)), "delete volume/v []\n");
    let gone = forgotten(&before, &v);
    assert_eq!(
        shown(&pruned.still_holds(&gone)),
        "volume/v: delete / it was managed here / it is not managed any more\n"
    );
    assert_eq!(
        shown(&updated.still_holds(&gone)),
        "volume/v: update (size: 1Gi -> 2Gi) / it was managed here / it is not managed any more\n"
    );
    let released = on_record(&before, &v, |entry| entry.standing = Standing::Released);
    assert_eq!(shown(&pruned.still_holds(&released)), "volume/v: delete / it was managed here / it was let go of\n");
    let retained = on_record(&before, &v, |entry| entry.lifecycle.on_remove = Some(OnRemove::Retain));
    assert_eq!(
        shown(&pruned.still_holds(&retained)),
        "volume/v: delete / it was to be deleted once it is declared no longer / it is to be kept then (`on_remove`)\n"
    );
    let protected = on_record(&before, &v, |entry| entry.lifecycle.prevent_destroy = true);
    assert_eq!(
        shown(&pruned.still_holds(&protected)),
        "volume/v: delete / nothing protected it / it is protected by `prevent_destroy`\n"
    );
    assert_eq!(shown(&updated.still_holds(&protected)), "update volume/v []\n");
}

#[test]
fn what_was_to_be_taken_over_is() {
    let before = world(&volume("v", "1Gi", "")).with_inventory(&Inventory::default());
    let policy = Policy { take_over: TakeOver::All, ..Policy::default() };
    let saved = through_json(plan(&desired(&volume("v", "2Gi", "")), &before, &policy));
    assert_eq!(shown(&saved.still_holds(&before)), "update volume/v []\n");
}

type Damage<'a> = &'a dyn Fn(&mut serde_json::Value);

#[test]
fn what_is_no_plan_is_said_to_be_none() {
    let good = saved(plan(&desired(&volume("v", "1Gi", "")), &World::new([], now()), &Policy::default())).to_json();
    let read = |change: Damage<'_>| {
        let mut json = good.clone();
        change(&mut json);
        SavedPlan::from_json(&json).map(|saved| text_of(&saved.plan)).map_err(|error| error.to_string())
    };
    assert!(read(&|_| ()).is_ok());
    assert_eq!(SavedPlan::from_json(&serde_json::json!([1])).unwrap_err(), LoadError::NotAPlan);
    assert_eq!(read(&|json| json["format"] = "other".into()), Err("this is not a saved plan".to_owned()));
    assert_eq!(
        read(&|json| json["format_version"] = 2.into()),
        Err("the plan was saved in format 2, and this version reads format 1 at most".to_owned())
    );
    let damages: [(Damage<'_>, &str); 6] = [
        (&|json| json["changes"] = 3.into(), "changes: invalid type"),
        (&|json| json["changes"][0]["kind"] = "Thing".into(), "changes[0]: there is no kind `Thing`"),
        (&|json| json["changes"][0]["spec"]["size"] = "big".into(), "changes[0]: `size` is not a quantity"),
        (&|json| json["steps"][0]["verb"] = "explode".into(), "unknown variant `explode`"),
        (&|json| json["steps"][0]["after"] = serde_json::json!([0]), "steps[0]: it belongs to nothing"),
        (&|json| json["steps"][0]["change"] = 7.into(), "steps[0]: it is of another kind than its change"),
    ];
    let edits: [Damage<'_>; 4] = [
        &|json| json["steps"][0]["spec"]["size"] = "2Gi".into(),
        &|json| json["changes"][0]["action"] = "keep".into(),
        &|json| json["endpoint"] = "elsewhere".into(),
        &|json| json["digest"] = "0".into(),
    ];
    for edit in edits {
        assert_eq!(read(edit), Err("the saved plan was changed after it was made".to_owned()));
    }
    for (damage, expected) in damages {
        let error = read(damage).unwrap_err();
        assert!(error.starts_with("the saved plan is damaged: ") && error.contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A plan that is saved and read again is the same plan; all of it holds in the world that it was made for; and in
    /// the world that it makes nothing of it is left to do.
    #[test]
    fn a_saved_plan_is_the_plan(first in manifests(), mishaps in mishaps(), second in manifests()) {
        let (Some(first), Some(second)) = (valid(&first), valid(&second)) else { return Ok(()) };
        let live = let_happen(&with_ids(&after(&first, &World::new([], now())), "old"), &mishaps);
        let plan = plan(&second, &live, &Policy::default());
        let saved = through_json(plan.clone());
        prop_assert_eq!(text_of(&saved.plan), text_of(&plan));
        let held = saved.still_holds(&live);
        prop_assert!(held.held_back.is_empty(), "{}\n{:?}", text_of(&plan), held.held_back);
        prop_assert_eq!(text_of(&held.plan), text_of(&plan));
        if plan.refusals.is_empty() {
            let mut model = Model::of(&live);
            model.run(&held.plan).map_err(|(step, refusal)| TestCaseError::fail(format!("{step}: {refusal}")))?;
            let again = saved.still_holds(&model.to_world(&live));
            prop_assert!(again.plan.steps.is_empty(), "{}\nthen\n{}", text_of(&plan), shown(&again));
            prop_assert!(again.held_back.is_empty(), "{}\nthen\n{}", text_of(&plan), shown(&again));
        }
    }

    /// Whatever happened meanwhile, what is left of a plan can be performed.
    #[test]
    fn what_still_holds_can_be_performed(first in manifests(), second in manifests(), meanwhile in manifests()) {
        let (Some(first), Some(second), Some(other)) = (valid(&first), valid(&second), valid(&meanwhile)) else {
            return Ok(());
        };
        let live = with_ids(&after(&first, &World::new([], now())), "old");
        let between = plan(&other, &live, &Policy::default());
        let mut model = Model::of(&live);
        prop_assume!(model.run(&between).is_ok());
        let now = model.to_world(&live);
        let held = saved(plan(&second, &live, &Policy::default())).still_holds(&now);
        let mut model = Model::of(&now);
        model.run(&held.plan).map_err(|(step, refusal)| {
            TestCaseError::fail(format!("{step}: {refusal}\n{}\nleft\n{}", text_of(&between), shown(&held)))
        })?;
    }
}
