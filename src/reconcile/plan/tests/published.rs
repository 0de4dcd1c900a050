//! Snapshots: published anew under their names, with the sandboxes that were made from them.

use super::*;

fn snapshot(name: &str, image: &str) -> String {
    format!(
        "{{apiVersion: sbx/v2, kind: Snapshot, metadata: {{name: {name}}}, \
         spec: {{docker_image: {image}, fs_capacity_bytes: 8Gi}}}}\n---\n"
    )
}

fn sandbox(name: &str, snapshot: &str, lifecycle: &str) -> String {
    format!(
        "{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: {name}}}, spec: {{snapshot: {snapshot}}}, \
         lifecycle: {{{lifecycle}}}}}\n---\n"
    )
}

fn allowing() -> Policy {
    Policy { allow_destroy: Some(9), prune: true, ..Policy::default() }
}

/// Plans, performs, and plans again, until nothing is left to do; returns the plans.
fn plans(declared: &str, world: &World) -> (Vec<String>, World) {
    let mut texts = Vec::new();
    let mut world = world.clone();
    for _ in 0..4 {
        let plan = plan(&desired(declared), &world, &allowing());
        assert!(plan.refusals.is_empty(), "{:?}\n{}", plan.refusals, text_of(&plan));
        world = performed(&plan, &world);
        if plan.steps.is_empty() {
            return (texts, world);
        }
        texts.push(text_of(&plan));
    }
    panic!("it does not end: {texts:#?}");
}

