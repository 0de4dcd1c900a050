use anstream::adapter::strip_str;
use sbx::manifest::{Input, Limits, load};

use super::*;
use crate::ui::diagnostic;

fn decoded(text: &str) -> (Option<ProjectFile>, String) {
    let input = Input::Text { name: "sbx.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut out) = load(&[input], &Limits::default());
    let file = decode(&documents.documents[0], Path::new("/project"), &mut out);
    out.sort();
    let drawn = strip_str(&diagnostic::draw(&out, &documents.sources, 100)).to_string();
    assert_eq!(file.is_some(), !out.has_errors(), "{drawn}");
    (file, drawn)
}

#[track_caller]
fn good(text: &str) -> ProjectFile {
    let (file, problems) = decoded(text);
    assert_eq!(problems, "");
    file.unwrap()
}

#[test]
fn a_target_that_says_everything() {
    let file = good(
        "name: research\ndefault_target: prod\ntargets:\n  prod:\n    context: prod\n    manifests: [base, ../shared/]\n    \
         patches: [./patches/prod.yaml]\n    inventory: s3://bucket/research\n    prune: true\n    \
         selector: team=research\n    on_drift: hold\n",
    );
    assert_eq!(file.name.as_ref().map(Name::as_str), Some("research"));
    assert_eq!(file.default_target.as_deref(), Some("prod"));
    let target = Target {
        name: Name::parse("prod").unwrap(),
        place: Place::Context(Name::parse("prod").unwrap()),
        manifests: vec!["/project/base".into(), "/shared".into()],
        patches: vec!["/project/patches/prod.yaml".into()],
        inventory: Some("s3://bucket/research".to_owned()),
        prune: true,
        selector: "team=research".parse().unwrap(),
        on_drift: OnDrift::Hold,
    };
    assert_eq!(file.targets, [target]);
}

#[test]
fn a_target_that_says_nothing() {
    let file = good("targets: {dev: {local: true, inventory: state}, ci: {}}");
    let shown: Vec<_> = file.targets.iter().map(|target| (target.name.as_str(), &target.place)).collect();
    assert_eq!(shown, [("dev", &Place::Local), ("ci", &Place::Unsaid)]);
    assert_eq!(file.targets[0].manifests, [Path::new("/project/manifests")]);
    assert_eq!(file.targets[0].inventory.as_deref(), Some("/project/state"));
    assert!(!file.targets[0].prune && file.targets[0].selector.is_empty());
}

#[test]
fn everything_that_is_wrong_is_reported_in_one_go() {
    let (_, problems) = decoded(
        "default_target: prd\ntargets:\n  prod:\n    contxt: prod\n    local: yes\n    manifests: manifests\n    \
         selector: a,,b\n    on_drift: ignore\n  Staging: {context: x, local: true, manifests: [], patches: ['']}\n",
    );
    insta::assert_snapshot!(problems, @r"
    error[unknown-target]: there is no target `prd`
     --> sbx.yaml:1:17
      |
    1 | default_target: prd
      |                 ^^^ not among the targets
      |
      = help: did you mean `prod`?

    error[unknown-field]: unknown field `contxt` in target `prod`
     --> sbx.yaml:4:5
      |
    4 |     contxt: prod
      |     ^^^^^^ unknown field
      |
      = help: did you mean `context`?

    error[wrong-type]: `local` must be a boolean, not a string
     --> sbx.yaml:5:12
      |
    5 |     local: yes
      |            ^^^ expected a boolean, found a string `yes`
      |
      = help: write `true`

    error[wrong-type]: `manifests` must be a sequence, not a string
     --> sbx.yaml:6:16
      |
    6 |     manifests: manifests
      |                ^^^^^^^^^ expected a sequence, found a string `manifests`
      |
      = help: write `[manifests]` for a sequence of one

    error[bad-selector]: `a,,b` is not a selector
     --> sbx.yaml:7:15
      |
    7 |     selector: a,,b
      |               ^^^^ `` is none of `label=value`, `label!=value`, `label` and `!label`
      |
      = help: for example `team=research,!old`

    error[unknown-choice]: `on_drift` cannot be `ignore`
     --> sbx.yaml:8:15
      |
    8 |     on_drift: ignore
      |               ^^^^^^ expected `revert`, `hold` or `fail`

    error[bad-name]: a target's name cannot be `Staging`
     --> sbx.yaml:9:3
      |
    9 |   Staging: {context: x, local: true, manifests: [], patches: ['']}
      |   ^^^^^^^ a name has only lower-case letters, digits and hyphens, not `S`

    error[two-places]: a target is either `local` or in a `context`
     --> sbx.yaml:9:22
      |
    9 |   Staging: {context: x, local: true, manifests: [], patches: ['']}
      |                      ^         ---- the server built into sbx
      |                      |
      |                      a server somewhere

    error[no-manifest]: a target has manifests
     --> sbx.yaml:9:49
      |
    9 |   Staging: {context: x, local: true, manifests: [], patches: ['']}
      |                                                 ^^ nothing here
      |
      = help: for example `[manifests]`

    error[bad-path]: a path names a file or a folder
     --> sbx.yaml:9:63
      |
    9 |   Staging: {context: x, local: true, manifests: [], patches: ['']}
      |                                                               ^^ names none
      |
      = help: `.` is the folder of the project's file
    ");
}

#[test]
fn a_project_has_targets() {
    insta::assert_snapshot!(decoded("targets: {}").1, @r"
    error[no-target]: `targets` has no target in it
     --> sbx.yaml:1:10
      |
    1 | targets: {}
      |          ^^ nothing here
      |
      = help: for example `{dev: {local: true}}`
    ");
    insta::assert_snapshot!(decoded("target: {dev: {}}").1, @r"
    error[missing-field]: missing field `targets` in a project
     --> sbx.yaml:1:1
      |
    1 | target: {dev: {}}
      | ^^^^^^ `targets` belongs beside this

    error[unknown-field]: unknown field `target` in a project
     --> sbx.yaml:1:1
      |
    1 | target: {dev: {}}
      | ^^^^^^ unknown field
      |
      = help: did you mean `targets`?
    ");
}
