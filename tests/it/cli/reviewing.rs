//! What a reviewer gets: a plan in several forms at once, saved, and performed as far as it still holds.

use serde_json::Value;

use super::environment::Environment;

const WORKSPACE: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: data}
spec: {size: 10Gi}
---
apiVersion: sbx/v1
kind: Volume
metadata: {name: other}
spec: {size: 1Gi}
";

fn applied(manifest: &str) -> Environment {
    let environment = Environment::new();
    environment.write("w.yaml", manifest);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");
    environment
}

fn larger() -> String {
    WORKSPACE.replace("10Gi", "20Gi").replace("1Gi", "2Gi")
}

#[test]
fn one_plan_in_every_form() {
    let environment = applied(WORKSPACE);
    environment.write("w.yaml", &WORKSPACE.replace("10Gi", "20Gi").replace("1Gi", "512Mi"));
    let arguments = [
        "plan",
        "-f",
        "w.yaml",
        "--local",
        "--quiet",
        "-o",
        "github",
        "-o",
        "markdown=plan.md",
        "-o",
        "json=plan.json",
        "-o",
        "text=plan.txt",
    ];
    let run = environment.sbx(&arguments);
    assert_eq!(run.code, Some(1), "{run}");
    let annotation = "::error file=w.yaml,line=9,col=14,title=blocked volume/other::size: 1Gi -> 512Mi%0A";
    assert!(run.stdout.contains(annotation), "{run}");
    let text = environment.read("plan.txt");
    assert!(run.stdout.starts_with(&text) && text.contains("~ update volume/data"), "{run}\n{text}");
    let json: Value = serde_json::from_str(&environment.read("plan.json")).expect("it is JSON");
    assert_eq!((&json["summary"]["update"], &json["summary"]["blocked"]), (&1.into(), &1.into()));
    let markdown = environment.read("plan.md");
    assert!(markdown.starts_with("<!-- sbx:plan -->\n") && markdown.contains("! blocked volume/other"), "{markdown}");
}

#[test]
fn errors_in_manifests_reach_the_pull_request_too() {
    let environment = Environment::new();
    environment.write("bad.yaml", &WORKSPACE.replace("10Gi", "10GB"));
    for command in ["validate", "plan"] {
        let markdown = format!("markdown={command}.md");
        let mut arguments = vec![command, "-f", "bad.yaml", "-o", "github", "-o", &markdown];
        arguments.extend((command == "plan").then_some("--local"));
        let run = environment.sbx(&arguments);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stdout.contains("::error file=bad.yaml,line=4,col=14,title=bad-quantity::`10GB`"), "{run}");
        let page = environment.read(format!("{command}.md"));
        assert!(page.contains("- **error** at `bad.yaml:4:14`: `10GB` is not a size"), "{page}");
    }
    let run = environment.sbx(&["validate", "-f", "bad.yaml", "-o", "json"]);
    let json: Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    assert_eq!(json["diagnostics"][0]["code"], "bad-quantity");
}

#[test]
fn what_an_earlier_run_said_does_not_stay_where_there_is_no_result() {
    let environment = Environment::new();
    environment.write("w.yaml", WORKSPACE);
    let validated = environment.sbx(&["validate", "-f", "w.yaml", "-o", "markdown=page.md", "-o", "json=page.json"]);
    assert!(validated.code == Some(0) && environment.read("page.md").contains("are valid"), "{validated}");
    assert!(environment.read("page.json").contains("\"objects\": 2"), "{validated}");
    let nowhere = ["-f", "w.yaml", "--endpoint", "http://127.0.0.1:1", "-o", "github"];
    let nowhere = [&nowhere[..], &["-o", "markdown=page.md", "-o", "json=page.json"]].concat();
    for command in ["plan", "drift"] {
        let run = environment.sbx(&[&[command], &nowhere[..]].concat());
        assert_eq!(run.code, Some(1), "{run}");
        let page = environment.read("page.md");
        assert!(page.starts_with(&format!("<!-- sbx:{command} -->\n")) && page.contains("**It failed:** "), "{page}");
        assert!(run.stdout.contains(&format!("::error title=`sbx {command}` failed::")), "{run}");
        assert!(!environment.work().join("page.json").exists(), "a program takes no earlier answer for this one");
    }
}

