use serde_json::{Value as Json, json};

use super::{Nested, Tree, from_wire, overlay, residue, to_wire};
use crate::kinds::form::Form;
use crate::kinds::secret::{SecretRef, SecretSource, Secrets};
use crate::kinds::{SANDBOX_V2, Shape, spec_from_json, spec_to_json};

fn form(path: &str) -> &'static Form {
    let field = SANDBOX_V2.fields().iter().find(|field| field.path == path).unwrap();
    let Shape::Nested(form) = field.shape else { panic!("{path} has parts") };
    form
}

#[track_caller]
fn proxy(json: &Json) -> Nested {
    Nested::from_json(form("proxy_config"), json).unwrap_or_else(|| panic!("{json}"))
}

fn parts(from: &Json, to: &Json) -> String {
    let text = |tree: Option<Tree>| tree.map_or_else(|| "-".to_owned(), |tree| tree.to_string());
    let parts = Nested::parts(Some(&proxy(from)), Some(&proxy(to))).into_iter();
    parts.map(|part| format!("{}: {} -> {}", part.path, text(part.from), text(part.to))).collect::<Vec<_>>().join("\n")
}

fn example() -> Json {
    json!({
        "rules": [
            {"name": "a", "match_hosts": ["a.example", "b.example"], "headers": [{"name": "X", "value": {"env": "A"}}]},
            {"name": "b", "aws": {"access_key_id": {"workspace_secret": "ID"}, "secret_access_key": {"file": "key"}}},
        ],
        "access_control": {"allow_list": ["*.example"]},
    })
}

#[test]
fn it_is_satisfied_by_itself_and_by_what_a_server_makes_of_it() {
    let declared = proxy(&example());
    assert!(declared.is_satisfied_by(&declared));
    assert!(declared.is_satisfied_by(&declared.read_back()), "of secrets only that they are there is told");
    let mut filled_in = example();
    filled_in["rules"][0]["enabled"] = json!(true);
    filled_in["rules"][0]["match_paths"] = json!([]);
    filled_in["callbacks"] = json!([]);
    filled_in["rules"][0]["match_hosts"] = json!(["b.example", "a.example"]);
    assert!(declared.is_satisfied_by(&proxy(&filled_in)), "what servers fill in is left alone");
    assert_eq!(parts(&filled_in, &example()), "");
}

