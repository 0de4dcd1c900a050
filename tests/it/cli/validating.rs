//! `sbx validate`: all that is wrong, in one go.

use super::environment::Environment;

const GOOD: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: data}
spec: {size: 1Gi}
";

#[test]
fn good_manifests_are_counted() {
    let environment = Environment::new();
    environment.write("m/a.yaml", GOOD).write("m/b/c.yml", &GOOD.replace("name: data", "name: more"));
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "m"]), @r"
    $ sbx validate -f m
    --- stdout
    2 objects in 2 files are valid.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx_with_input(&["validate", "-f", "-"], GOOD), @r"
    $ sbx validate -f -
    --- stdout
    1 object in 1 file is valid.
    --- exit code 0
    ");
}

#[test]
fn everything_wrong_is_shown_at_once() {
    let environment = Environment::new();
    environment.write(
        "m/pools.yaml",
        "apiVersion: sbx/v1\nkind: Pool\nmetadata: {name: Warm}\nspec: {template_name: mounted, replica: 2}\n\
         ---\napiVersion: sbx/v1\nkind: Pool\nmetadata: {name: pool}\nspec: {template_name: mounted, replicas: -1}\n\
         ---\napiVersion: sbx/v1\nkind: Pool\nmetadata: {name: pool}\nspec: {template_name: mounted, replicas: 200}\n",
    );
    environment.write(
        "m/templates.yaml",
        "apiVersion: sbx/v1\nkind: Template\nmetadata: {name: mounted}\nspec:\n  image: python\n  volumeMounts: []\n  \
         volume_mounts:\n    - {volume_name: data, mount_path: data}\n",
    );
    environment.write("m/syntax.yaml", "kind: [Volume\n");
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "m"]), @r"
    $ sbx validate -f m
    --- stderr
    error[bad-name]: `Warm` is not a valid name
     --> m/pools.yaml:3:18
      |
    3 | metadata: {name: Warm}
      |                  ^^^^ a name has only lower-case letters, digits and hyphens, not `W`
      |
      = help: for example `warm`

    error[missing-field]: missing field `replicas` in `spec`
     --> m/pools.yaml:4:8
      |
    4 | spec: {template_name: mounted, replica: 2}
      |        ^^^^^^^^^^^^^ `replicas` belongs beside this

    error[unknown-field]: unknown field `replica` in `spec`
     --> m/pools.yaml:4:32
      |
    4 | spec: {template_name: mounted, replica: 2}
      |                                ^^^^^^^ unknown field
      |
      = help: did you mean `replicas`?

    error[bad-number]: -1 is not a number of replicas
     --> m/pools.yaml:9:42
      |
    9 | spec: {template_name: mounted, replicas: -1}
      |                                          ^^ replicas cannot be negative
      |
      = help: 0 pauses a pool

    warning[server-limit]: servers are known to take at most 100 replicas
      --> m/pools.yaml:14:42
       |
    14 | spec: {template_name: mounted, replicas: 200}
       |                                          ^^^ the server may refuse this

    error[syntax]: a bracket is not closed
     --> m/syntax.yaml:1:15
      |
    1 | kind: [Volume
      |       -      ^ expected `,` or `]` before this
      |       |
      |       opened here
      |
      = help: close the list with `]`, or put a `,` between its items

    error[unknown-field]: unknown field `volumeMounts` in `spec`
     --> m/templates.yaml:6:3
      |
    6 |   volumeMounts: []
      |   ^^^^^^^^^^^^ unknown field
      |
      = help: the fields of `spec` are `image`, `resources`, `volume_mounts`

    error[bad-mount-path]: `data` is not a mount path
     --> m/templates.yaml:8:39
      |
    8 |     - {volume_name: data, mount_path: data}
      |                                       ^^^^ a mount path is absolute
      |
      = help: for example `/data`

    error: the manifests have 7 errors, 1 warning in 3 files
    --- exit code 1
    ");
}

#[test]
fn a_rule_across_files_shows_both_places() {
    let environment = Environment::new();
    environment.write(
        "pool.yaml",
        "{apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: t, replicas: 1}}",
    );
    environment.write(
        "template.yaml",
        "apiVersion: sbx/v1\nkind: Template\nmetadata: {name: t}\nspec:\n  image: python\n  volume_mounts:\n    \
         - {volume_name: data, mount_path: /data}\n",
    );
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "pool.yaml", "-f", "template.yaml"]), @r"
    $ sbx validate -f pool.yaml -f template.yaml
    --- stderr
    error[broken-rule]: template `t` has volume mounts, so it cannot be pooled
     --> pool.yaml:1:77
      |
    1 | {apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: t, replicas: 1}}
      |                                                                             ^
      |
     ::: template.yaml:7:8
      |
    7 |     - {volume_name: data, mount_path: /data}
      |        ----------- of template/t
      |
      = help: point the pool at a template without `volume_mounts`

    error: the manifests have 1 error in 1 file
    --- exit code 1
    ");
}

#[test]
fn a_path_that_is_not_there_never_means_nothing() {
    let environment = Environment::new();
    environment.write("empty/README.md", "no manifest");
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "gone", "-f", "empty"]), @r"
    $ sbx validate -f gone -f empty
    --- stderr
    error[unreadable]: `gone` does not exist

    error[no-document]: `empty` has no manifest in it
     |
     = help: `*.yaml`, `*.yml` and `*.json` files are read at any depth; hidden ones are skipped

    error: the manifests have 2 errors
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "-"]), @r"
    $ sbx validate -f -
    --- stderr
    error[no-document]: standard input holds no document
     |
     = help: check the command before the pipe: it may have failed

    error: the manifests have 1 error
    --- exit code 1
    ");
}
