use serde_json::{Value as Json, json};

use super::*;
use crate::manifest::{Diagnostics, Input, Limits, load};

fn decoded(text: &str) -> (Vec<Object>, Diagnostics) {
    let input = Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut diagnostics) = load(&[input], &Limits::default());
    let objects = decode(&documents, &mut diagnostics);
    (objects, diagnostics)
}

/// One manifest of each kind with every field given.
const COMPLETE: &str = "
apiVersion: sbx/v1
kind: Volume
metadata: {name: datasets, labels: {team: research}, annotations: {note: kept}}
spec: {size: 20Gi}
lifecycle: {prevent_destroy: true, renamed_from: data, on_remove: delete, timeout: 5m}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec:
  image: python:3.12-slim
  resources: {cpu: 0.5, memory: 1Gi, storage: 4Gi}
  volume_mounts: [{volume_name: datasets, mount_path: /data}]
lifecycle: {replace: recreate}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: plain, replicas: {min: 2, max: 10}}
---
apiVersion: sbx/v1
kind: Sandbox
metadata: {name: box}
spec: {template_name: python, ttl_seconds: 3600, idle_ttl_seconds: 0}
lifecycle: {on_template_change: replace, on_expiry: recreate}
---
apiVersion: sbx/v2
kind: Registry
metadata: {name: private}
spec:
  url: ghcr.io/acme
  username: ci-bot
  password: {env: TOKEN}
  secret_version: 2
---
apiVersion: sbx/v2
kind: Registry
metadata: {name: role}
spec: {url: 123456789012.dkr.ecr.eu-west-1.amazonaws.com, aws_role_arn: arn:aws:iam::123456789012:role/pull}
---
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: team/python:3.12}
spec:
  docker_image: ghcr.io/acme/python:3.12
  fs_capacity_bytes: 8Gi
  registry_name: private
  labels: {team: research}
  description: for the evaluations
  run_config: {user: nobody, work_dir: /srv, env_vars: {LANG: C.UTF-8}}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: box}
spec:
  snapshot: team/python:3.12
  vcpus: 2
  mem_bytes: 8Gi
  fs_capacity_bytes: 16Gi
  idle_ttl_seconds: 600
  delete_after_stop_seconds: 0
  labels: {team: research}
  preserve_memory_on_stop: true
  persistent: true
  run_config: {user: nobody, work_dir: /srv, env_vars: {LANG: C.UTF-8}}
  proxy_config:
    rules:
    - {name: github, match_hosts: [api.github.com], headers: [{name: Authorization, value: {env: TOKEN}}, {name: X, value: told}]}
    - {name: s3, enabled: true, aws: {access_key_id: {workspace_secret: ID}, secret_access_key: {is_set: true}}}
    access_control: {allow_list: ['*.example.com']}
    callbacks: [{url: 'https://a.example', ttl_seconds: 60, match_hosts: [b.example]}]
  secret_version: 1
  mount_config:
    auth: {gcp: {service_account_json: {file: key.json}}}
    mounts:
    - {id: data, type: gcs, mount_path: /data, gcs: {bucket: b}, cache: {max_size_bytes: 1Gi, writeback_seconds: 5}}
    - {id: docs, type: git, mount_path: /docs, git: {remote_url: 'https://a.example', ref: {type: tag, name: v1}}}
  env_vars: {MODEL: small, TOKEN: {env: TOKEN}}
  access_delegation: {mode: EXPLICIT, permissions: ['datasets:read']}
  volumes: [{volume: data, mount_path: /vol, read_only: true}]
lifecycle: {on_snapshot_change: replace, on_expiry: recreate}
";

