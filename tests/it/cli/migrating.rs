//! `sbx migrate`: manifests of the first generation, and what a server of the second makes of what they become.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::server::Server;
use crate::tree;

/// The files below a folder, with what is in them.
fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            found.insert(path, bytes);
        }
    }
    found
}

/// Migrates a folder, and asserts that the originals stay, that the new manifests are good and can be applied, and that
/// nothing is written a second time.
fn assert_moves(environment: &Environment, folder: &str) {
    let originals = files_below(&environment.work().join(folder));
    let run = environment.sbx(&["migrate", "-f", folder, "--to", "snapshots", "-o", "new", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(files_below(&environment.work().join(folder)), originals, "the originals are as they were");

    let run = environment.sbx(&["validate", "-f", "new"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
    let written = files_below(&environment.work().join("new"));
    let run = environment.sbx(&["migrate", "-f", folder, "--to", "snapshots", "-o", "new"]);
    assert_eq!(run.code, Some(1), "a second run refuses: {run}");
    let run = environment.sbx(&["migrate", "-f", folder, "--to", "snapshots", "-o", "new", "--force"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(files_below(&environment.work().join("new")), written, "one folder, one result");

    let server = Server::start(environment, &["--data-dir", "server"]);
    let at = ["--endpoint", &server.url()];
    let sbx = |arguments: &[&str]| environment.sbx(&[arguments, &at].concat());
    let run = sbx(&["plan", "-f", "new", "--exit-code"]);
    assert_eq!(run.code, Some(2), "{run}");
    let run = sbx(&["apply", "-f", "new", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");
    let run = sbx(&["plan", "-f", "new", "--exit-code"]);
    assert_eq!(run.code, Some(0), "{run}");
}

/// Migrates a folder without looking at what comes of it.
fn move_to_new(environment: &Environment, folder: &str) {
    let run = environment.sbx(&["migrate", "-f", folder, "--to", "snapshots", "-o", "new", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run}");
}

fn example_of_this_repository() -> Environment {
    let environment = Environment::new();
    for file in tree::files("manifests", "yaml") {
        environment.write(&file, &tree::read(&file));
    }
    environment
}

#[test]
fn the_example_of_this_repository_moves() {
    let environment = example_of_this_repository();
    assert_moves(&environment, "manifests");
    insta::assert_snapshot!(environment.read("new/volumes.yaml"), @r"
    # yaml-language-server: $schema=.schema.json
    #
    # Volumes are storage that outlives sandboxes. A volume can grow in place and never shrinks.
    #
    # lost: volume/datasets of 20Gi was mounted at /data by template/research (sandbox/notebook). No
    # manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made elsewhere.
    # What is on this one stays there until somebody moves it

    # lost: volume/package-cache of 5Gi was mounted at /home/user/.cache by template/research
    # (sandbox/notebook). No manifest makes volumes any more: a sandbox mounts a bucket, or a volume
    # that was made elsewhere. What is on this one stays there until somebody moves it
    ");
    insta::assert_snapshot!(environment.read("new/templates.yaml"), @r"
    # yaml-language-server: $schema=.schema.json
    #
    # Templates are what sandboxes are made from: an image, its share of the machine, and the volumes it mounts.
    #
    # to do: template/python had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a
    # sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
    apiVersion: sbx/v2
    kind: Snapshot
    metadata:
      name: python
    spec:
      docker_image: python:3.12-slim
      # to do: template/python left its disk to the server; a snapshot has to say, and 8Gi is a guess
      fs_capacity_bytes: 8Gi
    ---
    # to do: template/node had cpu 1 and memory 1Gi, which a snapshot has not: whoever makes a sandbox
    # now asks for them, as vcpus 1 and mem_bytes 2Gi
    apiVersion: sbx/v2
    kind: Snapshot
    metadata:
      name: node
    spec:
      docker_image: node:22-slim
      # to do: template/node left its disk to the server; a snapshot has to say, and 8Gi is a guess
      fs_capacity_bytes: 8Gi
    ---
    # decided: template/research had cpu 2 and memory 4Gi, which stand in sandbox/notebook now
    apiVersion: sbx/v2
    kind: Snapshot
    metadata:
      name: research
    spec:
      docker_image: python:3.12
      fs_capacity_bytes: 10Gi
    ");
    insta::assert_snapshot!(environment.read("new/pools.yaml"), @r"
    # yaml-language-server: $schema=.schema.json
    #
    # Pools keep sandboxes warm: one that is created from the template is taken from its pool, which refills.
    #
    # lost: pool/python-warm kept 3 sandboxes of template/python warm, each with cpu 500m and memory
    # 512Mi. Nothing is kept warm any more: a sandbox is made from the snapshot `python` when it is
    # wanted

    # lost: pool/node-warm kept 1 to 5 sandboxes of template/node warm, each with cpu 1 and memory 1Gi.
    # Nothing is kept warm any more: a sandbox is made from the snapshot `node` when it is wanted
    ");
}

#[test]
fn a_sandbox_says_what_it_was_and_what_to_fill_in() {
    let environment = example_of_this_repository();
    move_to_new(&environment, "manifests");
    insta::assert_snapshot!(environment.read("new/sandboxes.yaml"), @r"
    # yaml-language-server: $schema=.schema.json
    #
    # Sandboxes that should always be there. Those that programs create for themselves need no manifest.
    apiVersion: sbx/v2
    kind: Sandbox
    metadata:
      name: notebook
    spec:
      snapshot: research
      # decided: template/research had cpu 2 and memory 4Gi
      vcpus: '2'
      mem_bytes: 4Gi
      # gone after a day without use
      # decided: sandbox/notebook was deleted after <duration> without use. Now that stops it, and
      # `delete_after_stop_seconds` deletes it with its disk: 60 is the least, and 0 keeps it, stopped,
      # until it is used again
      idle_ttl_seconds: 86400
      delete_after_stop_seconds: 60
      # to do: sandbox/notebook mounted volume/datasets at /data and volume/package-cache at
      # /home/user/.cache. Where the data is going to be is not known here: say it with one of these
      # where the data is in buckets:
      # mount_config:
      #   auth:
      #     aws:
      #       access_key_id:
      #         env: AWS_ACCESS_KEY_ID
      #       secret_access_key:
      #         env: AWS_SECRET_ACCESS_KEY
      #   mounts:
      #   - id: datasets
      #     mount_path: /data
      #     s3:
      #       bucket: BUCKET
      #       endpoint_url: https://s3.REGION.amazonaws.com
      #       region: REGION
      #     type: s3
      #   - id: package-cache
      #     mount_path: /home/user/.cache
      #     s3:
      #       bucket: BUCKET
      #       endpoint_url: https://s3.REGION.amazonaws.com
      #       region: REGION
      #     type: s3
      # where the workspace has the beta of volumes, and somebody made them, here datasets of 20Gi and
      # package-cache of 5Gi:
      # volumes:
      # - mount_path: /data
      #   volume: datasets
      # - mount_path: /home/user/.cache
      #   volume: package-cache
    lifecycle:
      # The next `sbx apply` makes it anew then. Left out, it stays away.
      on_expiry: recreate
      # Sandboxes hold data, so `sbx destroy` keeps them, as it keeps volumes. This one may go with the rest.
      on_remove: delete
    ");
}

#[test]
fn what_init_writes_moves_and_it_is_said_what_comes_next() {
    let environment = Environment::new();
    let run = environment.sbx(&["init"]);
    assert_eq!(run.code, Some(0), "{run}");
    insta::assert_snapshot!(environment.sbx(&["migrate", "-f", "manifests", "--to", "snapshots", "-o", "manifests-v2"]), @r"
    $ sbx migrate -f manifests --to snapshots -o manifests-v2
    --- stdout
    wrote manifests-v2/pools.yaml
    wrote manifests-v2/sandboxes.yaml
    wrote manifests-v2/templates.yaml
    wrote manifests-v2/volumes.yaml
    --- stderr
    2 volumes became nothing.
    3 templates became 3 snapshots of sbx/v2.
    2 pools became nothing.
    1 sandbox became 1 sandbox of sbx/v2.
    To do:
      manifests-v2/sandboxes.yaml:19: sandbox/notebook mounted volume/datasets at /data and volume/package-cache at /home/user/.cache. Where the data is going to be is not known here: say it with one of these
      manifests-v2/templates.yaml:5: template/python had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
      manifests-v2/templates.yaml:13: template/python left its disk to the server; a snapshot has to say, and 8Gi is a guess
      manifests-v2/templates.yaml:16: template/node had cpu 1 and memory 1Gi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
      manifests-v2/templates.yaml:24: template/node left its disk to the server; a snapshot has to say, and 8Gi is a guess
    Lost:
      manifests-v2/pools.yaml:5: pool/python-warm kept 3 sandboxes of template/python warm, each with cpu 500m and memory 512Mi. Nothing is kept warm any more: a sandbox is made from the snapshot `python` when it is wanted
      manifests-v2/pools.yaml:9: pool/node-warm kept 1 to 5 sandboxes of template/node warm, each with cpu 1 and memory 1Gi. Nothing is kept warm any more: a sandbox is made from the snapshot `node` when it is wanted
      manifests-v2/volumes.yaml:5: volume/datasets of 20Gi was mounted at /data by template/research (sandbox/notebook). No manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made elsewhere. What is on this one stays there until somebody moves it
      manifests-v2/volumes.yaml:9: volume/package-cache of 5Gi was mounted at /home/user/.cache by template/research (sandbox/notebook). No manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made elsewhere. What is on this one stays there until somebody moves it
    3 comments more: see `decided:` in the new manifests.
    hint: `sbx validate -f manifests-v2` checks what you fill in, and `sbx plan -f manifests-v2` shows what it would do
    hint: what is on volume/datasets, volume/package-cache stays there: copy it out through an old sandbox that mounts it, `sbx cp NAME:PATH FOLDER`, and into what the new ones mount
    hint: on a server with both generations a new sandbox waits for its name: apply the rest first, copy out what the disk of sandbox/notebook holds, delete it, apply again
    hint: `sbx.yaml` is as it was: give the new manifests a target of their own beside `dev`, such as `dev-v2: {local: true, manifests: [manifests-v2]}`
    --- exit code 0
    ");
}

#[test]
fn a_stream_has_it_all() {
    let environment = Environment::new();
    let text = "\
# of the pool
{apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: t, replicas: 2}}
---
# of the template
apiVersion: sbx/v1
kind: Template
metadata: {name: t}
spec:
  # still the best
  image: a # of 2024
  resources: {storage: 2Gi}
";
    insta::assert_snapshot!(environment.sbx_with_input(&["migrate", "-f", "-", "--to", "snapshots"], text), @r"
    $ sbx migrate -f - --to snapshots
    --- stdout
    # of the pool
    #
    # lost: pool/p kept 2 sandboxes of template/t warm, each with cpu 500m and memory 512Mi. Nothing is
    # kept warm any more: a sandbox is made from the snapshot `t` when it is wanted
    ---
    # of the template
    #
    # to do: template/t had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox
    # now asks for them, as vcpus 1 and mem_bytes 2Gi
    apiVersion: sbx/v2
    kind: Snapshot
    metadata:
      name: t
    spec:
      # still the best
      # of 2024
      docker_image: a
      fs_capacity_bytes: 2Gi
    --- stderr
    1 template became 1 snapshot of sbx/v2.
    1 pool became nothing.
    To do:
      template/t had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
    Lost:
      pool/p kept 2 sandboxes of template/t warm, each with cpu 500m and memory 512Mi. Nothing is kept warm any more: a sandbox is made from the snapshot `t` when it is wanted
    hint: -o FOLDER writes it into files
    --- exit code 0
    ");
}

#[test]
fn what_has_no_equivalent_is_nothing_but_comments() {
    let environment = Environment::new();
    environment.write("v.yaml", "{apiVersion: sbx/v1, kind: Volume, metadata: {name: v}, spec: {size: 1Gi}}\n");
    insta::assert_snapshot!(environment.sbx(&["migrate", "-f", "v.yaml", "--to", "snapshots"]), @r"
    $ sbx migrate -f v.yaml --to snapshots
    --- stdout
    # lost: volume/v of 1Gi was not mounted. No manifest makes volumes any more: a sandbox mounts a
    # bucket, or a volume that was made elsewhere. What is on this one stays there until somebody moves
    # it
    --- stderr
    1 volume became nothing.
    Lost:
      volume/v of 1Gi was not mounted. No manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made elsewhere. What is on this one stays there until somebody moves it
    warning: no manifest came of it: there is nothing but comments
    hint: -o FOLDER writes it into files
    --- exit code 0
    ");
}

/// Every kind with every field, in files below files, in JSON, and with everything that does not fit.
fn oddities() -> Environment {
    let environment = Environment::new();
    environment.write(
        "old/a/volumes.yml",
        "\
%YAML 1.2
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: 'null'}, spec: {size: 2147483648}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1.5Gi}, lifecycle: {prevent_destroy: true}}
",
    );
    environment.write(
        "old/a/b/t.json",
        r#"{"apiVersion": "sbx/v1", "kind": "Template", "metadata": {"name": "true"}, "spec": {"image": "localhost:5000/x:1",
            "volume_mounts": [{"volume_name": "null", "mount_path": "/a: b #c"}, {"volume_name": "data", "mount_path": "/b"}]}}"#,
    );
    environment.write(
        "old/z.yaml",
        "\
# ends with comments
apiVersion: sbx/v1
kind: Template
metadata:
  name: plain # not fancy
  annotations: {note: \"two\\nlines\", '# odd': '# odder'}
spec: &spec
  image: python
  resources: {cpu: 0.1, memory: 100Gi, storage: 1}
lifecycle: {replace: rolling, renamed_from: simple, timeout: 90}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: cold}, spec: {template_name: plain, replicas: 0}}
---
apiVersion: sbx/v1
kind: Sandbox
metadata: {name: 'on', labels: {'no': 'yes'}}
spec: {template_name: 'true', ttl_seconds: 86400, idle_ttl_seconds: 0}
lifecycle:
  on_template_change: replace # at its own risk
  on_expiry: recreate
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: idle}, spec: {template_name: plain, idle_ttl_seconds: 120}}
# the end
",
    );
    environment
}

#[test]
fn a_folder_of_oddities_moves() {
    let environment = oddities();
    assert_moves(&environment, "old");
    let written = files_below(&environment.work().join("new"));
    let paths: Vec<_> =
        written.keys().map(|path| path.strip_prefix(environment.work()).expect("it is there")).collect();
    insta::assert_snapshot!(format!("{paths:?}"), @r#"["new/.schema.json", "new/a/b/t.yaml", "new/a/volumes.yml", "new/z.yaml"]"#);
    insta::assert_snapshot!(environment.read("new/a/b/t.yaml"), @r"
    # yaml-language-server: $schema=../../.schema.json
    #
    # decided: template/true had cpu 500m and memory 512Mi, which stand in sandbox/on now
    apiVersion: sbx/v2
    kind: Snapshot
    metadata:
      name: 'true'
    spec:
      docker_image: localhost:5000/x:1
      # to do: template/true left its disk to the server; a snapshot has to say, and 8Gi is a guess
      fs_capacity_bytes: 8Gi
    ");
}

#[test]
fn what_does_not_fit_is_said_where_it_would_stand() {
    let environment = oddities();
    move_to_new(&environment, "old");
    insta::assert_snapshot!(environment.read("new/z.yaml"), @r"
    # yaml-language-server: $schema=.schema.json
    #
    # ends with comments
    #
    # decided: template/plain had cpu 0.1 and memory 100Gi, which stand in sandbox/idle now
    apiVersion: sbx/v2
    kind: Snapshot
    metadata:
      # not fancy
      name: plain
      annotations:
        '# odd': '# odder'
        note: |-
          two
          lines
    spec:
      docker_image: python
      fs_capacity_bytes: '1'
    # lost: `renamed_from: simple`: a snapshot is not renamed, it is published under another name
    # lost: `replace`: a snapshot that changes is published anew beside the old one, whatever is said
    # decided: `timeout: <duration>` was for a template, which is there at once; a snapshot has to be built,
    # and gets the default

    # lost: pool/cold was paused, and kept no sandbox of template/plain warm. Nothing is kept warm any
    # more: a sandbox is made from the snapshot `plain` when it is wanted
    ---
    apiVersion: sbx/v2
    kind: Sandbox
    metadata:
      name: on
      labels:
        no: yes
    spec:
      snapshot: 'true'
      # decided: template/true had cpu 500m and memory 512Mi: servers do not always have parts of a
      # vCPU, so cpu 500m is 1 of them; memory is at least 2Gi for each vCPU, so 512Mi is 2Gi now
      vcpus: '1'
      mem_bytes: 2Gi
      # decided: `idle_ttl_seconds: 0` meant that idleness never deletes it. Now it means that idleness
      # never stops it, and `delete_after_stop_seconds: 0` keeps it when somebody does
      idle_ttl_seconds: 0
      delete_after_stop_seconds: 0
      # to do: sandbox/on mounted volume/null at /a: b #c and volume/data at /b. Where the data is going
      # to be is not known here: say it with one of these
      # where the data is in buckets:
      # mount_config:
      #   auth:
      #     aws:
      #       access_key_id:
      #         env: AWS_ACCESS_KEY_ID
      #       secret_access_key:
      #         env: AWS_SECRET_ACCESS_KEY
      #   mounts:
      #   - id: 'null'
      #     mount_path: '/a: b #c'
      #     s3:
      #       bucket: BUCKET
      #       endpoint_url: https://s3.REGION.amazonaws.com
      #       region: REGION
      #     type: s3
      #   - id: data
      #     mount_path: /b
      #     s3:
      #       bucket: BUCKET
      #       endpoint_url: https://s3.REGION.amazonaws.com
      #       region: REGION
      #     type: s3
      # where the workspace has the beta of volumes, and somebody made them, here null of 2147483648 and
      # data of 1.5Gi:
      # volumes:
      # - mount_path: '/a: b #c'
      #   volume: 'null'
      # - mount_path: /b
      #   volume: data
      # lost: sandbox/on had `ttl_seconds: 86400`; nothing deletes a sandbox at a certain age any more
    lifecycle:
      on_expiry: recreate
      # at its own risk
      on_snapshot_change: replace
    ---
    apiVersion: sbx/v2
    kind: Sandbox
    metadata:
      name: idle
    spec:
      snapshot: plain
      # lost: template/plain had cpu 0.1 and memory 100Gi: servers do not always have parts of a vCPU,
      # so cpu 0.1 is 1 of them; 64Gi is the most memory, and not 100Gi; memory is at most 6Gi for each
      # vCPU, so 100Gi takes 11
      vcpus: '11'
      mem_bytes: 64Gi
      # decided: sandbox/idle was deleted after <duration> without use. Now that stops it, and
      # `delete_after_stop_seconds` deletes it with its disk: 60 is the least, and 0 keeps it, stopped,
      # until it is used again
      idle_ttl_seconds: 120
      delete_after_stop_seconds: 60
    ");
}

#[test]
fn what_is_wrong_is_reported_and_nothing_is_written() {
    let environment = Environment::new();
    environment.write("old/a.yaml", "{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: lots}}\n");
    environment.write("old/b.yaml", "{apiVersion: sbx/v1, kind: Templat, metadata: {name: b}, spec: {image: a}}\n");
    let migrated = environment.sbx(&["migrate", "-f", "old", "--to", "snapshots", "-o", "new"]);
    let validated = environment.sbx(&["validate", "-f", "old"]);
    assert_eq!((migrated.code, &migrated.stderr), (Some(1), &validated.stderr), "{migrated}");
    assert!(!environment.work().join("new").exists());
}

#[test]
fn originals_are_never_in_the_way_of_a_flag() {
    let environment = Environment::new();
    let text = "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a}}\n";
    environment.write("old/a.yaml", text).write("old/below/a.yaml", text.replace("name: t", "name: u").as_str());
    let sbx = |arguments: &[&str]| environment.sbx(&[&["migrate", "--to", "snapshots"], arguments].concat());
    insta::assert_snapshot!(sbx(&["-f", "old", "-o", "old", "--force"]), @r"
    $ sbx migrate --to snapshots -f old -o old --force
    --- stderr
    error: `old` is among the originals in `old`
    hint: name a folder beside them: whoever reads theirs would read both versions
    --- exit code 64
    ");
    insta::assert_snapshot!(sbx(&["-f", "old", "-o", "old/new"]), @r"
    $ sbx migrate --to snapshots -f old -o old/new
    --- stderr
    error: `old/new` is among the originals in `old`
    hint: name a folder beside them: whoever reads theirs would read both versions
    --- exit code 64
    ");
    insta::assert_snapshot!(sbx(&["-f", "old/a.yaml", "-o", "old", "--force"]), @r"
    $ sbx migrate --to snapshots -f old/a.yaml -o old --force
    --- stderr
    error: `old/a.yaml` is an original, which stays as it is
    hint: name another folder
    --- exit code 64
    ");
    std::os::unix::fs::symlink("old", environment.work().join("link")).expect("links can be made");
    let run = sbx(&["-f", "old/a.yaml", "-o", "link", "--force"]);
    assert_eq!(run.code, Some(64), "{run}");
    insta::assert_snapshot!(sbx(&["-f", "old/a.yaml", "-f", "old/below/a.yaml", "-o", "new"]), @r"
    $ sbx migrate --to snapshots -f old/a.yaml -f old/below/a.yaml -o new
    --- stderr
    error: the manifests of two files would be in `new/a.yaml`
    hint: name the folder that both files are in, or move them one after the other
    --- exit code 64
    ");
    environment.write("full/notes.txt", "mine");
    insta::assert_snapshot!(sbx(&["-f", "old", "-o", "full"]), @r"
    $ sbx migrate --to snapshots -f old -o full
    --- stderr
    error: there already: `full`
    hint: nothing was written: name another folder, or pass --force to replace them
    --- exit code 1
    ");
    insta::assert_snapshot!(sbx(&["-f", "old", "--force"]), @r"
    $ sbx migrate --to snapshots -f old --force
    --- stderr
    error: the following required arguments were not provided:
      --output <FOLDER>

    Usage: sbx migrate --file <PATH> --to <GENERATION> --output <FOLDER> --force

    For more information, try '--help'.
    --- exit code 64
    ");
    assert_eq!(environment.read("old/a.yaml"), text);
    assert!(!environment.work().join("new").exists());
}

#[test]
fn a_project_is_told_what_its_file_has_to_say() {
    let environment = Environment::new();
    environment
        .write("manifests/t.yaml", "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a}}\n");
    environment.write("prod.yaml", "{kind: Template, name: t, patch: {spec: {image: b}}}\n");
    let file = "targets:\n  dev: {local: true}\n  prod: {context: prod, patches: [prod.yaml]}\n  other: {manifests: [elsewhere]}\n";
    environment.write("sbx.yaml", file);
    insta::assert_snapshot!(environment.sbx(&["migrate", "-f", "manifests", "--to", "snapshots", "-o", "v2"]), @r"
    $ sbx migrate -f manifests --to snapshots -o v2
    --- stdout
    wrote v2/t.yaml
    --- stderr
    1 template became 1 snapshot of sbx/v2.
    To do:
      v2/t.yaml:3: template/t had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
      v2/t.yaml:11: template/t left its disk to the server; a snapshot has to say, and 8Gi is a guess
    hint: `sbx validate -f v2` checks what you fill in, and `sbx plan -f v2` shows what it would do
    hint: `sbx.yaml` is as it was: give the new manifests a target of their own beside `dev`, such as `dev-v2: {local: true, manifests: [v2]}`
    hint: `sbx.yaml` is as it was: give the new manifests a target of their own beside `prod`, such as `prod-v2: {context: prod, manifests: [v2]}`
    hint: the patches of `prod` are for the old manifests, and were not applied: prod.yaml
    --- exit code 0
    ");
    assert_eq!(environment.read("sbx.yaml"), file);
}
