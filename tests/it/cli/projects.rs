//! `sbx.yaml`: targets, patches, and the folders that commands are given in.

use std::fs;

use super::environment::Environment;

const VOLUME: &str = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}\n";

#[test]
fn a_target_means_all_that_it_says() {
    let environment = Environment::new();
    environment.write("manifests/v.yaml", VOLUME);
    environment.write("patches/dev.yaml", "{kind: Volume, name: data, patch: {spec: {size: 5Gi}}}\n");
    environment.write("sbx.yaml", "targets: {dev: {local: true, patches: [patches]}}\n");
    insta::assert_snapshot!(environment.sbx(&["apply", "dev", "--yes"]), @r"
    $ sbx apply dev --yes
    --- stdout
    + create volume/data
        size: 5Gi

    Plan: 1 to create.
    Done: 1 created.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    created volume/data (<duration>)
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "--exit-code"]), @r"
    $ sbx plan --exit-code
    --- stdout
    No changes. Nothing to do: 1 object is as declared.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "all", "-q"]), @r"
    $ sbx get all -q
    --- stdout
    NAME          SIZE   AGE
    volume/data   5Gi    <duration>
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["validate"]).stdout, @"1 object in 1 file is valid.");
    insta::assert_snapshot!(environment.sbx(&["destroy", "dev", "-o", "json", "--yes"]).code.unwrap(), @"0");
}

#[test]
fn the_file_is_found_from_below_and_its_paths_stay_its_own() {
    let environment = Environment::new();
    environment.write("manifests/v.yaml", &VOLUME.replace("1Gi", "lots"));
    environment.write("sbx.yaml", "targets: {dev: {local: true}}\n").write("a/b/c.txt", "");
    insta::assert_snapshot!(environment.sbx_in("a/b", &["plan"]), @r"
    $ sbx plan
    --- stderr
    error[bad-quantity]: `lots` is not a size
     --> ../../manifests/v.yaml:1:73
      |
    1 | {apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: lots}}
      |                                                                         ^^^^ `lots` is not a quantity
      |
      = help: for example `20Gi`

    error: the manifests have 1 error in 1 file
    --- exit code 1
    ");
    environment.write("manifests/v.yaml", VOLUME);
    let run = environment.sbx_in("a/b", &["apply", "dev", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(environment.work().join(".sbx/local").is_dir(), "the data is in the project");
    assert!(!environment.work().join("a/b/.sbx").exists());
}

#[test]
fn flags_replace_what_the_target_says() {
    let environment = Environment::new();
    environment.write("manifests/v.yaml", VOLUME).write("other/w.yaml", &VOLUME.replace("name: data", "name: other"));
    environment.write("p.yaml", "{kind: Volume, name: data, patch: {spec: {size: 5Gi}}}\n");
    environment.write("sbx.yaml", "targets: {prod: {context: prod, patches: [p.yaml]}}\n");
    // Its patch is for something that is not in this part of the manifests.
    insta::assert_snapshot!(environment.sbx(&["plan", "prod", "-f", "other", "--local"]), @r"
    $ sbx plan prod -f other --local
    --- stdout
    + create volume/other
        size: 1Gi

    Plan: 1 to create.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "prod", "-f", "manifests", "--local", "-q"]), @r"
    $ sbx plan prod -f manifests --local -q
    --- stdout
    + create volume/data
        size: 5Gi

    Plan: 1 to create.
    --- exit code 0
    ");
    // Without a target, `-f` means what it always did.
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "manifests", "--local", "-q"]), @r"
    $ sbx plan -f manifests --local -q
    --- stdout
    + create volume/data
        size: 1Gi

    Plan: 1 to create.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "manifests"]), @r"
    $ sbx plan -f manifests
    --- stderr
    error: no server is configured
    hint: pass --local to use the server that is built into sbx
    hint: or set SBX_ENDPOINT and SBX_API_KEY, or LANGSMITH_ENDPOINT and LANGSMITH_API_KEY
    hint: or name the server once in ~/.config/sbx/config.yaml; see `sbx context --help`
    --- exit code 64
    ");
}

#[test]
fn the_files_of_a_project_are_no_manifests() {
    let environment = Environment::new();
    environment
        .write("v.yaml", VOLUME)
        .write("patches/a.yaml", "{kind: Volume, name: data, patch: {spec: {size: 2Gi}}}");
    environment.write("patches/b.yaml", "{kind: Volume, name: data, patch: {spec: {size: 3Gi}}}");
    environment.write(
        "sbx.yaml",
        "targets: {a: {local: true, manifests: [.], patches: [patches/a.yaml]}, b: {manifests: [.], patches: \
         [patches/b.yaml]}}\n",
    );
    insta::assert_snapshot!(environment.sbx(&["plan", "a", "-q"]), @r"
    $ sbx plan a -q
    --- stdout
    + create volume/data
        size: 2Gi

    Plan: 1 to create.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "."]), @r"
    $ sbx validate -f .
    --- stdout
    1 object in 1 file is valid.
    --- exit code 0
    ");
}