#[test]
fn every_field_has_a_value_a_shape_and_an_example_that_reads() {
    let (objects, diagnostics) = decoded(COMPLETE);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let mut kinds: Vec<_> = objects.iter().map(|object| object.key.kind).collect();
    kinds.dedup();
    assert_eq!(kinds, all().collect::<Vec<_>>());
    for (kind, index, field) in all().flat_map(|kind| kind.fields().iter().enumerate().map(move |(i, f)| (kind, i, f)))
    {
        let of_kind = || objects.iter().filter(move |object| object.key.kind == kind);
        let is_given = of_kind().any(|object| object.spec.values()[index].is_some());
        assert!(is_given, "{kind}.{} has a value in an example", field.path);
    }
    for object in objects {
        let fields = object.key.kind.fields();
        assert_eq!(fields.len(), object.spec.values().len(), "{}: a rule for each field", object.key.kind);
        for (field, value) in fields.iter().zip(object.spec.values()) {
            let Some(value) = value else { continue };
            let shape = match value {
                Value::Nested(nested) => Shape::Nested(nested.form),
                Value::Cpu(_) => Shape::Cpu,
                Value::Size(_) => Shape::Size,
                Value::Image(_) => Shape::Image,
                Value::Replicas(_) => Shape::Replicas,
                Value::Ttl(_) => Shape::Ttl,
                Value::Reference(reference) => Shape::Reference(reference.kind),
                Value::Mounts(_) => Shape::Mounts(VOLUME),
                Value::Text(_) => Shape::Text,
                Value::Number(_) => Shape::Number,
                Value::Secret(_) => Shape::Secret,
                Value::Flag(_) => Shape::Flag,
                Value::Map(_) => Shape::Map,
            };
            assert_eq!(field.shape, shape, "{}.{}", object.key.kind, field.path);
            assert!(!field.doc.is_empty() && !field.example.is_empty());
        }
    }
}

#[test]
fn references_go_down_the_list_of_kinds() {
    let (objects, _) = decoded(COMPLETE);
    for object in objects {
        for reference in object.spec.references() {
            assert!(reference.kind < object.key.kind, "{} refers to {}", object.key.kind, reference.kind);
        }
    }
}

#[test]
fn the_list_and_the_constants_agree() {
    let names: Vec<_> =
        [VOLUME, TEMPLATE, POOL, SANDBOX, REGISTRY, SNAPSHOT, SANDBOX_V2].iter().map(|kind| kind.info().kind).collect();
    assert_eq!(names, ["Volume", "Template", "Pool", "Sandbox", "Registry", "Snapshot", "Sandbox"]);
    assert_eq!(names.len(), ALL.len());
    for kind in all() {
        let info = kind.info();
        for word in [info.singular, info.plural].iter().chain(info.short) {
            assert!(meant_by(word).contains(&kind), "{word}");
            assert_eq!(meant_by(&format!("{word}.{}", info.api_version.suffix())), [kind], "{word}");
        }
    }
}

#[test]
fn values_survive_the_way_through_the_typed_spec() {
    let (objects, _) = decoded(COMPLETE);
    for object in objects {
        let again = object.key.kind.spec_from_values(object.spec.values().to_vec());
        assert_eq!(again.as_ref(), Some(&object.spec));
    }
}

#[test]
fn a_manifest_written_from_a_spec_reads_back() {
    let (objects, _) = decoded(COMPLETE);
    for object in objects {
        let text = serde_yaml::to_string(&to_manifest(&object.key.name, &object.spec)).expect("JSON is YAML");
        let (again, diagnostics) = decoded(&text);
        assert!(diagnostics.is_empty(), "{text}\n{diagnostics:?}");
        assert_eq!(again[0].spec, object.spec);
    }
}

#[test]
fn a_spec_survives_the_way_through_json() {
    let (objects, _) = decoded(COMPLETE);
    for object in objects {
        let json = spec_to_json(&object.spec);
        let again = spec_from_json(object.key.kind, &json).expect("it was written");
        assert_eq!(again, object.spec);
        assert_eq!(spec_to_json(&again), json, "spelling too");
    }
}

#[test]
fn json_that_is_no_spec_is_refused_by_the_field() {
    let read = |kind, json| spec_from_json(kind, &json).map(|spec| spec_to_json(&spec));
    let defaults = serde_json::json!({"image": "a", "resources": {"cpu": "500m", "memory": "512Mi"}});
    assert_eq!(read(TEMPLATE, serde_json::json!({"image": "a"})), Ok(defaults));
    for (kind, json, problem) in [
        (VOLUME, serde_json::json!({}), "`size` is missing"),
        (VOLUME, serde_json::json!({"size": "big"}), "`size` is not a quantity: \"big\""),
        (VOLUME, serde_json::json!([]), "`size` is missing"),
        (VOLUME, serde_json::json!({"size": "1", "x": {"y": 1}}), "a volume has no field `x.y`"),
        (
            POOL,
            serde_json::json!({"template_name": "a", "replicas": {"min": 2, "max": 1}}),
            "`replicas` is not a whole number, or {min, max}: {\"max\":1,\"min\":2}",
        ),
        (
            SANDBOX,
            serde_json::json!({"template_name": "a", "ttl_seconds": 61}),
            "`ttl_seconds` is not seconds, a multiple of 60: 61",
        ),
        (
            TEMPLATE,
            serde_json::json!({"image": "a", "volume_mounts": [{"mount_path": "/a"}]}),
            "`volume_mounts` is not a list of {volume_name, mount_path}: [{\"mount_path\":\"/a\"}]",
        ),
    ] {
        assert_eq!(read(kind, json), Err(problem.to_owned()));
    }
}

