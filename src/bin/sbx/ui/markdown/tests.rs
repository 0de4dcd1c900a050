use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sbx::kinds;
use sbx::manifest::{Input, Limits, load};
use sbx::reconcile::plan::{Note, Policy, plan as plan_of, plan_removal};
use sbx::reconcile::{Done, Event, FieldChange, Outcome, Phase, Plan, RunState, StepError};

use super::*;
use crate::ui::plan::Purpose;
use crate::ui::progress::tests::{desired, world};

fn page(plan_made: &Plan, target: &str) -> String {
    let view =
        View { plan: plan_made, place: &|_| None, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
    plan(&view, &Subject { command: "plan", target: Some(target), workspace: target, against: None }, None)
}

#[test]
fn a_comment_has_counts_then_what_is_destroyed_then_the_rest() {
    let live = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: old}, spec: {size: 2Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: 'python:3.12'}, lifecycle: {replace: recreate}}
";
    let declared = live.replace("size: 2Gi", "size: 1Gi").replace("size: 10Gi", "size: 20Gi").replace("3.12", "3.13")
        + "---\n{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: t, replicas: 2}}";
    let plan_made = plan_of(&desired(&declared), &world(live), &Policy::default());
    insta::assert_snapshot!(page(&plan_made, "prod"), @r"
    <!-- sbx:plan prod -->
    ### `sbx plan`: `prod`

    **Plan: 1 to create, 1 to update, 1 to replace, 1 blocked\.**

    #### Destroyed (1)

    <details><summary><code>-/+ replace template/t</code></summary>

    ```diff
    - image: python:3.12
    + image: python:3.13
    ```

    - image cannot change in place
    - deleted first, then made anew, as `replace: recreate` asks

    Steps, in this order:

    1. delete template/t
    2. create template/t

    </details>

    #### Blocked (1)

    <details><summary><code>! blocked volume/old</code></summary>

    ```diff
    - size: 2Gi
    + size: 1Gi
    ```

    - size cannot shrink from 2Gi to 1Gi<br>help: declare at least the live size, or make a new object and move the data

    </details>

    #### Updated (1)

    <details><summary><code>~ update volume/data</code></summary>

    ```diff
    - size: 10Gi
    + size: 20Gi
    ```


    </details>

    #### Created (1)

    <details><summary><code>+ create pool/warm</code></summary>

    ```diff
    + template_name: t
    + replicas: 2
    ```

    - after template/t

    </details>
    ");
}