#[test]
fn a_sandbox_stays_on_the_old_snapshot_until_it_goes() {
    let before = [snapshot("team/python:3.12", "a"), sandbox("box", "team/python:3.12", "on_remove: delete")].concat();
    let after = [snapshot("team/python:3.12", "b"), sandbox("box", "team/python:3.12", "on_remove: delete")].concat();
    let (texts, world) = plans(&after, &owned(&before));
    insta::assert_snapshot!(texts.join("\n"), @r"
    replace snapshot/team/python:3.12 [docker_image: a -> b] (docker_image cannot change in place) (it is published anew, beside the old one) (the old one stays as `team/python@made-1`, until a later apply: held by sandbox/box, no TTL)
    keep sandbox/box (outdated: its snapshot team/python:3.12 is superseded; it is kept)
    0. create snapshot/team/python:3.12 after []
    ");
    let (texts, world) = plans(&snapshot("team/python:3.12", "b"), &world);
    assert!(texts.concat().contains("delete snapshot/team/python@made-1 after [0]"), "{texts:#?}");
    assert_eq!(world.iter().count(), 1);
}

#[test]
fn a_sandbox_that_follows_is_made_anew_and_the_old_snapshot_goes() {
    let follows = sandbox("box", "python", "on_snapshot_change: replace");
    let world = owned(&[snapshot("python", "a"), follows.clone()].concat());
    let (texts, world) = plans(&[snapshot("python:latest", "b"), follows].concat(), &world);
    insta::assert_snapshot!(texts.join("\n"), @r"
    replace snapshot/python [docker_image: a -> b] (docker_image cannot change in place) (it is published anew, beside the old one)
    replace sandbox/box [snapshot: python -> python] (snapshot `python` is replaced) (the disk of this sandbox is lost, with everything on it)
    0. create snapshot/python after []
    1. delete sandbox/box after [0]
    2. delete snapshot/python@made-1 after [0, 1]
    3. create sandbox/box after [0, 1]
    ");
    assert_eq!(world.iter().count(), 2);
}

#[test]
fn the_disk_of_a_sandbox_is_not_lost_unasked() {
    let follows = sandbox("box", "python", "on_snapshot_change: replace");
    let world = owned(&[snapshot("python", "a"), follows.clone()].concat());
    let plan = plan(&desired(&[snapshot("python", "b"), follows].concat()), &world, &Policy::default());
    assert!(plan.refusals.iter().any(|refusal| matches!(refusal, Refusal::DestroyLimit { .. })), "{:?}", plan.refusals);
}

/// The server never tells the environment, so that only the record says that it was not sent.
#[test]
fn an_environment_that_takes_a_new_sandbox_stays_outdated() {
    let with = |variable: &str, seconds: u32| {
        let spec =
            format!("{{snapshot: python, idle_ttl_seconds: {seconds}, env_vars: {{TOKEN: {{env: {variable}}}}}}}");
        let sandbox = format!("{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: box}}, spec: {spec}}}");
        desired(&[snapshot("python", "a"), sandbox].concat())
    };
    let nothing = World::new([], now()).with_inventory(&Inventory::default());
    let mut world = performed(&plan(&with("A", 600), &nothing, &Policy::default()), &nothing);
    // Neither by a plan with steps nor by one without.
    for action in ["update", "keep"] {
        let plan = plan(&with("B", 1200), &world, &Policy::default());
        let expected = format!("{action} sandbox/box");
        let text = text_of(&plan);
        assert!(
            text.contains(&expected) && text.contains("outdated: it is not as declared in env_vars.TOKEN"),
            "{text}"
        );
        world = performed(&plan, &world);
    }
    let kept = plan(&with("A", 1200), &world, &Policy::default());
    assert!(kept.is_empty() && !text_of(&kept).contains("outdated"), "{}", text_of(&kept));
}

/// Of a proxy's secrets the server tells that they are there. Whether a new one got there before the end is not known.
#[test]
fn a_secret_whose_update_did_not_end_is_sent_again() {
    let with = |variable: &str| {
        let header = format!("{{name: X-Key, value: {{env: {variable}}}}}");
        let proxy = format!("{{rules: [{{name: api, match_hosts: [a.example], headers: [{header}]}}]}}");
        let spec = format!("{{snapshot: python, proxy_config: {proxy}}}");
        let sandbox = format!("{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: box}}, spec: {spec}}}");
        desired(&[snapshot("python", "a"), sandbox].concat())
    };
    let nothing = World::new([], now()).with_inventory(&Inventory::default());
    let world = performed(&plan(&with("A"), &nothing, &Policy::default()), &nothing);
    let rotation = plan(&with("B"), &world, &Policy::default());
    assert!(text_of(&rotation).contains("update sandbox/box"), "{}", text_of(&rotation));
    let mut killed = world.inventory.as_deref().expect("there is a record").clone();
    killed.intend(rotation.intents(now()));
    let world = World::new(world.iter().cloned(), now()).with_inventory(&killed);
    let again = plan(&with("B"), &world, &Policy::default());
    assert!(text_of(&again).contains("update sandbox/box"), "{}", text_of(&again));
    let world = performed(&again, &world);
    let rest = plan(&with("B"), &world, &Policy::default());
    assert!(rest.is_empty(), "{}", text_of(&rest));
}

/// The memory came with the old CPU, and the disk with the old snapshot: a new sandbox would get neither.
#[test]
fn a_sandbox_that_is_made_anew_asks_for_nothing_that_a_new_one_does_not_get() {
    let sized = |vcpus: u8| {
        let spec = format!("{{snapshot: python, vcpus: {vcpus}}}");
        let lifecycle = "lifecycle: {on_snapshot_change: replace}";
        format!("{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: box}}, spec: {spec}, {lifecycle}}}")
    };
    let small = snapshot("python", "a").replace("8Gi", "1Gi");
    let world = altered(&owned(&[small.clone(), sized(2)].concat()), |live| {
        if let Ok(spec) = &mut live.spec
            && spec.kind() == kinds::SANDBOX_V2
        {
            let size = |text: &str| kinds::Value::Size(text.parse().expect("a size"));
            *spec = spec.with_changes(&[("mem_bytes", size("8Gi")), ("fs_capacity_bytes", size("1Gi"))]);
        }
    });
    let made = |declared: &str| {
        let plan = plan(&desired(declared), &world, &allowing());
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        let made = plan.steps.iter().find_map(|step| match &step.verb {
            Verb::Create { spec, .. } if step.key.kind == kinds::SANDBOX_V2 => Some(format!("{spec:?}")),
            _ => None,
        });
        made.expect("it is made anew")
    };
    let of = |image: &str| small.replace("image: a", &format!("image: {image}"));
    assert!(made(&[of("b"), sized(2)].concat()).contains(r#""mem_bytes": Size(8Gi), "fs_capacity_bytes": Size(1Gi)"#));
    assert!(!made(&[of("b"), sized(1)].concat()).contains("mem_bytes"));
    assert!(!made(&[snapshot("python", "b"), sized(2)].concat()).contains("fs_capacity_bytes"));
}

/// What is deleted first is not there any more when the server refuses the new one.
#[test]
fn a_sandbox_that_the_server_would_not_make_is_not_deleted() {
    let sized = |size: &str| {
        let spec = format!("{{snapshot: python, vcpus: 1, {size}}}");
        let lifecycle = "lifecycle: {on_snapshot_change: replace}";
        format!("{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: box}}, spec: {spec}, {lifecycle}}}")
    };
    let world = owned(&[snapshot("python", "a"), sized("mem_bytes: 4Gi, fs_capacity_bytes: 8Gi")].concat());
    let text =
        |snapshot: String, size: &str| text_of(&plan(&desired(&[snapshot, sized(size)].concat()), &world, &allowing()));
    let blocked = text(snapshot("python", "b"), "mem_bytes: 8Gi, fs_capacity_bytes: 8Gi");
    assert!(blocked.contains("blocked sandbox/box"), "{blocked}");
    assert!(blocked.contains("a new sandbox with 1 CPU has from 2Gi to 6Gi of memory, and this is 8Gi"), "{blocked}");
    let large = snapshot("python", "b").replace("8Gi", "16Gi");
    let blocked = text(large, "mem_bytes: 4Gi, fs_capacity_bytes: 8Gi");
    assert!(blocked.contains("blocked sandbox/box"), "{blocked}");
    assert!(blocked.contains("at least as large as its snapshot's, 16Gi, and this is 8Gi"), "{blocked}");
    // One that is there may get more.
    let updated = text(snapshot("python", "a"), "mem_bytes: 8Gi, fs_capacity_bytes: 8Gi");
    assert!(updated.contains("update sandbox/box [mem_bytes: 4Gi -> 8Gi]"), "{updated}");
}

#[test]
fn what_is_not_ours_stays_when_its_name_is_taken_over() {
    let world = world(&snapshot("python", "a")).with_inventory(&Inventory::default());
    let all = Policy { take_over: TakeOver::All, ..Policy::default() };
    let plan = plan(&desired(&snapshot("python", "b")), &world, &all);
    insta::assert_snapshot!(text_of(&plan), @r"
    replace snapshot/python [docker_image: a -> b] (docker_image cannot change in place) (it was not managed here, and is taken over) (it is published anew; the old one is not managed here, and stays as `python@made-1`)
    0. create snapshot/python after []
    ");
    assert_eq!(performed(&plan, &world).iter().count(), 2);
}

#[test]
fn what_the_server_adds_is_no_difference() {
    let live = "{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: box}, spec: {snapshot: python, vcpus: 2, \
                mem_bytes: 8Gi, idle_ttl_seconds: 600, labels: {inherited: yes, team: a}, persistent: true}}";
    let world = world(&[snapshot("python", "a"), live.to_owned()].concat());
    let declared =
        "{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: box}, spec: {snapshot: python, labels: {team: a}}}";
    let plan = plan(&desired(&[snapshot("python", "a"), declared.to_owned()].concat()), &world, &Policy::default());
    assert!(plan.is_empty(), "{}", text_of(&plan));
}

/// A failed sandbox can be started again, with its disk.
#[test]
fn a_sandbox_that_failed_is_not_destroyed_without_a_word() {
    let declared = snapshot("python", "a") + &sandbox("box", "python", "");
    let live = owned(&declared);
    let mut failed = altered(&live, |live| {
        if live.key.name.as_str() == "box" {
            live.health = Health::Failed("the host went away".to_owned());
        }
    });
    failed.inventory.clone_from(&live.inventory);
    let refused = |allow_destroy| {
        let plan = plan(&desired(&declared), &failed, &Policy { allow_destroy, ..Policy::default() });
        let notes: Vec<_> = plan.changes.iter().flat_map(|change| &change.notes).map(ToString::to_string).collect();
        assert!(notes.iter().any(|note| note.contains("disk")), "{notes:?}");
        plan.refusals
    };
    assert!(matches!(refused(None).as_slice(), [Refusal::DestroyLimit { n: 1, data, .. }] if data.len() == 1));
    assert!(refused(Some(1)).is_empty());
}