#[test]
fn defaults_are_filled_in_and_what_is_left_alone_is_not() {
    let (objects, diagnostics) = decoded(
        "{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: python}}\n---\n\
         {apiVersion: sbx/v1, kind: Sandbox, metadata: {name: a}, spec: {template_name: a}}",
    );
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let json = spec_to_json(&objects[0].spec);
    assert_eq!(json, serde_json::json!({"image": "python", "resources": {"cpu": "500m", "memory": "512Mi"}}));
    assert_eq!(spec_to_json(&objects[1].spec), serde_json::json!({"template_name": "a"}));
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let (objects, diagnostics) = decoded(
        "
apiVersion: sbx/v3
kind: Tempalte
metadata: {name: Bad_Name}
spec: {}
---
apiVersion: sbx/v1
kind: Volume
metadata: {name: a}
spec: {size: 5GB, sise: 1}
lifecycle: {on_expiry: ignore, on_remove: never}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: p}
spec: {template_name: mounted, replicas: -1}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: q}
spec: {template_name: mounted, replicas: 101}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: mounted}
spec: {image: python, volume_mounts: [{volume_name: a, mount_path: /data}, {volume_name: b, mount_path: data}]}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: mounted}
spec: {image: python, volume_mounts: [{volume_name: a, mount_path: /data}]}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: mounted}
spec: {image: python, volume_mounts: [{volume_name: a, mount_path: /d}, {volume_name: b, mount_path: /d}]}
---
apiVersion: sbx/v1
kind: Sandbox
metadata: {name: s--sbx-1}
spec: {template_name: mounted, ttl_seconds: 61}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: mounted}
spec: {image: python}
",
    );
    let messages: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    for expected in [
        "unknown `apiVersion`: `sbx/v3`",
        "unknown kind `Tempalte`",
        "`Bad_Name` is not a valid name",
        "`5GB` is not a size",
        "unknown field `sise` in `spec`",
        "unknown field `on_expiry` in `lifecycle`",
        "`on_remove` cannot be `never`",
        "-1 is not a number of replicas",
        "servers are known to take at most 100 replicas",
        "template `mounted` has volume mounts, so it cannot be pooled",
        "`data` is not a mount path",
        "template/mounted is declared twice",
        "two volumes at `/d`",
        "the name `s--sbx-1` is reserved",
        "61 is not a time to live",
    ] {
        assert!(messages.contains(&expected), "{expected:?} is not among {messages:#?}");
    }
    assert_eq!(messages.len(), 15, "{messages:#?}");
    assert_eq!(objects.len(), 3);
}

#[test]
fn limits_that_the_server_owns_are_warnings() {
    let (objects, diagnostics) = decoded(
        "{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 1Gi}, lifecycle: {timeout: 10m}}\n---\n\
         {apiVersion: sbx/v1, kind: Pool, metadata: {name: a}, spec: {template_name: t, replicas: 5}, \
         lifecycle: {timeout: 10m}}",
    );
    assert_eq!(objects.len(), 2);
    let messages: Vec<_> = diagnostics.warnings().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(messages, ["servers are known to wait 5 to 300 s for a volume"]);
    assert!(!diagnostics.has_errors());
}

#[test]
fn two_objects_are_not_renamed_from_one() {
    let volume = |name: &str, from: &str| {
        format!(
            "{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: {name}}}, spec: {{size: 1Gi}}, \
             lifecycle: {{renamed_from: {from}}}}}\n"
        )
    };
    let (_, diagnostics) = decoded(&format!("{}---\n{}---\n{}", volume("a", "x"), volume("b", "x"), volume("c", "c")));
    let messages: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(messages, ["two objects are renamed from `x`", "volume/c cannot be renamed from itself"]);
}

#[test]
fn fields_explain_themselves() {
    let field = explain("pool.replicas").expect("pools have replicas");
    assert_eq!(field.title, "pool.replicas");
    assert_eq!(field.facts[0], ("required", "yes".to_owned()));
    assert_eq!(explain("po.spec.replicas"), Some(field));
    assert_eq!(explain("templates").map(|kind| kind.fields.len()), Some(5));
    assert_eq!(explain("template.resources").map(|group| group.fields.len()), Some(3));
    assert_eq!(explain("pool.replica"), None);
    assert_eq!(explain("pools.spec"), explain("pool"));
}