#[test]
fn a_comment_on_errors_is_a_list() {
    let text = "apiVersion: sbx/v1\nkind: Volume\nmetadata: {name: a}\nspec: {size: '<b>@all'}\n";
    let input = Input::Text { name: "a.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut found) = load(&[input], &Limits::default());
    kinds::decode(&documents, &mut found);
    insta::assert_snapshot!(diagnostics(&found, &documents.sources, None, None), @r"
    <!-- sbx:validate -->
    ### `sbx validate`: `manifests`

    **1 error in 1 file**

    - **error** at `a.yaml:4:14`: `<b>@all` is not a size<br>help: for example `20Gi`
    ");
}

#[test]
fn what_has_nothing_to_open_is_a_line() {
    let live = world("{apiVersion: sbx/v1, kind: Volume, metadata: {name: v}, spec: {size: 1Gi}}");
    let key = live.iter().next().unwrap().key.clone();
    let page = page(&plan_removal(&[key], &live), "prod");
    assert!(page.contains("- `- delete` `volume/v`\n") && !page.contains("<details>"), "{page}");
}

#[test]
fn what_failed_is_not_told_as_done() {
    let declared = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 1Gi}}\n---\n\
                    {apiVersion: sbx/v1, kind: Volume, metadata: {name: b}, spec: {size: 1Gi}}";
    let plan_made = plan_of(&desired(declared), &world(""), &Policy::default());
    let mut state = RunState::new(2);
    let failed = Phase::Failed { error: Arc::new(StepError::Aborted), elapsed: Duration::ZERO };
    state.fold(Event { step: 0, phase: Phase::Done { how: Done::Acted, elapsed: Duration::ZERO } });
    state.fold(Event { step: 1, phase: failed });
    let outcome = Outcome { state, is_interrupted: false, is_out_of_time: false };
    let view =
        View { plan: &plan_made, place: &|_| None, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
    let subject = Subject { command: "apply", target: None, workspace: "w", against: None };
    let page = plan(&view, &subject, Some(&Report::new(&plan_made, &outcome)));
    assert!(page.contains("#### Created (2, 1 not done)"), "{page}");
    assert!(page.contains("create volume/a</code></summary>"), "{page}");
    assert!(page.contains("create volume/b</code>: <b>failed</b></summary>"), "{page}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let image = "x".repeat(200);
    let many: Vec<_> = (0..2_000)
        .map(|n| {
            format!("{{apiVersion: sbx/v1, kind: Template, metadata: {{name: t{n}}}, spec: {{image: {image}{n}}}}}")
        })
        .collect();
    let plan_made = plan_of(&desired(&many.join("\n---\n")), &world(""), &Policy::default());
    let page = page(&plan_made, "prod");
    assert!(page.len() < MOST_BYTES && page.len() > MOST_BYTES / 2, "{} bytes", page.len());
    let n_shown = page.matches("<details>").count() + page.matches("- `+ create` ").count();
    assert!(page.contains(&format!("… and {} more created, not shown", 2_000 - n_shown)), "{n_shown}");
}

#[test]
fn what_became_of_a_large_apply_and_what_it_takes_are_never_left_out() {
    let image = "x".repeat(200);
    let declared: Vec<_> = (0..1_500)
        .map(|n| format!("{{apiVersion: sbx/v1, kind: Template, metadata: {{name: t{n}}}, spec: {{image: {image}}}}}"))
        .collect();
    let mut plan_made = plan_of(&desired(&declared.join("\n---\n")), &world(""), &Policy::default());
    plan_made.n_unmanaged = 7;
    let mut state = RunState::new(1_500);
    for step in 0..1_500 {
        let error = Arc::new(StepError::Aborted);
        state.fold(Event { step, phase: Phase::Failed { error, elapsed: Duration::ZERO } });
    }
    let outcome = Outcome { state, is_interrupted: false, is_out_of_time: false };
    let view =
        View { plan: &plan_made, place: &|_| None, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
    let subject = Subject { command: "apply", target: None, workspace: "w", against: None };
    let page = plan(&view, &subject, Some(&Report::new(&plan_made, &outcome)));
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    assert!(page.contains("Not done: 1500 failed."), "{page}");
    let n_failures = page.matches("  failed  create template/t").count();
    assert!(n_failures > 10, "{n_failures} failures are told");
    assert!(page.contains("more lines, not shown") && page.contains("more created, not shown"), "{page}");
    assert!(page.contains("7 live objects are not managed"), "{page}");
}

/// Returns what stands outside of fences, each line for itself. Panics at a fence that is not closed.
fn outside_of_fences(page: &str) -> Vec<&str> {
    let mut fence: Option<String> = None;
    let mut outside = Vec::new();
    for line in page.lines() {
        let n_ticks = line.chars().take_while(|c| *c == '`').count();
        match &fence {
            Some(open) if line == open => fence = None,
            Some(open) => assert!(n_ticks < open.len(), "{line:?} closes the fence"),
            None if n_ticks >= 3 => fence = Some("`".repeat(n_ticks)),
            None => outside.push(line),
        }
    }
    assert_eq!(fence, None, "a fence stays open");
    outside
}

/// Takes code within a line away, as `CommonMark` finds it: up to the next run of as many backticks.
fn without_code(line: &str) -> String {
    let mut rest = line;
    let mut out = String::new();
    while let Some(start) = rest.find('`') {
        // A backslash keeps a backtick from beginning code.
        if rest[..start].chars().rev().take_while(|c| *c == '\\').count() % 2 == 1 {
            out.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        }
        let n = rest[start..].chars().take_while(|c| *c == '`').count();
        let ticks = "`".repeat(n);
        out.push_str(&rest[..start]);
        let body = &rest[start + n..];
        let mut at = 0;
        let end = loop {
            let Some(found) = body[at..].find(&ticks) else { break None };
            let found = at + found;
            let run = body[found..].chars().take_while(|c| *c == '`').count();
            if run == n {
                break Some(found);
            }
            at = found + run;
        };
        let end = end.expect("code is closed");
        rest = &body[end + n..];
    }
    out + rest
}

const TAGS: [&str; 7] = ["<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>", "<br>"];

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[`|<>&\\\\*_\\[\\]()#@!~: \n\r\t-]{1,6}",
        1 => "`{1,8}(diff)?\n?",
        1 => Just("</details></code>-->```\n# Owned @everyone #1 https://evil.example".to_owned()),
        1 => Just("\u{202e}\u{1b}[31m\u{0}".to_owned()),
        1 => "[a-z]{1,400}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A plan in which every text that somebody else writes is hostile. Its many changes draw on a few texts: making texts is
/// what takes the time, and each change shows its own ones only.
fn hostile_plan() -> impl Strategy<Value = Plan> {
    let text = any::<prop::sample::Index>;
    let change = (text(), text(), text(), 0..6_usize, prop::collection::vec(text(), 0..4));
    let texts = prop::collection::vec(hostile(), 1..24);
    (texts, prop::collection::vec(change, 0..120)).prop_map(|(texts, changes)| {
        let text = |index: prop::sample::Index| index.get(&texts).clone();
        let base = "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a}}";
        let made = plan_of(&desired(base), &world(""), &Policy::default());
        let actions = [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Blocked, Action::Adopt];
        let mut plan = Plan::default();
        for (from, to, note, action, mounts) in changes {
            let (from, to, note) = (text(from), text(to), text(note));
            let mounts: Vec<_> = mounts.into_iter().map(text).collect();
            let mut change = made.changes[0].clone();
            change.action = actions[action];
            let image = |text: &str| Some(kinds::Value::Image(sbx::types::Image::new(text)));
            let json = |paths: &[String]| {
                let mounts: Vec<_> = paths
                    .iter()
                    .map(|path| serde_json::json!({"mount_path": path, "volume_name": to.as_str()}))
                    .collect();
                serde_json::json!({"image": to, "volume_mounts": mounts})
            };
            change.spec = Some(kinds::spec_from_json(change.key.kind, &json(&mounts)).unwrap());
            let fields = change.key.kind.fields();
            let mounts_of = |paths: &[String]| {
                let spec = kinds::spec_from_json(change.key.kind, &json(paths)).unwrap();
                spec.values().last().cloned().flatten()
            };
            let field = |index: usize, from, to| FieldChange {
                path: fields[index].path,
                change: fields[index].change,
                from,
                to,
                cause: sbx::reconcile::Cause::Both,
                applied: image(&note),
            };
            change.fields = vec![
                field(0, image(&from), image(&to)),
                field(fields.len() - 1, mounts_of(&mounts[mounts.len() / 2..]), mounts_of(&mounts)),
            ];
            change.notes = vec![Note::Failed { message: note.clone() }, Note::BrokenRule { message: to, help: note }];
            plan.changes.push(change);
        }
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any plan of any size stays under the limit, and no text of a manifest or a server is anything but text.
    #[test]
    fn nothing_breaks_out(plan in hostile_plan(), target in hostile(), n_times in 1..40_usize) {
        let mut large = Plan::default();
        for _ in 0..n_times {
            large.changes.extend(plan.changes.iter().cloned());
        }
        let page = page(&large, &target);
        prop_assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
        let turns = |c: char| ('\u{202a}'..='\u{202e}').contains(&c);
        let is_harmful = page.chars().any(|c| (c.is_control() && c != '\n') || turns(c));
        prop_assert!(!is_harmful);
        prop_assert!(page.starts_with("<!-- sbx:plan ") && page.lines().next().unwrap().matches("-->").count() == 1);
        let outside = outside_of_fences(&page);
        for line in &outside[1..] {
            let mut rest = without_code(line).replace("<!-- -->", "");
            for tag in TAGS {
                rest = rest.replace(tag, "");
            }
            prop_assert!(!rest.contains('<'), "{line:?}");
            let is_bare = |c: char, before: Option<char>| matches!(c, '*' | '[' | ']' | '|' | '!' | '~' | '_') && before != Some('\\');
            let bold = rest.trim_start_matches("- ").trim_start_matches("> ").replace("**", "");
            let mut before = None;
            for c in bold.chars() {
                prop_assert!(!is_bare(c, before) || line.starts_with("<details>"), "{c} in {line:?}");
                before = if before == Some('\\') { None } else { Some(c) };
            }
            let starts = ["- ", "> ", "**", "#", "<details>", "</details>", "… and ", ""];
            prop_assert!(starts.iter().any(|start| line.starts_with(start)));
        }
        let n_lines = |start: &str| outside.iter().filter(|line| line.starts_with(start)).count();
        prop_assert_eq!(n_lines("<details>"), n_lines("</details>"));
        let n_counted: usize = SECTIONS.iter().map(|section| {
            let all = large.changes.iter().filter(|change| (section.has)(change)).count();
            let more = format!(" more {}, not shown", section.one);
            let counted = page.lines().find_map(|line| line.strip_prefix("… and ")?.strip_suffix(&*more)?.parse::<usize>().ok());
            all - counted.unwrap_or(0)
        }).sum();
        let n_shown = outside.iter().filter(|line| line.starts_with("<details>") || line.starts_with("- `")).count();
        prop_assert!(n_shown >= n_counted, "{n_shown} are shown and {n_counted} are said to be");
    }
}
