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
    assert!(refused.stdout.contains("! refused: pool/warm changed behind the manifests' back"), "{refused}");

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

#[test]
fn a_hand_edit_is_held_while_its_template_is_replaced() {
    let stage = Stage::start();
    stage.declare(MANIFESTS).applied();
    stage.call("PATCH", "pools/warm", r#"{"name": "warm", "replicas": 8}"#);
    stage.declare(&MANIFESTS.replace("memory: 512Mi", "memory: 1Gi"));
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--yes", "--on-drift", "hold"]).stdout, @r"
    -/+ replace template/python
        resources.memory: 512Mi -> 1Gi
        resources.memory cannot change in place
        `python--sbx-817709b9` is built beside it, then swapped
        steps, in this order:
          1. create template/python--sbx-817709b9
          2. put python--sbx-817709b9 in the place of template/python, after pool/warm--sbx-131fd2d7
          3. verify that pool/warm--sbx-131fd2d7 followed it to its name; if not, undo step 2
          4. delete template/python--sbx-b415b207, after pool/warm--sbx-d6f8446d is gone

    -/+ replace pool/warm
        template_name: python (made anew)
        what changed behind the manifests' back is left as it is: replicas
        help: declare what is live, or use `--on-drift revert`
        template `python` is replaced
        `warm--sbx-131fd2d7` is built beside it, then swapped; the API tells only that one replica is ready
        steps, in this order:
          1. create pool/warm--sbx-131fd2d7, after template/python--sbx-817709b9
          2. put warm--sbx-131fd2d7 in the place of pool/warm, after template/python has its name
          3. delete pool/warm--sbx-d6f8446d

    sandboxes: 8 now, 16 at the peak, 8 after
    CPU: 4000m now, 8000m at the peak, 4000m after
    memory: 4Gi now, 12Gi at the peak, 8Gi after
    Plan: 2 to replace.
    Done: 2 replaced.
    ");
    assert_eq!(stage.live()["pool/warm"]["spec"]["replicas"], 8);
    // The change is applied. What is left is the drift, until somebody decides.
    assert_eq!(stage.sbx(&["plan", "prod", "--exit-code", "--on-drift", "hold"]).code, Some(0));
    assert_eq!(stage.sbx(&["drift", "prod", "--exit-code"]).code, Some(4));
}
