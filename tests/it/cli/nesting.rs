//! Fields with parts, and the secrets in them, against `sbx serve`: proxies, mounts, rights, volumes and environments.

use std::process::Command;

use serde_json::Value as Json;

use super::environment::{Environment, Run};
use super::server::Server;

const SNAPSHOT: &str = "\
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: python}
spec: {docker_image: 'python:3.12', fs_capacity_bytes: 4Gi}
---
";

const SANDBOX: &str = "\
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: box}
spec:
  snapshot: python
  secret_version: 1
  proxy_config:
    rules:
    - name: github
      match_hosts: [api.github.com]
      headers: [{name: Authorization, value: {env: GITHUB_TOKEN}}]
    - {name: internal, match_hosts: ['*.example.com'], headers: [{name: X-Team, value: research}]}
    access_control: {allow_list: [api.github.com, '*.example.com']}
  mount_config:
    auth: {aws: {access_key_id: {env: AWS_ID}, secret_access_key: {env: AWS_KEY}}}
    mounts:
    - {id: data, type: s3, mount_path: /data, read_only: true, s3: {bucket: data, region: eu-west-1}}
  env_vars: {MODEL: small, TOKEN: {env: GITHUB_TOKEN}}
  access_delegation: {mode: EXPLICIT, permissions: ['datasets:read']}
lifecycle: {on_snapshot_change: replace}
";

/// A project whose server runs.
struct Project {
    #[expect(dead_code, reason = "it runs for as long as it is held")]
    server: Server,
    environment: Environment,
}

impl Project {
    fn applied() -> Self {
        let mut environment = Environment::new();
        let server = Server::start(&environment, &["--data-dir", "server"]);
        environment.set("SBX_ENDPOINT", &server.url()).set("GITHUB_TOKEN", "first-token");
        environment.set("AWS_ID", "an-id").set("AWS_KEY", "a-key");
        let project = Self { server, environment };
        project.write(SANDBOX);
        project.apply(&[]);
        project
    }

    fn write(&self, sandbox: &str) {
        self.environment.write("m/all.yaml", &format!("{SNAPSHOT}{sandbox}"));
    }

