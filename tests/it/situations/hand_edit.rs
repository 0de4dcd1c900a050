//! Somebody helps himself during an incident, and at night the drift job finds it.

use super::stage::Stage;

const MANIFESTS: &str = "\
apiVersion: sbx/v1
kind: Template
metadata:
  name: python
spec:
  image: python:3.12-slim
  resources:
    memory: 512Mi
---
apiVersion: sbx/v1
kind: Pool
metadata:
  name: warm
spec:
  template_name: python
  replicas: 3  # enough for a quiet day
";

#[test]
fn a_hand_edit_during_an_incident_is_found_and_accepted() {
    let stage = Stage::start();
    stage.declare(MANIFESTS).applied();
    let job = ["drift", "prod", "--exit-code"];
    assert_eq!(stage.sbx(&job).code, Some(0));

    // In the incident, the pool is scaled up past the manifests.
    stage.call("PATCH", "pools/warm", r#"{"name": "warm", "replicas": 8}"#);
    insta::assert_snapshot!(stage.sbx(&job), @r"
    $ sbx drift prod --exit-code
    --- stdout
    ~ pool/warm was changed
        replicas: 3 -> 8

    Drift: 1 of 2 objects is not as it was applied.
    --- exit code 4
    ");

    // Meanwhile somebody merged a change, which is not applied yet.
    stage.declare(&MANIFESTS.replace("memory: 512Mi", "memory: 1Gi"));
    insta::assert_snapshot!(stage.sbx(&job), @r"
    $ sbx drift prod --exit-code
    --- stdout
    ~ pool/warm was changed
        replicas: 3 -> 8

    Drift: 1 of 2 objects is not as it was applied.
    The manifests are ahead by 2 changes: template/python, pool/warm. See sbx plan
    --- exit code 6
    ");
    // The pipeline must not undo what it does not understand.
    let refused = stage.sbx(&["apply", "prod", "--yes", "--on-drift", "fail"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    insta::assert_snapshot!(refused.stderr, @r"
    error: the plan is refused: pool/warm changed behind the manifests' back
    hint: declare what is live (`sbx drift -o patch` prints how), or use `--on-drift revert` or `hold`
    ");

    // The team keeps the size: the job's patch goes into the manifests.
    let patch = stage.done(&["drift", "prod", "-o", "patch"]).stdout;
    insta::assert_snapshot!(patch, @r"
    --- a/manifests/all.yaml
    +++ b/manifests/all.yaml
    @@ -13,4 +13,4 @@
       name: warm
     spec:
       template_name: python
    -  replicas: 3  # enough for a quiet day
    +  replicas: 8  # enough for a quiet day
    ");
    stage.environment.write("../drift.patch", &patch);
    stage.git(&["apply", "../drift.patch"]);
    assert!(stage.environment.read("manifests/all.yaml").contains("replicas: 8  # enough"), "the comment stays");
    stage.applied();
    assert_eq!(stage.live()["pool/warm"]["spec"]["replicas"], 8);
}

#[test]
fn a_hand_edit_that_nobody_wants_is_reverted() {
    let stage = Stage::start();
    stage.declare(MANIFESTS).applied();
    stage.call("PATCH", "pools/warm", r#"{"name": "warm", "replicas": 8}"#);
    insta::assert_snapshot!(stage.sbx(&["apply", "prod", "--yes"]), @r"
    $ sbx apply prod --yes
    --- stdout
    ~ update pool/warm
        replicas: 8 -> 3 (changed behind the manifests)

    Plan: 1 to update, 1 unchanged.
    Done: 1 updated.
    --- stderr
    updated pool/warm (<duration>)
    --- exit code 0
    ");
    stage.is_settled();
    assert_eq!(stage.live()["pool/warm"]["spec"]["replicas"], 3);
}