#[test]
fn the_schema_knows_every_field_of_every_kind() {
    let schema = manifest_schema();
    let kinds = schema["oneOf"].as_array().expect("one schema for each kind");
    for (kind, schema) in all().zip(kinds) {
        for field in kind.fields() {
            let pointer = field
                .path
                .split('.')
                .fold("/properties/spec".to_owned(), |pointer, key| format!("{pointer}/properties/{key}"));
            assert!(schema.pointer(&pointer).is_some(), "{}.{}", kind, field.path);
        }
    }
}

#[test]
fn every_kind_reads_the_settings_that_it_explains_and_no_others() {
    let (objects, _) = decoded(COMPLETE);
    let all: std::collections::BTreeSet<_> =
        all().flat_map(|kind| lifecycle::settings(kind.info())).map(|setting| setting.name).collect();
    assert_eq!(all.len(), 9, "{all:?}");
    for object in objects {
        let settings = lifecycle::settings(object.key.kind.info());
        for name in &all {
            let known = settings.iter().find(|setting| setting.name == *name);
            let mut manifest = object_to_manifest(&object);
            manifest["lifecycle"] = json!({ *name: known.map_or("keep", |setting| setting.example) });
            let text = manifest.to_string().replace("\"true\"", "true");
            let (_, diagnostics) = decoded(&text);
            assert_eq!(diagnostics.iter().next().is_none(), known.is_some(), "{text}: {diagnostics:?}");
            let info = object.key.kind.info();
            let explained = explain(&format!("{}.{}.lifecycle.{name}", info.singular, info.api_version.suffix()));
            assert_eq!(explained.is_some(), known.is_some(), "{text}");
        }
    }
}

