//! What is written reads as it was, and what was never ours is not lost.

#[path = "../../../tests/it/json_schema.rs"]
mod json_schema;

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::kinds::{self, OnExpiry, OnSuperseded, RenamedFrom, Replace, Timeout};
use crate::reconcile::world::World;
use crate::types::Name;

const SPECS: [(&str, &str); 9] = [
    ("volume", r#"{"size":"20Gi"}"#),
    ("volume", r#"{"size":"1"}"#),
    ("template", r#"{"image":"a:1"}"#),
    ("template", r#"{"image":"x","resources":{"cpu":"0.5","memory":"1Gi","storage":"4Gi"}}"#),
    ("template", r#"{"image":"x","volume_mounts":[{"mount_path":"/d","volume_name":"v"}]}"#),
    ("pool", r#"{"replicas":{"max":10,"min":2},"template_name":"t"}"#),
    ("pool", r#"{"replicas":0,"template_name":"t"}"#),
    ("sandbox", r#"{"template_name":"t"}"#),
    ("sandbox", r#"{"idle_ttl_seconds":0,"template_name":"t","ttl_seconds":120}"#),
];

fn spec(index: usize) -> Spec {
    let (kind, text) = SPECS[index];
    kinds::spec_from_json(kinds::meant_by(kind)[0], &serde_json::from_str(text).unwrap()).unwrap()
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z]([-a-z0-9]{0,8}[a-z0-9])?".prop_map(|text| Name::parse(&text).unwrap())
}

/// Anything that JSON must escape, and what looks like structure.
fn text() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\n\t{}\\[\\],:é☃]{0,12}"
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000_000_000).prop_map(|micros| Timestamp::from_microseconds(micros).unwrap())
}

fn json_map() -> impl Strategy<Value = Map<String, Json>> {
    prop::collection::btree_map("x_[a-z]{1,4}", text(), 0..2)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name, json!([value]))).collect())
}

prop_compose! {
    fn lifecycle()(
        prevent_destroy in any::<bool>(),
        renamed_from in prop::option::of(prop::option::of(name())),
        replace in prop::option::of(prop::sample::select(vec![Replace::Rolling, Replace::Recreate])),
        on_remove in prop::option::of(prop::sample::select(vec![OnRemove::Delete, OnRemove::Retain])),
        on_superseded in prop::sample::select(vec![OnSuperseded::Keep, OnSuperseded::Replace]),
        on_expiry in prop::sample::select(vec![OnExpiry::Ignore, OnExpiry::Recreate]),
        timeout_ms in prop::option::of(1_u64..10_000_000),
    ) -> Lifecycle {
        Lifecycle {
            prevent_destroy,
            renamed_from: renamed_from.map(|name| name.map_or(RenamedFrom::Nothing, RenamedFrom::Name)),
            replace,
            on_remove,
            on_superseded,
            on_expiry,
            timeout: timeout_ms.map(|ms| Timeout(std::time::Duration::from_millis(ms))),
        }
    }
}

prop_compose! {
    fn entry()(
        index in 0..SPECS.len(),
        id in prop::option::of("[0-9a-f]{8}"),
        is_released in any::<bool>(),
        lifecycle in lifecycle(),
        labels in prop::collection::btree_map(text(), text(), 0..3),
        source in prop::option::of(text()),
        expires_at in prop::option::of(time()),
        extra in json_map(),
    ) -> Entry {
        Entry {
            id: id.map(ObjectId::new),
            standing: if is_released { Standing::Released } else { Standing::Owned },
            applied: spec(index).into(),
            lifecycle,
            labels,
            source: source.map(Into::into),
            expires_at,
            extra,
        }
    }
}

fn keyed() -> impl Strategy<Value = (Key, Entry)> {
    (name(), entry()).prop_map(|(name, entry)| (Key { kind: entry.applied.kind(), name }, entry))
}

fn intent() -> impl Strategy<Value = Intent> {
    (keyed(), time(), json_map(), 0..4_u8).prop_map(|((key, entry), at, carry, deed)| {
        let deed = match deed {
            0 => Deed::Create { spec: entry.applied().unwrap().settled(None), carry },
            1 => Deed::Update,
            2 => Deed::Rename,
            _ => Deed::Delete,
        };
        Intent { key, deed, entry, becomes: None, at }
    })
}

prop_compose! {
    fn run()(
        at in time(),
        by in text(),
        commit in prop::option::of(text()),
        url in prop::option::of(text()),
        serial in prop::option::of(any::<u64>()),
        outcome in text(),
        summary in text(),
        extra in json_map(),
    ) -> Run {
        Run { at, by, commit, url, serial, outcome, summary, extra }
    }
}

fn effect() -> impl Strategy<Value = Effect> {
    let key = || keyed().prop_map(|(key, _)| key);
    prop_oneof![
        keyed().prop_map(|(key, entry)| Effect::Put { key, entry }),
        (key(), prop::option::of(text())).prop_map(|(key, id)| Effect::Drop { key, id: id.map(ObjectId::new) }),
        (key(), name()).prop_map(|(from, name)| Effect::Move { to: Key { kind: from.kind, name }, from }),
        prop::option::of(any::<bool>())
            .prop_map(|references_follow_renames| Effect::Learn(Habits { references_follow_renames })),
    ]
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let parts = (
        (prop::option::of(text()), prop::option::of(any::<u64>()), prop::option::of(any::<bool>())),
        prop::collection::vec(effect(), 0..12),
        prop::collection::vec(intent(), 0..4),
        prop::collection::vec(run(), 0..3),
        json_map(),
    );
    parts.prop_map(|((endpoint, serial, follow), effects, intents, runs, fields)| {
        let habits = Habits { references_follow_renames: follow };
        let mut inventory = Inventory { endpoint, serial, habits, ..Inventory::default() };
        for effect in effects {
            inventory.apply(effect);
        }
        inventory.intend(intents);
        inventory.runs = runs;
        inventory.unread.fields = fields;
        inventory
    })
}

fn assert_same(a: &Inventory, b: &Inventory) {
    let Inventory { endpoint, serial, entries, ids, intents, habits, runs, unread } = a;
    assert_eq!((endpoint, serial, habits), (&b.endpoint, &b.serial, &b.habits));
    assert_eq!((entries, ids), (&b.entries, &b.ids));
    assert_eq!((intents, runs), (&b.intents, &b.runs));
    assert_eq!((&unread.entries, &unread.fields), (&b.unread.entries, &b.unread.fields));
}

proptest! {
    #[test]
    fn what_is_written_reads_as_it_was_and_fits_the_schema(inventory in inventory()) {
        let text = inventory.to_text();
        let read = Inventory::from_text(&text).unwrap();
        assert_same(&inventory, &read);
        prop_assert_eq!(read.to_text(), text.clone());
        prop_assert!(Inventory::is_one(&text));
        let mut wrong = json_schema::violations(&serde_json::from_str(&text).unwrap(), &inventory_schema());
        // Only what the test itself put there may be unknown to the schema.
        wrong.retain(|what| !what.contains(".x_"));
        prop_assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn an_effect_is_one_line_that_reads_as_it_was(effect in effect()) {
        let text = effect.to_text();
        prop_assert!(!text.contains('\n'), "{}", text);
        prop_assert_eq!(Effect::from_text(&text).unwrap(), effect);
    }

    #[test]
    fn half_a_file_is_no_inventory(inventory in inventory(), cut in any::<prop::sample::Index>()) {
        let text = inventory.to_text();
        let mut at = cut.index(text.trim_end().len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        prop_assert!(Inventory::from_text(&text[..at]).is_err());
    }
}

fn owned(name: &str, id: &str) -> (Key, Entry) {
    let applied = Applied::from(spec(0));
    let entry = Entry {
        id: Some(ObjectId::new(id)),
        standing: Standing::Owned,
        lifecycle: Lifecycle { prevent_destroy: true, ..Lifecycle::default() },
        labels: Labels::from([("team".to_owned(), "research".to_owned())]),
        source: Some("manifests/data.yaml".into()),
        expires_at: None,
        extra: Map::new(),
        applied,
    };
    (Key { kind: entry.applied.kind(), name: Name::parse(name).unwrap() }, entry)
}

#[test]
fn an_object_is_a_line() {
    let mut inventory = Inventory {
        endpoint: Some("https://sandboxes.example.com".to_owned()),
        serial: Some(7),
        ..Inventory::default()
    };
    let (key, entry) = owned("data", "id-1");
    let at = Timestamp::from_microseconds(1_774_353_600_000_000).unwrap();
    inventory.intend(vec![Intent { key: key.clone(), deed: Deed::Delete, entry: entry.clone(), becomes: None, at }]);
    inventory.apply(Effect::Put { key, entry });
    inventory.remember(Run {
        at,
        by: "mila@lab".to_owned(),
        commit: Some("19dc497a".to_owned()),
        url: None,
        serial: Some(7),
        outcome: "done".to_owned(),
        summary: "1 created".to_owned(),
        extra: Map::new(),
    });
    insta::assert_snapshot!(inventory.to_text(), @r#"
    {
      "type": "sbx-inventory",
      "format_version": 1,
      "endpoint": "https://sandboxes.example.com",
      "serial": 7,
      "habits": {},
      "entries": [
        {"kind": "Volume", "name": "data", "id": "id-1", "spec": {"size":"20Gi"}, "lifecycle": {"prevent_destroy":true}, "labels": {"team":"research"}, "source": "manifests/data.yaml"}
      ],
      "intents": [
        {"deed": "delete", "kind": "Volume", "name": "data", "at": "2026-03-24T12:00:00Z", "id": "id-1", "spec": {"size":"20Gi"}, "lifecycle": {"prevent_destroy":true}, "labels": {"team":"research"}, "source": "manifests/data.yaml"}
      ],
      "runs": [
        {"at": "2026-03-24T12:00:00Z", "by": "mila@lab", "commit": "19dc497a", "serial": 7, "outcome": "done", "summary": "1 created"}
      ]
    }
    "#);
}

#[test]
fn what_a_later_version_wrote_is_written_back() {
    let text = r#"{
      "type": "sbx-inventory", "format_version": 1, "endpoint": null, "colour": "red",
      "habits": {"renames_are_fast": true},
      "entries": [
        {"kind": "Snapshot", "name": "Odd Name", "spec": {"of": "x"}},
        {"kind": "Volume", "name": "data", "spec": {"size": "1Gi", "tier": "cold"}, "mood": "good"}
      ],
      "intents": [{"deed": "polish", "kind": "Volume", "name": "data", "at": "2026-03-24T12:00:00Z", "spec": {}}],
      "runs": [{"at": "2026-03-24T12:00:00Z", "by": "a@b", "outcome": "done", "summary": "", "weather": "fine"}]
    }"#;
    let inventory = Inventory::from_text(text).unwrap();
    assert_eq!(inventory.len(), 1);
    let (_, entry) = inventory.iter().next().unwrap();
    assert_eq!(entry.applied(), None, "a spec with an unknown field is not known");
    let before: Json = serde_json::from_str(text).unwrap();
    let mut after: Json = serde_json::from_str(&inventory.to_text()).unwrap();
    after["entries"].as_array_mut().unwrap().reverse();
    assert_eq!(before, after);
}

#[test]
fn what_is_no_inventory_is_said() {
    let error = |text: &str| Inventory::from_text(text).unwrap_err().to_string();
    let with = |fields: &str| format!(r#"{{"type": "sbx-inventory", "format_version": 1, {fields}}}"#);
    assert_eq!(error("{}"), "`format_version` is missing");
    assert_eq!(
        error(r#"{"type": "sbx-inventory", "format_version": 2}"#),
        "it has format version 2, and this version of sbx reads 1"
    );
    assert!(error("<<<<<<< ours").contains("expected value"));
    for (fields, why) in [
        (r#""entries": [{"kind": "Volume"}]"#, "an entry cannot be read: `name` is missing"),
        (r#""entries": [{"kind": "Volume", "name": "A", "spec": {}}]"#, "`A` is no name"),
        (r#""entries": [{"kind": "Volume", "name": "a", "standing": "lent"}]"#, "`standing` cannot be `lent`"),
        (r#""entries": [{"kind": "Volume", "name": "a", "lifecycle": {"x": 1}}]"#, "`lifecycle.x` cannot be 1"),
        (
            r#""entries": [{"kind": "Volume", "name": "a"}, {"kind": "Volume", "name": "a"}]"#,
            "volume/a stands in it twice",
        ),
    ] {
        assert!(error(&with(fields)).contains(why), "{fields}: {}", error(&with(fields)));
    }
}

#[test]
fn what_is_done_is_intended_no_longer() {
    let at = Timestamp::from_microseconds(0).unwrap();
    let (key, entry) = owned("data", "id-1");
    let spec = spec(0);
    let intents = [Deed::Delete, Deed::Create { spec, carry: Map::new() }];
    let intents = intents.map(|deed| Intent { key: key.clone(), deed, entry: entry.clone(), becomes: None, at });
    let mut inventory = Inventory::default();
    inventory.intend(intents.to_vec());
    inventory.intend(Vec::new());
    assert_eq!(inventory.intents.len(), 2, "what nothing new is said about stays");
    inventory.fulfil(Effect::Drop { key: key.clone(), id: None });
    assert_eq!(inventory.intents, intents[1..], "it is deleted, and not made anew yet");
    inventory.fulfil(Effect::Put { key: key.clone(), entry: entry.clone() });
    assert!(inventory.intents.is_empty());
    inventory.intend(intents[..1].to_vec());
    inventory.intend(intents[1..].to_vec());
    assert_eq!(inventory.intents, intents[1..], "the last word counts");
}

#[test]
fn what_was_to_be_made_anew_stays_open_until_its_old_name_is_there_again() {
    let at = Timestamp::from_microseconds(0).unwrap();
    let (key, mut entry) = owned("new", "id-1");
    entry.lifecycle.renamed_from = Some(RenamedFrom::Name(Name::parse("old").unwrap()));
    let carry = Map::from_iter([("x_later".to_owned(), json!(1))]);
    let intent = Intent { key, deed: Deed::Create { spec: spec(0), carry }, entry, becomes: None, at };
    let mut inventory = Inventory::default();
    inventory.intend(vec![intent.clone()]);

    let (old, entry) = owned("old", "id-2");
    let live = kinds::Live {
        key: old.clone(),
        id: entry.id.clone(),
        spec: Ok(spec(0)),
        health: kinds::Health::Good,
        created_at: None,
        expires_at: None,
        mark: None,
        build: None,
        extra: Map::new(),
    };
    let world = World::new([live], at);
    assert_eq!(inventory.settle(&World::new([], at)).open, std::slice::from_ref(&intent), "the old one is gone");
    assert_eq!(inventory.settle(&world).open, std::slice::from_ref(&intent), "somebody else's has the name");
    let mut renamed = entry.clone();
    renamed.lifecycle.renamed_from = Some(RenamedFrom::Name(Name::parse("other").unwrap()));
    inventory.apply(Effect::Put { key: old.clone(), entry: renamed });
    assert_eq!(inventory.settle(&world).open, [intent], "one that came by the name in a rename of its own");
    inventory.apply(Effect::Put { key: old, entry });
    assert_eq!(inventory.settle(&world).open, [], "it is made under its old name");
}
