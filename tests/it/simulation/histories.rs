//! Histories in which every kind of change happens: what is there, and what becomes declared.

use super::FROM_NOTHING;

/// What is applied first, and the commit that follows it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) name: &'static str,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

pub(crate) const HISTORIES: &[History] = &[
    History { name: "everything from nothing", before: FROM_NOTHING.before, after: FROM_NOTHING.after },
    History {
        name: "edits in place",
        before: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: plain, ttl_seconds: 3600}}
",
        after: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 5Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: {min: 3, max: 9}}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: plain, idle_ttl_seconds: 600}}
",
    },
    History {
        name: "a rename, a chain of them and a swap",
        before: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: b}, spec: {size: 2Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: left}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: right}, spec: {image: node}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: left, replicas: 1}}
",
        after: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: b}, spec: {size: 1Gi}, lifecycle: {renamed_from: a}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: c}, spec: {size: 2Gi}, lifecycle: {renamed_from: b}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: left}, spec: {image: node}, lifecycle: {renamed_from: right}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: right}, spec: {image: python}, lifecycle: {renamed_from: left}}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warmer}
spec: {template_name: right, replicas: 1}
lifecycle: {renamed_from: warm}
",
    },
    History {
        name: "a rolling replacement",
        before: "
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: one}, spec: {template_name: plain, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: two}, spec: {template_name: plain, replicas: 0}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: plain}}
",
        after: "
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: 'python:3'}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: one}, spec: {template_name: plain, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: two}, spec: {template_name: plain, replicas: 0}}
---
apiVersion: sbx/v1
kind: Sandbox
metadata: {name: box}
spec: {template_name: plain}
lifecycle: {on_template_change: replace}
",
    },
    History {
        name: "a replacement that deletes first",
        before: "
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python}, lifecycle: {replace: recreate}}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: plain, replicas: 2}
lifecycle: {replace: recreate}
",
        after: "
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: 'python:3'}, lifecycle: {replace: recreate}}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: plain, replicas: 2}
lifecycle: {replace: recreate}
",
    },
    History {
        name: "a team's folder deleted",
        before: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: kept}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: kept}, lifecycle: {on_remove: delete}}
",
        after: "
{apiVersion: sbx/v1, kind: Template, metadata: {name: kept}, spec: {image: python}}
",
    },
    History {
        name: "snapshots published anew",
        before: "
apiVersion: sbx/v2
kind: Registry
metadata: {name: ours}
spec: {url: a.example, username: u, password: {env: V1}, secret_version: 1}
---
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: 'plain:v1'}, spec: {docker_image: a, fs_capacity_bytes: 1Gi}}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: follows}
spec: {snapshot: 'plain:v1', vcpus: 1}
lifecycle: {on_snapshot_change: replace}
---
{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: stays}, spec: {snapshot: 'plain:v1', vcpus: 1}}
",
        after: "
apiVersion: sbx/v2
kind: Registry
metadata: {name: theirs}
spec: {url: a.example, username: u, password: {env: V2}, secret_version: 2}
lifecycle: {renamed_from: ours}
---
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: 'plain:v1'}
spec: {docker_image: b, fs_capacity_bytes: 1Gi, registry_name: theirs}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: follows}
spec: {snapshot: 'plain:v1', vcpus: 1}
lifecycle: {on_snapshot_change: replace}
---
{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: stays}, spec: {snapshot: 'plain:v1', vcpus: 2}}
",
    },
    History {
        name: "proxies, mounts and their secrets",
        before: "
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: plain}, spec: {docker_image: a, fs_capacity_bytes: 1Gi}}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: proxied}
spec:
  snapshot: plain
  proxy_config: {rules: [{name: one, match_hosts: [a.example], headers: [{name: H, value: {env: V1}}]}]}
  secret_version: 1
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: mounting}
spec:
  snapshot: plain
  mount_config:
    auth: {aws: {access_key_id: {env: ID}, secret_access_key: {env: KEY}}}
    mounts: [{id: data, type: s3, mount_path: /s3, s3: {bucket: a, region: eu}}]
  env_vars: {TOKEN: {env: TOKEN}}
lifecycle: {on_snapshot_change: replace}
",
        after: "
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: plain}, spec: {docker_image: a, fs_capacity_bytes: 1Gi}}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: renamed}
spec:
  snapshot: plain
  proxy_config:
    rules:
    - {name: two, match_hosts: [b.example]}
    - {name: one, match_hosts: [a.example], headers: [{name: H, value: {env: V2}}]}
  secret_version: 2
lifecycle: {renamed_from: proxied}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: mounting}
spec:
  snapshot: plain
  mount_config:
    auth: {aws: {access_key_id: {env: ID}, secret_access_key: {env: KEY}}}
    mounts: [{id: data, type: s3, mount_path: /s3, s3: {bucket: b, region: eu}}]
  env_vars: {TOKEN: {env: OTHER}}
lifecycle: {on_snapshot_change: replace}
",
    },
    History {
        name: "a folder of snapshots deleted",
        before: "
{apiVersion: sbx/v2, kind: Registry, metadata: {name: ours}, spec: {url: a.example}}
---
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: 'plain:v1'}
spec: {docker_image: a, fs_capacity_bytes: 1Gi, registry_name: ours}
---
{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: box}, spec: {snapshot: 'plain:v1'}, lifecycle: {on_remove: delete}}
",
        after: "",
    },
];
