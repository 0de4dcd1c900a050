//! `sbx drift -o patch`: the manifests brought to what is live.

use super::drifting::{DECLARED, meddle};
use super::environment::Environment;
use super::server::{Served, Server};

const REFERRED_TO: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: data}
spec: {size: 1Gi}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: plain}
spec: {image: python:3.12}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: keeping}
spec:
  image: python:3.12
  volume_mounts:
    - volume_name: data  # shared
      mount_path: /data
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: \"plain\", replicas: 1}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: moved}
spec: {template_name: plain, replicas: 0}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: escaped}
spec: {template_name: \"pl\\x61in\", replicas: 0}
";

fn git_apply(environment: &Environment, patch: &str) {
    environment.write("drift.patch", patch);
    let mut git = std::process::Command::new("git");
    let applied = git.current_dir(environment.work()).args(["apply", "drift.patch"]).output().expect("git is there");
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}

#[test]
fn the_patch_brings_the_manifests_to_what_is_live() {
    let environment = Environment::applied(DECLARED);
    environment.write("sbx.yaml", "targets: {dev: {local: true, manifests: [w.yaml]}}\n");
    let live = DECLARED
        .replace("replicas: 5", "replicas: 7")
        .replace(
            "  image: python:3.12\n  resources: {memory: 512Mi}",
            "  image: python:3.13\n  resources: {cpu: '2', memory: 1Gi}",
        )
        .replace("  image: python:3.12  # pinned", "  image: python:3.12\n  resources: {cpu: '1', memory: 2Gi}");
    meddle(&environment, &live);
    let run = environment.sbx(&["drift", "dev", "-o", "patch", "--quiet"]);
    insta::assert_snapshot!(run, @r#"
    $ sbx drift dev -o patch --quiet
    --- stdout
    --- a/w.yaml
    +++ b/w.yaml
    @@ -7,14 +7,15 @@
     kind: Template
     metadata: {name: plain}
     spec:
    +  resources: {cpu: "1", memory: 2Gi}
       image: python:3.12  # pinned
     ---
     apiVersion: sbx/v1
     kind: Template
     metadata: {name: tools}
     spec:
    -  image: python:3.12
    -  resources: {memory: 512Mi}
    +  image: python:3.13
    +  resources: {cpu: "2", memory: 1Gi}
     ---
     apiVersion: sbx/v1
     kind: Pool
    @@ -22,4 +23,4 @@
       name: warm
     spec:
       template_name: plain
    -  replicas: 5
    +  replicas: 7
    --- exit code 0
    "#);
    git_apply(&environment, &run.stdout);
    let plan = environment.sbx(&["plan", "dev", "--exit-code", "--quiet"]);
    assert_eq!(plan.code, Some(0), "{plan}");
}

#[test]
fn what_no_diff_can_say_is_said() {
    let environment = Environment::applied(DECLARED);
    let run = environment.sbx(&["delete", "template/tools", "--local", "--yes", "--quiet", "--inventory", "none"]);
    assert_eq!(run.code, Some(0), "{run}");
    environment.write("w.yaml", &format!("%YAML 1.2\n---\n{DECLARED}"));
    insta::assert_snapshot!(environment.sbx(&["drift", "-f", "w.yaml", "--local", "-o", "patch"]), @r"
    $ sbx drift -f w.yaml --local -o patch
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    # template/tools: it was deleted: take its document out to agree, since its file has `...` or a `%` directive in it
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["drift", "--local", "-o", "patch"]), @r"
    $ sbx drift --local -o patch
    --- stderr
    error: there are no manifests to patch
    hint: name a target, or the manifests with -f PATH
    --- exit code 64
    ");
}

#[test]
fn what_was_renamed_gets_its_new_name() {
    let served = Served::applied(
        "# Names.\napiVersion: sbx/v1\nkind: Template\nmetadata: {name: plain} # in one line\nspec: {image: a}\n---\n\
         {apiVersion: sbx/v1, kind: Pool, metadata: {name: \"warm\"}, spec: {template_name: plain, replicas: 1}}\n",
    );
    for (path, name) in [("pools/warm", "hot"), ("templates/plain", "simple")] {
        served.call("PATCH", path, &format!("{{\"name\": \"{name}\"}}"));
    }
    let run = served.sbx(&["drift", "-o", "patch"]);
    insta::assert_snapshot!(run.stdout, @r#"
    --- a/w.yaml
    +++ b/w.yaml
    @@ -1,7 +1,7 @@
     # Names.
     apiVersion: sbx/v1
     kind: Template
    -metadata: {name: plain} # in one line
    +metadata: {name: simple} # in one line
     spec: {image: a}
     ---
    -{apiVersion: sbx/v1, kind: Pool, metadata: {name: "warm"}, spec: {template_name: plain, replicas: 1}}
    +{apiVersion: sbx/v1, kind: Pool, metadata: {name: "hot"}, spec: {template_name: simple, replicas: 1}}
    "#);
    git_apply(&served.environment, &run.stdout);
    let plan = served.sbx(&["plan", "--exit-code"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let page = served.sbx(&["drift", "-o", "markdown"]).stdout;
    assert!(page.contains("was renamed") && !page.contains("<details>"), "nothing is folded in: {page}");
}

#[test]
fn the_document_of_what_was_deleted_goes() {
    let served = Served::applied(
        "# Stays.\n{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: a}}\n---\n# Goes.\n\
         apiVersion: sbx/v1\nkind: Pool\nmetadata: {name: warm}\nspec: {template_name: plain, replicas: 1}\n---\n\
         {apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}\n",
    );
    served.call("DELETE", "pools/warm", "");
    let run = served.sbx(&["drift", "-o", "patch"]);
    insta::assert_snapshot!(run.stdout, @r"
    --- a/w.yaml
    +++ b/w.yaml
    @@ -1,10 +1,4 @@
     # Stays.
     {apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: a}}
     ---
    -# Goes.
    -apiVersion: sbx/v1
    -kind: Pool
    -metadata: {name: warm}
    -spec: {template_name: plain, replicas: 1}
    ----
     {apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
    ");
    git_apply(&served.environment, &run.stdout);
    let plan = served.sbx(&["plan", "--exit-code"]);
    assert_eq!(plan.code, Some(0), "{plan}");
}

#[test]
fn the_fields_of_what_was_renamed_are_patched_too_also_once_it_has_its_new_name() {
    let served = Served::applied(
        "{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: a}}\n---\n\
         {apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 1}}\n",
    );
    served.call("PATCH", "pools/warm", "{\"name\": \"hot\", \"replicas\": 2}");
    let patch = served.sbx(&["drift", "-o", "patch"]).stdout;
    assert!(
        patch.contains(
            "+{apiVersion: sbx/v1, kind: Pool, metadata: {name: hot}, spec: {template_name: plain, replicas: 2}}"
        ),
        "{patch}"
    );
    // By hand, and but for the replicas.
    served.edit("name: warm", "name: hot");
    let again = served.sbx(&["drift", "-o", "patch"]);
    assert!(again.stdout.contains("replicas: 2") && !again.stderr.contains("not declared"), "{again}");
    served.edit("replicas: 1", "replicas: 2");
    let plan = served.sbx(&["plan", "--exit-code"]);
    assert_eq!(plan.code, Some(0), "{plan}");
}

#[test]
fn the_patch_follows_a_new_name_to_all_that_refers_to_it() {
    let served = Served::applied(REFERRED_TO);
    for (path, body) in [
        ("volumes/data", "{\"name\": \"store\"}"),
        ("templates/plain", "{\"name\": \"python\"}"),
        // Its reference is as it was, only the number is edited.
        ("pools/moved", "{\"replicas\": 2}"),
    ] {
        served.call("PATCH", path, body);
    }
    let run = served.sbx(&["drift", "-o", "patch"]);
    insta::assert_snapshot!(run.to_string().replace(&served.server.url(), "URL"), @r#"
    $ sbx drift -o patch -f w.yaml --endpoint URL
    --- stdout
    --- a/w.yaml
    +++ b/w.yaml
    @@ -1,11 +1,11 @@
     apiVersion: sbx/v1
     kind: Volume
    -metadata: {name: data}
    +metadata: {name: store}
     spec: {size: 1Gi}
     ---
     apiVersion: sbx/v1
     kind: Template
    -metadata: {name: plain}
    +metadata: {name: python}
     spec: {image: python:3.12}
     ---
     apiVersion: sbx/v1
    @@ -14,18 +14,18 @@
     spec:
       image: python:3.12
       volume_mounts:
    -    - volume_name: data  # shared
    +    - volume_name: store  # shared
           mount_path: /data
     ---
     apiVersion: sbx/v1
     kind: Pool
     metadata: {name: warm}
    -spec: {template_name: "plain", replicas: 1}
    +spec: {template_name: "python", replicas: 1}
     ---
     apiVersion: sbx/v1
     kind: Pool
     metadata: {name: moved}
    -spec: {template_name: plain, replicas: 0}
    +spec: {template_name: python, replicas: 2}
     ---
     apiVersion: sbx/v1
     kind: Pool
    --- stderr
    # template/plain: it was renamed to python, and pool/escaped refers to its old name
    --- exit code 0
    "#);
    git_apply(&served.environment, &run.stdout);
    served.edit("\"pl\\x61in\"", "python");
    let plan = served.sbx(&["plan", "--exit-code"]);
    assert_eq!(plan.code, Some(0), "{plan}");
}

#[test]
fn the_patch_follows_names_that_somebody_gave_to_one_another_s_objects() {
    let rename = |server: &Server, from: &str, to: &str| {
        let answer =
            server.request("PATCH", &format!("/v2/sandboxes/volumes/{from}"), &format!("{{\"name\": \"{to}\"}}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let swap = |server: &Server| {
        rename(server, "a", "c");
        rename(server, "b", "a");
        rename(server, "c", "b");
    };
    let usurp = |server: &Server| {
        let answer = server.request("DELETE", "/v2/sandboxes/volumes/b", "");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        rename(server, "a", "b");
    };
    for meddle in [&swap as &dyn Fn(&Server), &usurp] {
        let environment = Environment::new();
        for (name, size) in [("a", "1Gi"), ("b", "2Gi")] {
            let text =
                format!("{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: {name}}}, spec: {{size: {size}}}}}\n");
            environment.write(format!("m/{name}.yaml"), &text);
        }
        let server = Server::start(&environment, &[]);
        let url = server.url();
        let sbx = |arguments: &[&str]| environment.sbx(&[arguments, &["-f", "m", "--endpoint", &url]].concat());
        assert_eq!(sbx(&["apply", "--yes"]).code, Some(0));
        meddle(&server);
        git_apply(&environment, &sbx(&["drift", "-o", "patch"]).stdout);
        assert!(environment.read("m/a.yaml").contains("{name: b}, spec: {size: 1Gi}"));
        assert_eq!(
            environment.work().join("m/b.yaml").exists(),
            environment.read("drift.patch").contains("{name: a}, spec: {size: 2Gi}")
        );
        let plan = sbx(&["plan", "--exit-code"]);
        if environment.work().join("m/b.yaml").exists() {
            assert_eq!(plan.code, Some(0), "{plan}");
            continue;
        }
        // Whether the one that is left is a or b is somebody's own to say.
        assert!(plan.code == Some(1) && plan.stdout.contains("let go of it with `sbx forget volume/a`"), "{plan}");
        let forgotten = environment.sbx(&["forget", "volume/a", "--endpoint", &url]);
        assert_eq!(forgotten.code, Some(0), "{forgotten}");
        assert_eq!(sbx(&["apply", "--yes"]).code, Some(0));
        assert_eq!(sbx(&["drift", "--exit-code"]).code, Some(0));
    }
}