#[test]
fn standard_output_takes_one_form() {
    let environment = Environment::new();
    environment.write("w.yaml", WORKSPACE);
    for outputs in [["json", "markdown"], ["json", "github"], ["text=a", "json=a"]] {
        let run = environment.sbx(&["validate", "-f", "w.yaml", "-o", outputs[0], "-o", outputs[1]]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{run}");
    }
    insta::assert_snapshot!(environment.sbx(&["validate", "-f", "w.yaml", "-o", "json", "-o", "markdown"]), @r"
    $ sbx validate -f w.yaml -o json -o markdown
    --- stderr
    error: two outputs want standard output
    hint: write `=FILE` behind all but one
    --- exit code 64
    ");
}

#[test]
fn a_saved_plan_is_performed_once() {
    let environment = applied(WORKSPACE);
    environment.write("w.yaml", &larger());
    let run = environment.sbx(&["plan", "-f", "w.yaml", "--local", "--out", "plan.json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let saved: Value = serde_json::from_str(&environment.read("plan.json")).expect("it is JSON");
    assert_eq!(saved["format"], "sbx.plan");
    // What is declared by now is not what was reviewed.
    environment.write("w.yaml", "");
    let run = environment.sbx(&["apply", "plan.json", "--local", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("Done: 2 updated."), "{run}");
    let again = environment.sbx(&["apply", "plan.json", "--local", "--yes"]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stdout.contains("it already is as planned") && again.stdout.contains("No changes."), "{again}");
}

#[test]
fn what_changed_since_the_review_is_held_back() {
    let environment = applied(WORKSPACE);
    environment.write("w.yaml", &larger());
    environment.sbx(&["plan", "-f", "w.yaml", "--local", "--out", "plan.json"]);
    environment.write("w.yaml", &WORKSPACE.replace("10Gi", "15Gi"));
    assert_eq!(environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes"]).code, Some(0));

    let run = environment.sbx(&["apply", "plan.json", "--local", "--yes", "--all-or-nothing"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("1 of the plan's changes does not hold any more, so nothing was changed"), "{run}");

    let run = environment.sbx(&["apply", "plan.json", "--local", "--yes"]);
    assert_eq!(run.code, Some(3), "{run}");
    for line in [
        "! blocked volume/data",
        "held back: planned was update (size: 10Gi -> 20Gi)",
        "then: size was 10Gi",
        "now: size is 15Gi",
        "Done: 1 updated.",
    ] {
        assert!(run.stdout.contains(line), "{line}\n{run}");
    }
}

#[test]
fn what_is_no_plan_for_here_is_refused() {
    let environment = applied(WORKSPACE);
    environment.sbx(&["plan", "-f", "w.yaml", "--local", "--out", "plan.json"]);
    let text = environment.read("plan.json");
    let refused = |text: &str, message: &str| {
        environment.write("other.json", text);
        let run = environment.sbx(&["apply", "other.json", "--local", "--yes"]);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains(message), "{run}");
    };
    refused(&text.replace("\"endpoint\": \"local\"", "\"endpoint\": \"http://a\""), "was changed after it was made");
    refused("{}", "this is not a saved plan");
    refused("not JSON", "this is not a saved plan");
    refused(&text.replace("\"format_version\": 1", "\"format_version\": 9"), "saved in format 9");
}

#[test]
fn what_removes_objects_is_shown_in_every_form_too() {
    let environment = applied(&WORKSPACE.replace("spec:", "lifecycle: {on_remove: delete}\nspec:"));
    let outputs = ["-o", "json", "-o", "text=done.txt", "-o", "markdown=done.md", "--local", "--yes", "-q"];
    for (command, n_left) in [(&["delete", "volume/data"][..], 1), (&["destroy", "--allow-destroy", "1"], 0)] {
        let run = environment.sbx(&[command, &outputs[..]].concat());
        assert_eq!(run.code, Some(0), "{run}");
        let lines: Vec<Value> =
            run.stdout.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
        let types: Vec<_> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
        assert_eq!(types, ["plan", "begin", "step", "step", "outcome"], "{run}");
        assert!(environment.read("done.txt").contains("Done: 1 deleted."));
        let marker = format!("<!-- sbx:{} -->\n", command[0]);
        let page = environment.read("done.md");
        assert!(page.starts_with(&marker) && page.contains("#### Destroyed (1)"), "{page}");
        let run = environment.sbx(&["get", "all", "--local", "-o", "name", "-q"]);
        assert_eq!(run.stdout.lines().count(), n_left, "{run}");
    }
}