    /// Changes the manifest of the sandbox.
    fn edit(&self, from: &str, to: &str) {
        let text = self.environment.read("m/all.yaml");
        assert!(text.contains(from), "{text}");
        self.environment.write("m/all.yaml", &text.replace(from, to));
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> Run {
        let run = self.environment.sbx(arguments);
        assert_eq!(run.code, Some(code), "{run}");
        run
    }

    #[track_caller]
    fn apply(&self, more: &[&str]) -> Run {
        self.ends(0, &[&["apply", "-f", "m", "--yes", "--quiet"], more].concat())
    }

    #[track_caller]
    fn assert_nothing_to_do(&self) {
        self.ends(0, &["plan", "-f", "m", "--exit-code"]);
        let run = self.ends(0, &["drift", "-f", "m"]);
        assert!(run.stdout.contains("No drift"), "{run}");
    }

    /// Brings the sandbox to another manifest, and writes nothing down.
    fn meddle(&self, from: &str, to: &str) {
        assert!(SANDBOX.contains(from));
        self.environment.write("elsewhere/all.yaml", &format!("{SNAPSHOT}{}", SANDBOX.replace(from, to)));
        self.ends(0, &["apply", "-f", "elsewhere", "--yes", "--quiet", "--inventory", "none", "--take-over", "all"]);
    }

    /// Returns what the server keeps, secrets too.
    fn kept(&self) -> String {
        let folder = self.environment.work().join("server");
        let files = std::fs::read_dir(folder).expect("the server has data");
        let bytes = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok()).flatten().collect::<Vec<_>>();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[test]
fn what_is_applied_is_as_declared() {
    let project = Project::applied();
    project.assert_nothing_to_do();
    let kept = project.kept();
    for secret in ["first-token", "a-key"] {
        assert!(kept.contains(secret), "{secret} reached the server");
    }
}

#[test]
fn a_rule_is_changed_in_place_and_keeps_its_secret() {
    let project = Project::applied();
    project.edit("match_hosts: [api.github.com]", "match_hosts: [api.github.com, uploads.github.com]");
    insta::assert_snapshot!(project.ends(2, &["plan", "-f", "m", "--exit-code", "--quiet"]), @r"
    $ sbx plan -f m --exit-code --quiet
    --- stdout
    ~ update sandbox/box
        proxy_config.rules[github].match_hosts: [api.github.com] -> [api.github.com, uploads.github.com]

    Plan: 1 to update, 1 unchanged.
    --- exit code 2
    ");
    let run = project.ends(0, &["plan", "-f", "m", "-o", "json"]);
    let plan: Json = serde_json::from_str(&run.stdout).expect("it is JSON");
    let change = plan["changes"].as_array().unwrap().iter().find(|change| change["name"] == "box").unwrap();
    assert_eq!(change["fields"][0]["parts"][0]["path"], "rules[github].match_hosts");
    project.apply(&[]);
    project.assert_nothing_to_do();
    assert!(project.kept().contains("first-token"));
}

#[test]
fn a_secret_is_sent_again_when_its_version_is_raised() {
    let mut project = Project::applied();
    project.environment.set("GITHUB_TOKEN", "second-token");
    project.assert_nothing_to_do();
    project.edit("secret_version: 1", "secret_version: 2");
    project.apply(&[]);
    project.assert_nothing_to_do();
    assert!(project.kept().contains("second-token"));
}

#[test]
fn a_secret_is_kept_where_there_is_one() {
    let project = Project::applied();
    project.edit("value: {env: GITHUB_TOKEN}", "value: {is_set: true}");
    project.edit("snapshot: python\n", "snapshot: python\n  idle_ttl_seconds: 1200\n");
    project.apply(&[]);
    project.assert_nothing_to_do();
    project.edit("value: research", "value: {is_set: true}");
    let run = project.ends(1, &["plan", "-f", "m", "--quiet"]);
    let why = "proxy_config.rules[internal].headers[X-Team].value keeps a secret that is not there";
    assert!(run.stdout.contains(why), "{run}");
}

#[test]
fn a_secret_that_is_somewhere_else_is_sent_again() {
    let mut project = Project::applied();
    project.environment.set("OTHER_TOKEN", "other-token");
    project.edit(
        "headers: [{name: Authorization, value: {env: GITHUB_TOKEN}}]",
        "headers: [{name: Authorization, value: {env: OTHER_TOKEN}}]",
    );
    insta::assert_snapshot!(project.ends(2, &["plan", "-f", "m", "--exit-code", "--quiet"]), @r"
    $ sbx plan -f m --exit-code --quiet
    --- stdout
    ~ update sandbox/box
        proxy_config.rules[github].headers[Authorization].value: $GITHUB_TOKEN -> $OTHER_TOKEN

    Plan: 1 to update, 1 unchanged.
    --- exit code 2
    ");
    project.apply(&[]);
    project.assert_nothing_to_do();
    assert!(project.kept().contains("other-token"));
}

#[test]
fn a_change_reads_only_the_secrets_that_it_sends() {
    let mut project = Project::applied();
    for unread in ["GITHUB_TOKEN", "AWS_ID", "AWS_KEY"] {
        project.environment.unset(unread);
    }
    project.edit("snapshot: python\n", "snapshot: python\n  idle_ttl_seconds: 1200\n");
    project.apply(&[]);
    project.assert_nothing_to_do();
    // Those of the mounts are not sent with the proxy.
    project.edit("value: research", "value: development");
    let run = project.ends(1, &["apply", "-f", "m", "--yes", "--quiet"]);
    assert!(run.stderr.contains("$GITHUB_TOKEN") && !run.stderr.contains("AWS"), "{run}");
    project.environment.set("GITHUB_TOKEN", "first-token");
    project.apply(&[]);
    project.assert_nothing_to_do();
}

#[test]
fn mounts_and_environments_take_a_new_sandbox() {
    let project = Project::applied();
    project.edit("bucket: data,", "bucket: other,");
    project.edit("MODEL: small", "MODEL: large");
    insta::assert_snapshot!(project.ends(1, &["plan", "-f", "m", "--exit-code", "--quiet"]).stdout, @r"
    -/+ replace sandbox/box
        mount_config.mounts[data].s3.bucket: data -> other
        env_vars.MODEL:                      small -> large
        mount_config, env_vars cannot change in place
        the disk of this sandbox is lost, with everything on it
        steps, in this order:
          1. delete sandbox/box
          2. create sandbox/box

    ! refused: this plan destroys 1 object, and with sandbox/box data that nothing can make again
        help: look at what is destroyed, then add `--allow-destroy 1`

    Plan: 1 to replace, 1 unchanged.
    ");
    project.apply(&["--allow-destroy", "1"]);
    project.assert_nothing_to_do();
}

#[test]
fn what_somebody_changed_in_a_rule_is_drift() {
    let project = Project::applied();
    project.meddle("match_hosts: ['*.example.com']", "match_hosts: ['*']");
    insta::assert_snapshot!(project.ends(0, &["drift", "-f", "m", "--quiet"]), @r"
    $ sbx drift -f m --quiet
    --- stdout
    ~ sandbox/box was changed
        proxy_config.rules[internal].match_hosts: [*.example.com] -> [*]

    Drift: 1 of 2 objects is not as it was applied.
    --- exit code 0
    ");
    project.apply(&[]);
    project.assert_nothing_to_do();
}

/// Only the part that was changed, so that the secrets stay where they are.
#[test]
fn a_patch_changes_what_was_changed_and_leaves_the_rest_as_it_is_written() {
    let project = Project::applied();
    project.edit("- name: github\n", "- name: github  # for issues\n");
    project.meddle("match_hosts: ['*.example.com']", "match_hosts: ['*', a.example.com], match_paths: [/repos/*]");
    let run = project.ends(0, &["drift", "-f", "m", "--quiet", "-o", "patch"]);
    insta::assert_snapshot!(run.stdout, @r#"
    --- a/m/all.yaml
    +++ b/m/all.yaml
    @@ -14,7 +14,7 @@
         - name: github  # for issues
           match_hosts: [api.github.com]
           headers: [{name: Authorization, value: {env: GITHUB_TOKEN}}]
    -    - {name: internal, match_hosts: ['*.example.com'], headers: [{name: X-Team, value: research}]}
    +    - {match_paths: ["/repos/*"], name: internal, match_hosts: ["*", a.example.com], headers: [{name: X-Team, value: research}]}
         access_control: {allow_list: [api.github.com, '*.example.com']}
       mount_config:
         auth: {aws: {access_key_id: {env: AWS_ID}, secret_access_key: {env: AWS_KEY}}}
    "#);
    project.environment.write("patched.diff", &run.stdout);
    let apply = Command::new("git").args(["apply", "patched.diff"]).current_dir(project.environment.work()).status();
    assert!(apply.expect("there is a `git`").success(), "{run}");
    assert!(project.environment.read("m/all.yaml").contains("{env: GITHUB_TOKEN}"));
    project.ends(0, &["plan", "-f", "m", "--exit-code"]);
    project.apply(&[]);
    project.assert_nothing_to_do();
}

#[test]
fn what_is_exported_is_as_it_is_live() {
    let project = Project::applied();
    let run = project.ends(0, &["export", "-o", "exported", "--sandboxes"]);
    assert!(!run.to_string().contains("left out"), "{run}");
    let text = project.environment.read("exported/sandboxes.yaml");
    assert!(text.contains("is_set: true") && !text.contains("token"), "{text}");
    project.ends(0, &["plan", "-f", "exported", "--exit-code", "--inventory", "none"]);
}
