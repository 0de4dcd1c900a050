//! The kinds of each generation of the API, as random manifests draw them.

use fastrand::Rng;
use sbx::kinds::{self, KindId};

/// How objects of one kind are drawn.
pub(crate) struct Sort {
    pub(crate) kind: KindId,
    /// Returns the name of this number.
    pub(crate) name: fn(usize) -> String,
    /// Whether a name can be changed.
    pub(crate) is_renamed: bool,
    /// What it refers to, and how its spec says so.
    pub(crate) source: Option<Source>,
    /// Draws what its spec says beside that.
    pub(crate) draw: fn(&mut Rng) -> String,
    /// What its spec says where others need it and nobody drew it.
    pub(crate) plain: &'static str,
}

/// What a kind refers to.
pub(crate) struct Source {
    /// The place of the kind in the generation's list, before that of the one that refers to it.
    pub(crate) sort: usize,
    pub(crate) is_required: bool,
    /// Whether it must not refer to anything itself.
    pub(crate) is_bare: bool,
    /// Returns the fields of the spec that name it.
    pub(crate) refer: fn(&str) -> String,
}

/// A generation: its kinds, each after those that it refers to.
pub(crate) type Generation = &'static [Sort];

pub(crate) const FIRST: Generation = &[
    Sort {
        kind: kinds::VOLUME,
        name: |number| format!("v{number}"),
        is_renamed: true,
        source: None,
        draw: |rng| format!("size: {}Gi", rng.usize(1..5)),
        plain: "size: 1Gi",
    },
    Sort {
        kind: kinds::TEMPLATE,
        name: |number| format!("t{number}"),
        is_renamed: true,
        source: Some(Source {
            sort: 0,
            is_required: false,
            is_bare: false,
            refer: |volume| format!("volume_mounts: [{{volume_name: {volume}, mount_path: /v}}]"),
        }),
        draw: |rng| format!("image: {}", rng.char('a'..='b')),
        plain: "image: a",
    },
    Sort {
        kind: kinds::POOL,
        name: |number| format!("p{number}"),
        is_renamed: true,
        source: Some(Source { sort: 1, is_required: true, is_bare: true, refer: |of| format!("template_name: {of}") }),
        draw: |rng| format!("replicas: {}", rng.usize(0..4)),
        plain: "replicas: 0",
    },
    Sort {
        kind: kinds::SANDBOX,
        name: |number| format!("s{number}"),
        is_renamed: true,
        source: Some(Source { sort: 1, is_required: true, is_bare: false, refer: |of| format!("template_name: {of}") }),
        draw: |rng| format!("ttl_seconds: {}", rng.usize(1..4) * 3600),
        plain: "ttl_seconds: 3600",
    },
];

pub(crate) const SECOND: Generation = &[
    Sort {
        kind: kinds::REGISTRY,
        name: |number| format!("r{number}"),
        is_renamed: true,
        source: None,
        draw: |rng| {
            // A URL changes only together with a login, which the API takes and never gives back: it stays as it is here.
            match rng.usize(0..4) {
                0 => "url: a.example".to_owned(),
                // The password is another one with each version.
                version => {
                    format!("url: a.example, username: u, password: {{env: V{version}}}, secret_version: {version}")
                }
            }
        },
        plain: "url: a.example",
    },
    Sort {
        kind: kinds::SNAPSHOT,
        // Two tags of each of two names.
        name: |number| format!("i/{}:t{}", number / 2, number % 2),
        is_renamed: false,
        source: Some(Source {
            sort: 0,
            is_required: false,
            is_bare: false,
            refer: |of| format!("registry_name: {of}"),
        }),
        draw: |rng| format!("docker_image: '{}', fs_capacity_bytes: 1Gi", rng.char('a'..='c')),
        plain: "docker_image: a, fs_capacity_bytes: 1Gi",
    },
    Sort {
        kind: kinds::SANDBOX_V2,
        name: |number| format!("b{number}"),
        is_renamed: true,
        source: Some(Source { sort: 1, is_required: true, is_bare: false, refer: |of| format!("snapshot: '{of}'") }),
        draw: |rng| {
            let disk = rng.choice(["", "", ", fs_capacity_bytes: 2Gi", ", fs_capacity_bytes: 3Gi"]).unwrap_or_default();
            let (proxy, mounts) = (draw_proxy(rng), draw_mounts(rng));
            format!("vcpus: {}, idle_ttl_seconds: {}{disk}{proxy}{mounts}", rng.usize(1..3), rng.usize(0..3) * 600)
        },
        plain: "vcpus: 1",
    },
];

/// Draws a proxy, or none. Its secret is another one with each version, is kept as it is, or is somewhere else.
fn draw_proxy(rng: &mut Rng) -> String {
    let version = rng.usize(1..4);
    let (value, version) = match rng.usize(0..8) {
        0..4 => return String::new(),
        4 => ("{is_set: true}".to_owned(), String::new()),
        5 => (format!("{{env: W{version}}}"), String::new()),
        _ => (format!("{{env: V{version}}}"), format!(", secret_version: {version}")),
    };
    let host = rng.char('a'..='b');
    let rule = format!("{{name: one, match_hosts: [{host}.example], headers: [{{name: H, value: {value}}}]}}");
    let more = rng.choice(["", ", {name: two, match_hosts: [c.example]}"]).unwrap_or_default();
    format!(", proxy_config: {{rules: [{rule}{more}]}}{version}")
}

/// Draws mounts, or none: of a repository, or of a bucket with the credentials for it.
fn draw_mounts(rng: &mut Rng) -> String {
    let of = rng.char('a'..='b');
    match rng.usize(0..8) {
        0 => format!(
            ", mount_config: {{mounts: [{{id: docs, type: git, mount_path: /docs, \
             git: {{remote_url: 'https://example.com/{of}'}}}}]}}"
        ),
        1 => format!(
            ", mount_config: {{auth: {{aws: {{access_key_id: {{env: ID}}, secret_access_key: {{env: KEY}}}}}}, \
             mounts: [{{id: data, type: s3, mount_path: /s3, s3: {{bucket: {of}, region: eu}}}}]}}"
        ),
        2 => format!(", env_vars: {{MODEL: {of}, TOKEN: {{env: ENV}}}}"),
        _ => String::new(),
    }
}

/// The image whose builds fail while they are told to ([`super::workspace::Workspace::fail_builds`]).
pub(crate) const FAILING_IMAGE: &str = "c";
