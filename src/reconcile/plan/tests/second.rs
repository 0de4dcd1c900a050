//! Random manifests of the second generation: registries, snapshots, and sandboxes with all that has parts.

use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;

/// Returns the manifest sets over a small universe of names, so that names meet.
pub(super) fn manifests() -> impl Strategy<Value = String> {
    let registries = prop::collection::btree_map(0..3_usize, (registry(), lifecycle("r")), 0..3);
    let snapshots = prop::collection::btree_map(0..4_usize, (snapshot(), lifecycle("i")), 0..5);
    let sandboxes = prop::collection::btree_map(0..3_usize, (sandbox(), lifecycle("b")), 0..4);
    (registries, snapshots, sandboxes).prop_map(|(registries, snapshots, sandboxes)| {
        let mut text = String::new();
        let mut origins = HashSet::new();
        let sorts = [("Registry", "r", registries), ("Snapshot", "i", snapshots), ("Sandbox", "b", sandboxes)];
        for (kind, prefix, objects) in sorts {
            for (number, (spec, Lifecycle { origin, rest })) in objects {
                let origin = origin.filter(|origin| *origin != number && origins.insert((kind, *origin)));
                let rename = origin.map(|origin| format!("renamed_from: {prefix}{origin}, ")).unwrap_or_default();
                writeln!(
                    text,
                    "---\n{{apiVersion: sbx/v2, kind: {kind}, metadata: {{name: {prefix}{number}}}, spec: {{{spec}}}, \
                     lifecycle: {{{rename}{rest}}}}}"
                )
                .expect("a string takes everything");
            }
        }
        text
    })
}

/// What an object says of its life.
#[derive(Debug, Clone)]
struct Lifecycle {
    /// The number of the name that it had.
    origin: Option<usize>,
    rest: String,
}

/// Returns the `lifecycle` of an object of a sort whose names begin with `prefix`. A name of something published cannot be
/// changed.
fn lifecycle(prefix: &'static str) -> impl Strategy<Value = Lifecycle> {
    let origin = prop::option::weighted(0.3, 0..4_usize);
    let protect = prop_oneof![9 => Just(""), 1 => Just("prevent_destroy: true, ")];
    let on_remove = prop_oneof![2 => Just(""), 1 => Just("on_remove: delete, "), 1 => Just("on_remove: retain, ")];
    let follows = prop_oneof![Just(""), Just("on_snapshot_change: replace, ")];
    (origin, protect, on_remove, follows).prop_map(move |(origin, protect, on_remove, follows)| {
        let (follows, origin) = (if prefix == "b" { follows } else { "" }, origin.filter(|_| prefix != "i"));
        Lifecycle { origin, rest: format!("{protect}{on_remove}{follows}").trim_end_matches(", ").to_owned() }
    })
}

fn registry() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("url: a.example".to_owned()),
        (secret(), 1..3_u8).prop_map(|(secret, version)| {
            format!("url: a.example, username: u, password: {secret}, secret_version: {version}")
        }),
    ]
}

fn snapshot() -> impl Strategy<Value = String> {
    let registry =
        prop_oneof![2 => Just(String::new()), 1 => (0..3_usize).prop_map(|of| format!(", registry_name: r{of}"))];
    ("[ab]", 1..3_u8, registry)
        .prop_map(|(image, disk, registry)| format!("docker_image: {image}, fs_capacity_bytes: {disk}Gi{registry}"))
}

fn sandbox() -> impl Strategy<Value = String> {
    let of = (0..4_usize).prop_map(|of| format!("snapshot: i{of}"));
    let sizes = prop_oneof![
        Just(String::new()),
        (1..4_u8).prop_map(|cpu| format!(", vcpus: {cpu}")),
        (1..4_u8, 1..9_u8).prop_map(|(cpu, memory)| format!(", vcpus: {cpu}, mem_bytes: {memory}Gi")),
        (1..4_u8).prop_map(|disk| format!(", fs_capacity_bytes: {disk}Gi")),
    ];
    let version =
        prop_oneof![Just(String::new()), (1..3_u8).prop_map(|version| format!(", secret_version: {version}"))];
    let delegation = prop_oneof![
        3 => Just(""),
        1 => Just(", access_delegation: {mode: EXPLICIT, permissions: ['datasets:read']}"),
        1 => Just(", access_delegation: {mode: EXPLICIT, permissions: ['datasets:read', 'runs:read']}"),
    ];
    let volumes = prop_oneof![
        3 => Just(""),
        1 => Just(", volumes: [{volume: data, mount_path: /data}]"),
        1 => Just(", volumes: [{volume: data, mount_path: /other, read_only: true}]"),
    ];
    let parts = (of, sizes, proxy(), version, mounts(), environment(), delegation, volumes);
    parts.prop_map(|(of, sizes, proxy, version, mounts, environment, delegation, volumes)| {
        format!("{of}{sizes}{proxy}{version}{mounts}{environment}{delegation}{volumes}")
    })
}

fn proxy() -> impl Strategy<Value = String> {
    let value = prop_oneof![2 => secret(), 1 => Just("{is_set: true}".to_owned()), 1 => Just("plain".to_owned())];
    let rule = |name: &'static str| {
        ("[ab]", value.clone()).prop_map(move |(host, value)| {
            format!("{{name: {name}, match_hosts: [{host}.example], headers: [{{name: H, value: {value}}}]}}")
        })
    };
    let access = prop_oneof![Just(""), Just(", access_control: {allow_list: [a.example]}")];
    prop_oneof![
        2 => Just(String::new()),
        1 => Just(", proxy_config: {}".to_owned()),
        2 => (rule("one"), access).prop_map(|(one, access)| format!(", proxy_config: {{rules: [{one}]{access}}}")),
        2 => (rule("one"), rule("two"), any::<bool>()).prop_map(|(one, two, is_swapped)| {
            let rules = if is_swapped { [two, one] } else { [one, two] };
            format!(", proxy_config: {{rules: [{}]}}", rules.join(", "))
        }),
    ]
}

fn mounts() -> impl Strategy<Value = String> {
    let git = "[ab]".prop_map(|repository| {
        format!(
            ", mount_config: {{mounts: [{{id: docs, type: git, mount_path: /docs, \
             git: {{remote_url: 'https://example.com/{repository}'}}}}]}}"
        )
    });
    let bucket = ("[ab]", secret()).prop_map(|(bucket, secret)| {
        format!(
            ", mount_config: {{auth: {{aws: {{access_key_id: {secret}, secret_access_key: {secret}}}}}, mounts: [\
             {{id: data, type: s3, mount_path: /s3, s3: {{bucket: {bucket}, region: eu}}}}]}}"
        )
    });
    prop_oneof![3 => Just(String::new()), 1 => git, 1 => bucket]
}

fn environment() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => "[ab]".prop_map(|value| format!(", env_vars: {{MODEL: {value}}}")),
        1 => secret().prop_map(|secret| format!(", env_vars: {{TOKEN: {secret}}}")),
    ]
}

fn secret() -> impl Strategy<Value = String> {
    (1..3_u8).prop_map(|number| format!("{{env: V{number}}}"))
}