#[test]
fn each_part_that_differs_is_told_by_its_path() {
    let mut live = example();
    live["rules"][0]["match_hosts"] = json!(["a.example"]);
    live["rules"][0]["headers"] = json!([]);
    live["rules"][1]["headers"] = json!([{"name": "Y", "value": "told"}]);
    live["description"] = json!("by hand");
    live["access_control"] = json!({"deny_list": ["c.example"]});
    insta::assert_snapshot!(parts(&live, &example()), @r"
    rules[a].match_hosts: [a.example] -> [a.example, b.example]
    rules[a].headers[X].name: - -> X
    rules[a].headers[X].value: - -> $A
    rules[b].headers[Y].name: Y -> -
    rules[b].headers[Y].value: told -> -
    access_control.allow_list: - -> [*.example]
    access_control.deny_list: [c.example] -> -
    ");
    let mut turned = example();
    turned["rules"].as_array_mut().unwrap().reverse();
    assert_eq!(parts(&turned, &example()), "rules (order): [b, a] -> [a, b]", "the first rule that fits holds");
}

#[test]
fn there_is_a_part_exactly_where_it_is_not_satisfied() {
    let change: [fn(&mut Json); 7] = [
        |json| json["rules"][0]["match_hosts"] = json!(["c.example"]),
        |json| json["rules"][0]["headers"][0]["value"] = json!("told"),
        |json| json["rules"][1]["aws"] = json!({"role_arn": "arn"}),
        |json| json["rules"].as_array_mut().unwrap().reverse(),
        |json| drop(json["rules"].as_array_mut().unwrap().pop()),
        |json| json["access_control"] = json!({}),
        |json| json["rules"][0]["enabled"] = json!(false),
    ];
    // Every set of changes on either side.
    let variant = |set: usize| {
        let mut json = example();
        change
            .iter()
            .enumerate()
            .filter(|(index, _)| set & (1 << index) != 0)
            .for_each(|(_, change)| change(&mut json));
        proxy(&json)
    };
    let variants: Vec<_> = (0..1 << change.len()).map(variant).collect();
    for declared in &variants {
        for live in &variants {
            let is_satisfied = declared.is_satisfied_by(live);
            let parts = Nested::parts(Some(live), Some(declared));
            assert_eq!(parts.is_empty(), is_satisfied, "{declared} and {live}: {parts:?}");
            let settled = declared.settled(live);
            assert!(declared.is_satisfied_by(&settled), "{declared} is settled as {settled}");
            assert!(settled.is_satisfied_by(&settled.read_back()));
        }
    }
}

#[test]
fn it_survives_the_way_through_json_and_the_wire() {
    let declared = proxy(&example());
    assert_eq!(declared.to_json(), example());
    let source = Planted;
    let secrets = Secrets::read(declared.secrets().into_iter(), &source).unwrap();
    let sent = to_wire(&declared, &secrets);
    assert_eq!(sent["rules"][0]["headers"][0], json!({"name": "X", "type": "opaque", "value": "planted"}));
    assert_eq!(
        sent["rules"][1]["aws"]["access_key_id"],
        json!({"type": "workspace_secret", "value": "{ID}"}),
        "a secret of the workspace is named in braces"
    );
    let mut told = sent;
    told["rules"][0]["headers"][0] = json!({"name": "X", "type": "opaque", "is_set": true});
    told["rules"][1]["aws"]["secret_access_key"] = json!({"type": "opaque", "is_set": true, "value": null});
    assert_eq!(from_wire(form("proxy_config"), &told), Some(declared.read_back()));
    told["rules"][0]["headers"][0]["is_set"] = json!(false);
    let live = from_wire(form("proxy_config"), &told).unwrap();
    assert!(!declared.is_satisfied_by(&live), "a secret that is not there is a difference");
}

#[test]
fn what_no_form_has_words_for_comes_back_to_its_place() {
    let form = form("proxy_config");
    let live = json!({
        "rules": [{"name": "a", "match_port": 8443, "headers": [{"name": "X", "type": "opaque", "is_set": true}]}],
        "later": {"x": 1},
        "no_proxy": null,
    });
    let rest = residue(form, &live).unwrap();
    assert_eq!(rest, json!({"rules": [{"name": "a", "match_port": 8443}], "later": {"x": 1}}));
    let mut sent = json!({"rules": [{"name": "b"}, {"name": "a"}]});
    overlay(form, &mut sent, &rest);
    assert_eq!(sent, json!({"rules": [{"name": "b"}, {"name": "a", "match_port": 8443}], "later": {"x": 1}}));
    assert_eq!(residue(form, &json!({"rules": [{"name": "a"}]})), None);
}

#[test]
fn the_secrets_of_a_spec_are_those_in_its_parts() {
    let json = json!({"snapshot": "a", "proxy_config": example(), "env_vars": {"A": "b", "C": {"env": "C"}}});
    let spec = spec_from_json(SANDBOX_V2, &json).unwrap();
    let secrets: Vec<_> = spec.secrets().map(ToString::to_string).collect();
    assert_eq!(secrets, ["$A", "file key", "$C"]);
    assert_eq!(spec_to_json(&spec), json);
    let told = spec_to_json(&spec.read_back());
    assert!(
        told.get("env_vars").is_none() && told["proxy_config"]["rules"][0]["headers"][0]["value"]["is_set"] == true
    );
    assert_eq!(spec.read_back().with_unreadable_of(&spec), spec, "where they are is known of what is declared");
}

/// Every secret is this.
struct Planted;

impl SecretSource for Planted {
    fn read(&self, _: &SecretRef) -> Result<crate::types::Secret, crate::kinds::SecretError> {
        Ok(crate::types::Secret::new("planted"))
    }
}
