//! The workflows in `examples/ci`: each of their scripts is run, as GitHub runs it, against `sbx serve`.

mod runner;

use runner::{Runner, Workflow};

const VOLUME: &str = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 2Gi}}\n";

#[test]
fn a_pull_request_gets_one_comment() {
    let mut runner = Runner::start();
    runner.write("manifests/all.yaml", VOLUME);
    let job = runner.run("plan-on-pull-request", "plan");
    assert_eq!(job.codes(), [("Install sbx", 0), ("Check the manifests", 0), ("Plan", 0), ("Comment", 0)], "{job}");
    let comment = runner.read("posted.md");
    assert!(comment.starts_with("<!-- sbx:plan prod -->\n") && comment.contains("create volume/data"), "{comment}");
    assert_eq!(runner.read("summary.md"), comment);
    assert!(runner.calls().contains("test(\"^<!-- sbx:(plan|validate) prod -->\")"), "it is looked for by its marker");
    assert!(runner.calls().ends_with("--method POST repos/acme/sandboxes/issues/7/comments -F body=@plan.md\n"));

    runner.answer("1234\n5678\n");
    let job = runner.run("plan-on-pull-request", "plan");
    assert!(job.is_good(), "{job}");
    let last = "--method PATCH repos/acme/sandboxes/issues/comments/1234 -F body=@plan.md\n";
    assert!(runner.calls().ends_with(last), "{}", runner.calls());
}

#[test]
fn a_pull_request_is_told_what_is_wrong() {
    let mut runner = Runner::start();
    runner.write("manifests/all.yaml", &VOLUME.replace("2Gi", "2 gigs"));
    let job = runner.run("plan-on-pull-request", "plan");
    assert_eq!(job.codes(), [("Install sbx", 0), ("Check the manifests", 1), ("Comment", 0)], "{job}");
    assert!(job.to_string().contains("::error file=manifests/all.yaml,line=1,"), "{job}");
    assert!(
        runner.read("posted.md").starts_with("<!-- sbx:validate prod -->\n"),
        "the marker that the comment is found by"
    );

    runner.write("manifests/all.yaml", VOLUME);
    assert!(runner.run("apply-on-merge", "apply").is_good());
    runner.write("manifests/all.yaml", &VOLUME.replace("2Gi", "1Gi"));
    let job = runner.run("plan-on-pull-request", "plan");
    assert_eq!(job.codes()[2..], [("Plan", 1), ("Comment", 0)], "a volume does not shrink: {job}");
    assert!(runner.read("posted.md").contains("blocked volume/data"));
}

#[test]
fn a_merge_is_applied_and_an_older_one_is_not() {
    let mut runner = Runner::start();
    runner.write("manifests/all.yaml", VOLUME).number(12);
    let job = runner.run("apply-on-merge", "apply");
    assert_eq!(job.codes(), [("Install sbx", 0), ("Apply", 0), ("Summary", 0)], "{job}");
    assert!(runner.read("summary.md").contains("create volume/data"));
    assert!(runner.read("state/prod.json").contains("\"https://github.com/acme/sandboxes/actions/runs/99\""));
    assert!(runner.run("apply-on-merge", "apply").is_good(), "run again, nothing is to be done");

    runner.write("manifests/all.yaml", &VOLUME.replace("2Gi", "3Gi")).number(11);
    let job = runner.run("apply-on-merge", "apply");
    assert!(!job.is_good() && job.to_string().contains("11"), "{job}");
    assert!(!runner.read("state/prod.json").contains("3Gi"), "the older run did nothing");
}

#[test]
fn drift_opens_one_issue_and_closes_it() {
    let mut runner = Runner::start();
    runner.write("manifests/all.yaml", VOLUME);
    assert!(runner.run("apply-on-merge", "apply").is_good());
    let job = runner.run("drift", "drift");
    assert_eq!(job.codes(), [("Install sbx", 0), ("Look for drift", 0), ("Tell", 0)], "{job}");
    assert!(!runner.calls().contains("issue create"), "{job}");

    runner.by_hand(&VOLUME.replace("2Gi", "4Gi"));
    let job = runner.run("drift", "drift");
    assert!(job.is_good() && runner.calls().contains("gh issue create "), "{job}");
    let issue = runner.read("posted.md");
    assert!(
        issue.contains("<code>~ volume/data was changed</code>")
            && issue.contains("volume/data")
            && issue.contains("4Gi"),
        "{issue}"
    );

    runner.answer("31\n");
    assert!(runner.run("drift", "drift").is_good());
    assert!(runner.calls().contains("gh issue edit 31 --body-file issue.md\n"), "{}", runner.calls());
    runner.write("manifests/all.yaml", &VOLUME.replace("2Gi", "4Gi"));
    assert!(runner.run("apply-on-merge", "apply").is_good());
    let job = runner.run("drift", "drift");
    assert!(job.is_good() && runner.calls().contains("gh issue close 31 "), "{job}");
}

#[test]
fn a_look_for_drift_that_fails_tells_nobody_that_all_is_well() {
    let runner = Runner::start();
    runner.answer("31\n");
    let job = runner.run("drift", "drift");
    assert_eq!(job.codes(), [("Install sbx", 0), ("Look for drift", 1)], "there are no manifests: {job}");
    assert!(!runner.calls().contains("gh "), "{}", runner.calls());
}

#[test]
fn a_fork_gets_a_plan_without_a_key() {
    let mut runner = Runner::start();
    runner.write("manifests/all.yaml", VOLUME);
    assert!(runner.run("apply-on-merge", "apply").is_good());
    let job = runner.run("forks", "plan");
    assert_eq!(job.codes()[2..], [("Fetch the live state", 1), ("Summary", 0)], "nothing is saved yet: {job}");

    let job = runner.run("forks", "observe");
    assert_eq!(job.codes(), [("Install sbx", 0), ("Observe", 0)], "{job}");
    runner.answer("31\n");
    runner.write("manifests/all.yaml", &VOLUME.replace("2Gi", "3Gi"));
    let job = runner.run("forks", "plan");
    assert_eq!(job.codes()[2..], [("Fetch the live state", 0), ("Plan", 0), ("Summary", 0)], "{job}");
    assert!(runner.calls().contains("gh run download 31 "), "{}", runner.calls());
    let summary = runner.read("summary.md");
    assert!(summary.contains("volume/data") && summary.contains("3Gi"), "{summary}");
    assert!(!Workflow::read("forks").has_secrets("plan"));
}

/// Whoever opens a pull request writes its title and its branch: an expression in a script would run them.
#[test]
fn no_script_has_an_expression_in_it() {
    for workflow in runner::workflows() {
        let scripts = workflow.scripts();
        assert!(!scripts.is_empty() && workflow.fails_in_pipes(), "{}", workflow.name);
        let bad: Vec<_> = scripts.iter().filter(|script| script.contains("${{")).collect();
        assert!(bad.is_empty(), "{}: {bad:?}", workflow.name);
    }
}
