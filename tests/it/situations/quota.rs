//! The workspace's quota is used up half way through an apply.

use std::net::SocketAddr;

use sbx::server::{self, Handle, Limits, Options};
use tokio::runtime::Runtime;

use super::stage::Stage;
use crate::cli::environment::Environment;

const TEMPLATE: &str = "{apiVersion: sbx/v1, kind: Template, metadata: {name: python}, spec: {image: python}}\n";

/// Returns a template and these pools of it, each with two warm sandboxes.
fn pools(names: &[&str]) -> String {
    let pool = |name: &&str| {
        format!(
            "---\n{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: {name}}}, spec: \
             {{template_name: python, replicas: 2}}}}\n"
        )
    };
    TEMPLATE.to_owned() + &names.iter().map(pool).collect::<String>()
}

#[test]
fn what_a_quota_refuses_half_way_is_made_once_there_is_room() {
    let stage = Stage::start();
    stage.declare(&pools(&["a", "b", "c"]));
    // Somebody else takes the room that was there when the plan was made.
    stage.server.fault(r#"{"operation": "create_pool", "skip": 1, "count": null, "quota": "sandbox_count"}"#);
    insta::assert_snapshot!(stage.sbx(&["apply", "prod", "--yes", "--parallelism", "1"]), @r"
    $ sbx apply prod --yes --parallelism 1
    --- stdout
    + create template/python
        image:            python
        resources.cpu:    500m
        resources.memory: 512Mi

    + create pool/a
        template_name: python
        replicas:      2
        after template/python

    + create pool/b
        template_name: python
        replicas:      2
        after template/python

    + create pool/c
        template_name: python
        replicas:      2
        after template/python

    Plan: 4 to create.
    Done: 2 created.
    Not done: 2 failed.
      failed  create pool/b: cannot create pool `b`: Limit of 10 sandbox(es) per organization exceeded. Current usage: 10 sandboxes, Requested: 1 additional
      failed  create pool/c: cannot create pool `c`: Limit of 10 sandbox(es) per organization exceeded. Current usage: 10 sandboxes, Requested: 1 additional
    --- stderr
    created template/python (<duration>)
    created pool/a (<duration>)
    failed to create pool/b (<duration>): cannot create pool `b`: Limit of 10 sandbox(es) per organization exceeded. Current usage: 10 sandboxes, Requested: 1 additional
    failed to create pool/c (<duration>): cannot create pool `c`: Limit of 10 sandbox(es) per organization exceeded. Current usage: 10 sandboxes, Requested: 1 additional
    hint: mend the cause and run the same again: it goes on from here
    --- exit code 1
    ");
    let (done, owned) = (stage.ids(), stage.owned());
    assert_eq!(done.keys().collect::<Vec<_>>(), ["pool/a", "template/python"]);
    assert_eq!(owned, done, "what was done is on record");

    // While there is no room, a second run gets no further, loses nothing, and makes nothing twice.
    let run = stage.sbx(&["apply", "prod", "--yes"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(stage.ids(), done, "{run}");

    stage.server.request("DELETE", "/_sbx/faults", "");
    stage.applied();
    let all = stage.ids();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["pool/a", "pool/b", "pool/c", "template/python"]);
    assert_eq!(all["pool/a"], done["pool/a"]);
}

/// A server in this process, which lets the workspace have this many sandboxes.
struct Limited {
    runtime: Runtime,
    handle: Option<Handle>,
}

impl Limited {
    fn start(sandboxes: u64) -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = Options::new().listen(address).limits(Limits { sandboxes, ..Limits::default() });
        let handle = runtime.block_on(server::start(options)).expect("a server in memory starts");
        Self { runtime, handle: Some(handle) }
    }

    fn url(&self) -> &str {
        self.handle.as_ref().expect("it runs until it is dropped").url()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.runtime.block_on(handle.shutdown());
        }
    }
}

#[test]
fn a_plan_says_what_has_no_room_and_goes_on_when_there_is() {
    let server = Limited::start(7);
    let mut environment = Environment::new();
    environment.set("SBX_ENDPOINT", server.url());
    environment.write("theirs.yaml", &pools(&["theirs"]).replace("python", "theirs"));
    environment.write("ours.yaml", &pools(&["a", "b", "c"]));
    let theirs = ["-f", "theirs.yaml", "--inventory", "theirs.json"];
    let ours = ["apply", "-f", "ours.yaml", "--inventory", "ours.json", "--yes", "--parallelism", "1"];
    assert_eq!(environment.sbx(&[&["apply", "--yes"][..], &theirs].concat()).code, Some(0));

    insta::assert_snapshot!(environment.sbx(&ours), @r"
    $ sbx apply -f ours.yaml --inventory ours.json --yes --parallelism 1
    --- stdout
    + create template/python
        image:            python
        resources.cpu:    500m
        resources.memory: 512Mi

    + create pool/a
        template_name: python
        replicas:      2
        after template/python

    + create pool/b
        template_name: python
        replicas:      2
        after template/python

    ! blocked pool/c
        the quota for sandboxes has 1 left, and this takes 2
        help: delete something, ask for less, or have the limit raised
        at ours.yaml:7:51

    sandboxes: 2 now, 6 at the peak (limit 7), 6 after
    Plan: 3 to create, 1 blocked.
    Done: 3 created.
    Not done: 1 blocked.
      blocked pool/c: the quota for sandboxes has 1 left, and this takes 2
    --- stderr
    No inventory yet at ours.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again.
    created template/python (<duration>)
    created pool/a (<duration>)
    created pool/b (<duration>)
    --- exit code 3
    ");
    let names = || environment.sbx(&["get", "pools", "-o", "name"]).stdout;
    assert_eq!(names(), "pool/a\npool/b\npool/theirs\n");

    // Room is made by those who had it.
    environment.write("theirs.yaml", &pools(&[]).replace("python", "theirs"));
    let run = environment.sbx(&[&["apply", "--yes", "--prune"][..], &theirs].concat());
    assert_eq!(run.code, Some(0), "{run}");
    insta::assert_snapshot!(environment.sbx(&ours), @r"
    $ sbx apply -f ours.yaml --inventory ours.json --yes --parallelism 1
    --- stdout
    + create pool/c
        template_name: python
        replicas:      2

    sandboxes: 4 now, 6 at the peak (limit 7), 6 after
    Plan: 1 to create, 3 unchanged.
    Done: 1 created.
    --- stderr
    created pool/c (<duration>)
    --- exit code 0
    ");
    assert_eq!(names(), "pool/a\npool/b\npool/c\n");

    // A new image is built beside the old one, for which there is no room. The plan says so, and what to do instead.
    let newer = pools(&["a", "b", "c"]).replace("image: python", "image: python:2");
    environment.write("ours.yaml", &newer);
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "ours.yaml", "--inventory", "ours.json"]), @r"
    $ sbx plan -f ours.yaml --inventory ours.json
    --- stdout
    ! blocked template/python
        image: python -> python:2
        image cannot change in place
        the quota for sandboxes has 1 left, and a new pool/c beside the old one takes 2
        help: have the limit raised, or let pool/c say `replace: recreate` below `lifecycle`, so that the old one is deleted first
        at ours.yaml:1:55

    Plan: 1 blocked, 3 unchanged.
    --- exit code 1
    ");
    environment.write("ours.yaml", &newer.replace("replicas: 2}", "replicas: 2}, lifecycle: {replace: recreate}"));
    let replaced = environment.sbx(&[&ours[..], &["--allow-destroy", "3"]].concat());
    assert!(replaced.code == Some(0) && replaced.stdout.contains("Done: 4 replaced."), "{replaced}");
    let again = environment.sbx(&[&ours[..], &["--dry-run"]].concat());
    assert!(again.code == Some(0) && again.stdout.contains("No changes."), "{again}");
}