#[test]
fn what_is_wrong_with_a_patch_is_shown_in_the_patch() {
    let environment = Environment::new();
    environment.write("manifests/v.yaml", VOLUME);
    environment.write(
        "p.yaml",
        "kind: Volume\nname: data\npatch:\n  spec:\n    size: big\n---\n{kind: Volume, name: dta, patch: {}}\n",
    );
    environment.write("sbx.yaml", "targets: {dev: {local: true, patches: [p.yaml]}}\n");
    insta::assert_snapshot!(environment.sbx(&["validate", "dev"]), @r"
    $ sbx validate dev
    --- stderr
    error[bad-quantity]: `big` is not a size
     --> p.yaml:5:11
      |
    5 |     size: big
      |           ^^^ `big` is not a quantity
      |
      = help: for example `20Gi`

    error[no-match]: the patch matches nothing: no manifest declares volume/dta
     --> p.yaml:7:22
      |
    7 | {kind: Volume, name: dta, patch: {}}
      |                      ^^^ not declared
      |
      = help: did you mean `data`?

    error: the manifests have 2 errors in 1 file
    --- exit code 1
    ");
}

#[test]
fn what_is_wrong_with_the_file_is_shown_in_the_file() {
    let environment = Environment::new();
    environment.write("sbx.yaml", "targets:\n  dev: {lokal: true}\n");
    insta::assert_snapshot!(environment.sbx(&["plan", "dev"]), @r"
    $ sbx plan dev
    --- stderr
    error[unknown-field]: unknown field `lokal` in target `dev`
     --> sbx.yaml:2:9
      |
    2 |   dev: {lokal: true}
      |         ^^^^^ unknown field
      |
      = help: did you mean `local`?

    error: `sbx.yaml` has 1 error
    --- exit code 1
    ");
    environment.write("sbx.yaml", "targets: {dev: {context: prd}}\n").write("manifests/v.yaml", VOLUME);
    insta::assert_snapshot!(environment.sbx(&["plan", "dev"]), @r"
    $ sbx plan dev
    --- stderr
    error: there is no context `prd`, which target `dev` names
    hint: write `contexts: {prd: {endpoint: URL, api_key_env: NAME}}` into <folder>/home/.config/sbx/config.yaml
    --- exit code 64
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "manifests"]), @r"
    $ sbx plan manifests
    --- stderr
    error: there is no target `manifests` in `sbx.yaml`
    hint: pass -f manifests for the manifests in it
    --- exit code 64
    ");
}

#[test]
fn a_folder_to_begin_with() {
    let environment = Environment::new();
    insta::assert_snapshot!(environment.sbx(&["init"]), @r"
    $ sbx init
    --- stdout
    wrote manifests/volumes.yaml
    wrote manifests/templates.yaml
    wrote manifests/pools.yaml
    wrote manifests/sandboxes.yaml
    wrote manifests/.schema.json
    wrote sbx.yaml
    wrote .sbx/project.schema.json
    --- stderr
    hint: `sbx apply dev` makes it so, on the server built into sbx
    --- exit code 0
    ");
    assert!(environment.read(".sbx/.gitignore").starts_with("local/\n"));
    let run = environment.sbx(&["apply", "dev", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");

    environment.write("sbx.yaml", "targets: {mine: {local: true}}\n");
    fs::remove_file(environment.work().join("manifests/pools.yaml")).expect("it was written");
    insta::assert_snapshot!(environment.sbx(&["init"]), @r"
    $ sbx init
    --- stdout
    kept  manifests/volumes.yaml, which was there
    kept  manifests/templates.yaml, which was there
    wrote manifests/pools.yaml
    kept  manifests/sandboxes.yaml, which was there
    kept  manifests/.schema.json, which was there
    kept  sbx.yaml, which was there
    --- stderr
    hint: `sbx apply -f manifests --local` makes it so, on the server built into sbx
    --- exit code 0
    ");
    assert_eq!(environment.read("sbx.yaml"), "targets: {mine: {local: true}}\n");
    // In a project, the folder belongs to that.
    let run = environment.sbx_in("manifests", &["init", "more"]);
    assert!(run.stdout.contains("kept  ../sbx.yaml"), "{run}");
}

#[test]
fn a_starter_folder_of_another_name_is_the_target_s() {
    let environment = Environment::new();
    let run = environment.sbx(&["init", "infra/sandboxes: all"]);
    assert_eq!(run.code, Some(0), "{run}");
    insta::assert_snapshot!(environment.sbx(&["validate"]).stdout, @"8 objects in 4 files are valid.");
}

#[test]
fn version_tells_of_the_project() {
    let mut environment = Environment::new();
    environment.set("PROD_KEY", "planted-key");
    environment.write_config("contexts: {prod: {endpoint: 'http://127.0.0.1:1', api_key_env: PROD_KEY}}\n");
    environment.write("sbx.yaml", "name: research\ntargets: {prod: {context: prod, inventory: s3://bucket/sbx}}\n");
    insta::assert_snapshot!(environment.sbx(&["version", "--verbose"]).stdout, @r"
    sbx 0.1.0
    project:   research (sbx.yaml)
    target:    prod (nothing said otherwise)
    endpoint:  http://127.0.0.1:<port>/v2/sandboxes (context prod)
    api-key:   set (PROD_KEY, of context prod)
    api:       not known: it cannot be reached (it was asked)
    inventory: s3://bucket/sbx (target prod)
    ");
    insta::assert_snapshot!(environment.sbx(&["version", "--verbose", "--local"]), @r"
    $ sbx version --verbose --local
    --- stdout
    sbx 0.1.0
    project:   research (sbx.yaml)
    endpoint:  local, data in <work>/.sbx/local (--local)
    api:       the first and the second generation (built into sbx)
    inventory: <work>/.sbx/local/inventory.json (default)
    --- exit code 0
    ");
}

#[test]
fn the_schema_of_the_file() {
    let run = Environment::new().sbx(&["schema", "project"]);
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    assert!(schema["properties"]["targets"]["additionalProperties"]["properties"]["patches"].is_object(), "{run}");
}
