//! `sbx export`: from what is live to manifests, and back to a plan in which nothing is to be done.

use std::fs;

use super::environment::Environment;

const DIGEST: &str = "sha256:4bb1b3ba3d4fa0d9a0b8a5b2b5f0d9a0b8a5b2b5f0d9a0b8a5b2b5f0d9a0b8a5";

/// Values that are easily taken for something else on the way through YAML.
fn odd() -> String {
    format!(
        "\
{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: none}}, spec: {{size: 1536Mi}}}}
---
{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: 'null'}}, spec: {{size: 2147483648}}}}
---
apiVersion: sbx/v1
kind: Template
metadata: {{name: 'true'}}
spec:
  image: ghcr.io/acme/python@{DIGEST}
  resources: {{cpu: 0.5, memory: 1G, storage: 4Gi}}
  volume_mounts:
  - {{volume_name: none, mount_path: '/a: b #c'}}
  - {{volume_name: 'null', mount_path: /b}}
---
{{apiVersion: sbx/v1, kind: Template, metadata: {{name: plain}}, spec: {{image: 'localhost:5000/x:1'}}}}
---
{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: warm}}, spec: {{template_name: plain, replicas: {{min: 2, max: 5}}}}}}
---
{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: cold}}, spec: {{template_name: plain, replicas: 0}}}}
---
apiVersion: sbx/v1
kind: Sandbox
metadata: {{name: box}}
spec: {{template_name: 'true', ttl_seconds: 0, idle_ttl_seconds: 3600}}
---
{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: free}}, spec: {{template_name: plain}}}}
"
    )
}

/// A workspace that nobody keeps a record of.
fn made_by_hand() -> Environment {
    let environment = Environment::new();
    environment.write("w.yaml", &odd());
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--inventory", "none", "--yes", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run}");
    environment
}

fn assert_nothing_to_do(environment: &Environment, folder: &str) {
    let run = environment.sbx(&["plan", "-f", folder, "--local", "--exit-code", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run}");
    // The first apply records what was there, and calls nothing.
    let run = environment.sbx(&["apply", "-f", folder, "--local", "--yes", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run}");
    let run = environment.sbx(&["plan", "-f", folder, "--local", "--exit-code", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("No changes."), "{run}");
}

#[test]
fn a_plan_of_what_is_exported_is_empty() {
    let environment = made_by_hand();
    insta::assert_snapshot!(environment.sbx(&["export", "--local", "-o", "manifests", "--sandboxes"]), @r"
    $ sbx export --local -o manifests --sandboxes
    --- stdout
    wrote manifests/volumes.yaml
    wrote manifests/templates.yaml
    wrote manifests/pools.yaml
    wrote manifests/sandboxes.yaml
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    Exported 8 objects into 4 files.
    hint: `sbx plan -f manifests` compares them with what is live
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.read("manifests/templates.yaml"), @r"
    # yaml-language-server: $schema=.schema.json
    apiVersion: sbx/v1
    kind: Template
    metadata:
      name: plain
    spec:
      image: localhost:5000/x:1
      resources:
        cpu: 500m
        memory: 512Mi
    ---
    apiVersion: sbx/v1
    kind: Template
    metadata:
      name: 'true'
    spec:
      image: ghcr.io/acme/python@sha256:4bb1b3ba3d4fa0d9a0b8a5b2b5f0d9a0b8a5b2b5f0d9a0b8a5b2b5f0d9a0b8a5
      resources:
        cpu: '0.5'
        memory: 1G
        storage: 4Gi
      volume_mounts:
      - mount_path: '/a: b #c'
        volume_name: none
      - mount_path: /b
        volume_name: 'null'
    ");
    let schema: serde_json::Value =
        serde_json::from_str(&environment.read("manifests/.schema.json")).expect("it is JSON");
    assert_eq!(schema["title"], "sbx manifest");
    assert_nothing_to_do(&environment, "manifests");
}

#[test]
fn split_files_say_the_same() {
    let environment = made_by_hand();
    let run = environment.sbx(&["export", "--local", "-q", "-o", "live", "--split", "--sandboxes"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        environment.read("live/volumes/none.yaml").starts_with("# yaml-language-server: $schema=../.schema.json\n")
    );
    assert_eq!(run.stdout.lines().count(), 8, "{run}");
    assert_nothing_to_do(&environment, "live");
}

#[test]
fn a_stream_has_what_was_asked_for() {
    let environment = made_by_hand();
    insta::assert_snapshot!(environment.sbx(&["export", "--local", "-q", "volumes", "pool/cold", "sb/free"]), @r"
    $ sbx export --local -q volumes pool/cold sb/free
    --- stdout
    apiVersion: sbx/v1
    kind: Volume
    metadata:
      name: none
    spec:
      size: 1536Mi
    ---
    apiVersion: sbx/v1
    kind: Volume
    metadata:
      name: 'null'
    spec:
      size: '2147483648'
    ---
    apiVersion: sbx/v1
    kind: Pool
    metadata:
      name: cold
    spec:
      replicas: 0
      template_name: plain
    ---
    apiVersion: sbx/v1
    kind: Sandbox
    metadata:
      name: free
    spec:
      template_name: plain
    --- exit code 0
    ");
    let all = environment.sbx(&["export", "--local"]);
    assert!(!all.stdout.contains("kind: Sandbox"), "{all}");
    assert!(all.stderr.contains("2 sandboxes are not exported; --sandboxes exports them too."), "{all}");
    environment.write("stream.yaml", &all.stdout);
    assert_nothing_to_do(&environment, "stream.yaml");
    insta::assert_snapshot!(environment.sbx(&["export", "--local", "-q", "pool/gone", "volumes"]), @r"
    $ sbx export --local -q pool/gone volumes
    --- stderr
    error: not found: pool/gone
    hint: `sbx get all` lists what is live
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["export", "--local", "--split"]), @r"
    $ sbx export --local --split
    --- stderr
    error: the following required arguments were not provided:
      --output <FOLDER>

    Usage: sbx export --output <FOLDER> --local --split [KIND[/NAME]]...

    For more information, try '--help'.
    --- exit code 64
    ");
}

#[test]
fn nobodys_files_are_overwritten() {
    let environment = made_by_hand();
    environment.write("manifests/pools.yaml", "mine\n");
    insta::assert_snapshot!(environment.sbx(&["export", "--local", "-q", "-o", "manifests"]), @r"
    $ sbx export --local -q -o manifests
    --- stderr
    error: there already: `manifests/pools.yaml`
    hint: nothing was written: name another folder, or pass --force to replace them
    --- exit code 1
    ");
    assert_eq!(environment.read("manifests/pools.yaml"), "mine\n");
    let files = fs::read_dir(environment.work().join("manifests")).expect("it is there").count();
    assert_eq!(files, 1, "nothing was written");
    let run = environment.sbx(&["export", "--local", "-q", "-o", "manifests", "--force"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_nothing_to_do(&environment, "manifests");
}
