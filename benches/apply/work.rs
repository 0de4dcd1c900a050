//! What is created: of ten objects three volumes, five templates, one of them on a volume, and two pools on templates.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// How many objects the longest chain has: a volume and a template on it, or a template and a pool.
pub(crate) const DEPTH: usize = 2;

/// An object to create.
pub(crate) enum Item {
    Volume { name: String },
    Template { name: String, mounts: Option<String> },
    Pool { name: String, template: String },
}

/// Returns `n` objects, each after those that it needs.
pub(crate) fn items(n: usize) -> Vec<Item> {
    let item = |i: usize| match i % 10 {
        0..3 => Item::Volume { name: format!("v{i}") },
        3 => Item::Template { name: format!("t{i}"), mounts: Some(format!("v{}", i - 3)) },
        4..8 => Item::Template { name: format!("t{i}"), mounts: None },
        _ => Item::Pool { name: format!("p{i}"), template: format!("t{}", i - 4) },
    };
    (0..n).map(item).collect()
}

/// Returns the manifests.
pub(crate) fn manifests(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        let (kind, name, spec) = match item {
            Item::Volume { name } => ("Volume", name, "{size: 1Gi}".to_owned()),
            Item::Template { name, mounts: None } => ("Template", name, "{image: debian}".to_owned()),
            Item::Template { name, mounts: Some(volume) } => {
                let mounts = format!("[{{volume_name: {volume}, mount_path: /data}}]");
                ("Template", name, format!("{{image: debian, volume_mounts: {mounts}}}"))
            }
            Item::Pool { name, template } => ("Pool", name, format!("{{template_name: {template}, replicas: 1}}")),
        };
        writeln!(text, "---\n{{apiVersion: sbx/v1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}")
            .expect("a string takes everything");
    }
    text
}

/// Returns the same for the script.
pub(crate) fn to_json(items: &[Item]) -> Value {
    let item = |item: &Item| match item {
        Item::Volume { name } => json!({"kind": "Volume", "name": name, "size": "1Gi", "after": []}),
        Item::Template { name, mounts } => {
            let after: Vec<_> = mounts.iter().map(|volume| format!("Volume/{volume}")).collect();
            json!({"kind": "Template", "name": name, "image": "debian", "mounts": mounts, "after": after})
        }
        Item::Pool { name, template } => {
            let after = [format!("Template/{template}")];
            json!({"kind": "Pool", "name": name, "template": template, "after": after})
        }
    };
    items.iter().map(item).collect()
}