#[test]
fn a_kind_of_another_version_says_so() {
    let problem = |head: &str| {
        let (_, diagnostics) = decoded(&format!("{{{head}, metadata: {{name: a}}, spec: {{size: 1Gi}}}}"));
        let shown = diagnostics
            .iter()
            .map(|problem| format!("{}; {}", problem.message, problem.help.as_deref().unwrap_or("-")));
        shown.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(problem("apiVersion: sbx/v2, kind: Volume"), @"there is no `Volume` in `sbx/v2`; `Volume` is of `sbx/v1`");
    insta::assert_snapshot!(problem("apiVersion: sbx/v2, kind: Registri"), @"unknown kind `Registri`; did you mean `Registry`?");
    insta::assert_snapshot!(problem("kind: Elephant"), @r"
    missing field `apiVersion` in a manifest; -
    unknown kind `Elephant`; the kinds are Volume, Template, Pool, Sandbox, Registry, Snapshot
    ");
    insta::assert_snapshot!(problem("apiVersion: sbx/v3, kind: Volume"), @"unknown `apiVersion`: `sbx/v3`; this version of sbx reads `sbx/v1` and `sbx/v2`");
}

#[test]
fn a_secret_is_named_and_never_written_out() {
    let problem = |login: &str| {
        let text =
            format!("{{apiVersion: sbx/v2, kind: Registry, metadata: {{name: a}}, spec: {{url: a.example, {login}}}}}");
        let (objects, diagnostics) = decoded(&text);
        assert!(objects.is_empty() && !format!("{diagnostics:?}").contains("hunter2"), "{diagnostics:?}");
        diagnostics.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
    };
    insta::assert_snapshot!(problem("username: a, password: hunter2"), @"a password does not stand in a manifest itself");
    insta::assert_snapshot!(problem("username: a, password: {env: A, file: b}"), @"a password is in one place");
    insta::assert_snapshot!(problem("username: a"), @"a user name without a password");
    insta::assert_snapshot!(problem("password: {env: A}"), @"a password without a user name");
    insta::assert_snapshot!(problem("username: a, password: {env: A}, aws_role_arn: b"), @"two ways to log in");
}

#[test]
fn all_that_is_wrong_in_a_value_with_parts_is_reported_where_it_stands() {
    let problems = |field: &str| {
        let text =
            format!("{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: a}}, spec: {{snapshot: a, {field}}}}}");
        let (objects, mut diagnostics) = decoded(&text);
        assert!(objects.is_empty() && !format!("{diagnostics:?}").contains("hunter2"), "{diagnostics:?}");
        diagnostics.sort();
        let shown = |problem: &crate::manifest::Diagnostic| {
            let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
            let span = problem.span().unwrap();
            format!("{}: {}{help}", &text[span.start as usize..span.end as usize], problem.message)
        };
        diagnostics.iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(problems("proxy_config: {rules: [{name: a, match_host: [b]}, {name: a, aws: {}, gcp: {}}], access_control: {allow_list: [], deny_list: []}}"), @r"
    match_host: unknown field `match_host` in a rule (did you mean `match_hosts`?)
    a: two of `rules` have the name `a`
    gcp: `aws` and `gcp` exclude each other
    deny_list: `allow_list` and `deny_list` exclude each other
    ");
    insta::assert_snapshot!(problems("proxy_config: {callbacks: [{url: a, ttl_seconds: 59}], rules: [{aws: {secret_access_key: hunter2}}]}"), @r"
    59: `ttl_seconds` cannot be 59
    aws: missing field `name` in a rule
    hunter2: `secret_access_key` does not stand in a manifest itself (name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`)
    ");
    insta::assert_snapshot!(problems("mount_config: {auth: {gcp: {}}, mounts: [{id: a, type: s3, mount_path: /a, git: {remote_url: b}}, {id: a, type: git, mount_path: /a, git: {remote_url: b, refresh_interval_seconds: 0}}]}"), @r"
    a: two of `mounts` have the id `a`
    0: `refresh_interval_seconds` cannot be 0
    ");
    insta::assert_snapshot!(problems("mount_config: {auth: {gcp: {}}, mounts: [{id: a, type: s3, mount_path: /a, git: {remote_url: b}}, {id: b, type: git, mount_path: /a, git: {remote_url: b}}]}"), @r"
    gcp: no mount uses `auth.gcp`: it is for the type gcs
    s3: a mount of the type s3 has the block `s3`, and no other
    s3: a mount of the type s3 needs `auth.aws`
    /a: two mounts at one path
    ");
    insta::assert_snapshot!(problems("mount_config: {auth: {aws: {}}, mounts: [{id: a, type: s3, mount_path: /a, s3: {bucket: b, region: c}}]}, proxy_config: {rules: [{name: a, aws: {}}]}"), @"aws: aws has credentials both of mounts and of the proxy");
    insta::assert_snapshot!(problems("access_delegation: {mode: ALL, permissions: []}, volumes: [{volume: 7e1c4a52-0c1f-4d36-9a52-111111111111, mount_path: a}]"), @r"
    ALL: `mode` cannot be `ALL`
    []: `permissions` has 0 items
    a: `a` is not a mount path (for example `/a`)
    ");
    insta::assert_snapshot!(problems("env_vars: {A: {workspace_secret: B}, C: 1}"), @r#"
    {workspace_secret: B}: `A` is in one place (name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`)
    workspace_secret: unknown field `workspace_secret` in `A` (the fields of `A` are `env`, `file`)
    1: `C` must be a string, not an integer (put it in quotes: `"1"`)
    "#);
}

#[test]
fn parts_explain_themselves() {
    let rule = explain("sandbox.v2.proxy_config.rules").unwrap();
    assert!(rule.fields.iter().any(|(name, _)| *name == "match_hosts"), "{rule:?}");
    let header = explain("sandbox.proxy_config.rules.headers.value").unwrap();
    assert_eq!(header.shape, "a text, {env: NAME}, {file: PATH} or {workspace_secret: NAME}");
    assert_eq!(explain("sandbox.proxy_config.rules.header"), None);
}

#[test]
fn what_a_manifest_lets_end_by_itself_is_told_from_what_stays() {
    let ends = |kind, json: Json| spec_from_json(kind, &json).unwrap().ends();
    let first = |ttl, idle| ends(SANDBOX, json!({"template_name": "t", "ttl_seconds": ttl, "idle_ttl_seconds": idle}));
    assert!(first(60, 0) && first(0, 60) && !first(0, 0));
    assert!(!ends(SANDBOX, json!({"template_name": "t"})));
    let second = |idle, after| json!({"snapshot": "s", "idle_ttl_seconds": idle, "delete_after_stop_seconds": after});
    assert!(ends(SANDBOX_V2, second(0, 60)), "somebody may stop it");
    assert!(!ends(SANDBOX_V2, second(60, 0)), "it is stopped, and stays");
    assert!(ends(SANDBOX_V2, json!({"snapshot": "s", "idle_ttl_seconds": 60})), "servers have a default");
    assert!(!ends(TEMPLATE, json!({"image": "a"})));
}
