//! That nothing is without a case: each row of the action table for each kind, each obstacle, each reason for refusing a
//! whole plan, each failure of a command, each exit code.

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::Held::{Case, Test};
use super::{folders, folders_of, read};
use crate::{docs, tree};

/// What shows that something is as it should be.
enum Held {
    /// A case, and what it says of it.
    Case(&'static str, &'static str),
    /// A test: files alone do not bring it about.
    Test(&'static str),
}

/// Each obstacle.
const OBSTACLES: [(&str, Held); 28] = [
    ("BothNamesLive", Case("volume/both-names-live", "both names are live")),
    ("InDoubt", Case("owned/prune-what-is-in-doubt", "pool/warm, which is live too, is declared as renamed from it")),
    ("Unreadable", Case("volume/unreadable-size", "cannot be read")),
    ("WouldShrink", Case("volume/shrink", "cannot shrink")),
    ("HeldBy", Case("template/held-by-others", "held by sandbox/box-1, gone by")),
    ("NeededBy", Case("owned/prune-what-is-needed", "declared no longer, and pool/warm refers to it")),
    ("NeedsBlocked", Case("volume/over-quota", "it needs volume/datasets, which is blocked")),
    ("MissingReference", Case("pool/missing-template", "neither declared nor live")),
    ("ReferenceRenamed", Case("pool/old-name-of-its-template", "is renamed to `new`")),
    ("NameTaken", Case("volume/name-stays-taken", "its name stays with another object")),
    ("NameWithAnother", Case("volume/name-with-another", "with another object of ours, recorded as volume/datasets")),
    ("RenamedFromHere", Case("pool/renamed-from-here", "is renamed from this name")),
    ("RenamePending", Case("volume/destroy-before-its-rename", "its rename is not done yet")),
    ("NotOwned", Case("owned/not-managed-and-different", "not managed here")),
    ("OwnedBySibling", Case("owned/another-projects", "belongs to another project")),
    ("Marked", Case("sandbox-v2/of-another-project", "belongs to another project: acme/other")),
    ("MaybeRenamed", Case("owned/maybe-a-rename", "is this a rename?")),
    ("NotAllowed", Case("owned/only-creates-allowed", "is not allowed here")),
    ("NotSpoken", Case("template/none-on-this-server", "this server has no templates")),
    ("BrokenRule", Case("pool/on-mounts", "so it cannot be pooled")),
    ("OverQuota", Case("volume/over-quota", "the quota for volumes has 0 left")),
    ("NoRoomBeside", Case("pool/no-room-beside", "beside the old one takes 2")),
    ("LastOf", Case("rollout/abort-between-two-renames", "this is what is left of it")),
    ("ServesStill", Case("rollout/abort-after-its-swap", "is made from it until its own replacement ends")),
    ("ServesAlready", Case("rollout/abort-after-its-swap", "it serves template/python already")),
    ("PreventsDestroy", Case("template/prevent-destroy", "`prevent_destroy` is set")),
    // The command looks for what it is to delete before it plans: `refused/not-found`.
    ("NotLive", Test("removal::what_is_not_live_is_blocked_and_said")),
    ("Saved", Case("saved/blocked-when-made", "size cannot shrink from 10Gi to 5Gi")),
];

/// Everything else that a plan says of an object: each reason for what happens to it, and what else there is to know.
const REASONS: [(&str, Held); 35] = [
    ("LiveAs", Case("rollout/renamed-as-well", "it is live as `python`")),
    ("OldNameKept", Case("volume/old-name-kept", "it is new, not renamed")),
    ("RenameSpent", Case("volume/rename-done", "the rename from `old` is done")),
    ("RenameTakenBack", Case("owned/rename-taken-back", "its rename is declared no longer")),
    ("Unverifiable", Case("registry/whose", "cannot be compared")),
    ("CannotChangeInPlace", Case("template/mounts-change", "cannot change in place")),
    ("DataLost", Case("sandbox-v2/follows", "is lost, with everything on it")),
    ("SourceReplaced", Case("owned/image-bump-with-pools", "template `python` is replaced")),
    ("SourceIsAnother", Case("pool/holds-the-name-of-its-new-template", "becomes another object")),
    ("Failed", Case("sandbox/failed", "it failed")),
    ("Pending", Case("sandbox/not-ready", "its status is")),
    ("Recreated", Case("template/recreate-with-its-pools", "as `replace: recreate` asks")),
    ("BuiltBeside", Case("rollout/goes-on-with-what-is-built", "is there already, and takes its place")),
    ("TakesTurn", Case("rollout/takes-turns", "this one is number 2")),
    ("PublishedAnew", Case("snapshot/published-anew", "it is published anew")),
    ("HalfReplaced", Case("rollout/goes-on-between-two-renames", "a replacement of it stopped half way")),
    ("OldKept", Case("owned/image-bump-with-pools", "the old one stays as `python--sbx-118469f0`")),
    ("LeftBy", Case("rollout/taken-back", "left by a replacement of template/python")),
    ("Outdated", Case("sandbox/outdated", "outdated: its template_name")),
    ("BuildMoved", Case("snapshot/image-moved-on", "has moved on since it was built")),
    ("KeptForSibling", Case("owned/another-projects-alike", "it is another project's, and stays as it is")),
    ("Recovered", Test("lost_inventory::what_says_whose_it_is_needs_no_record")),
    (
        "TakenFrom",
        Case("sandbox-v2/taken-over-from-another-project", "another project: acme/other, and it is taken over"),
    ),
    ("NotManaged", Case("owned/destroy-what-is-not-ours", "it is not managed here, and stays")),
    ("TakenOver", Case("owned/take-over-one", "it was not managed here, and is taken over")),
    ("TakenUpAgain", Case("owned/released-taken-up-again", "is taken up again")),
    ("DeletedBehind", Case("owned/deleted-behind", "it was deleted behind")),
    ("RenamedBehind", Case("owned/renamed-behind", "it was renamed behind")),
    ("RecreatedBehind", Case("owned/made-anew-behind", "it was made anew behind")),
    ("Expired", Case("owned/expired", "its time to live ended it, and it stays away")),
    ("DriftHeld", Case("owned/drift-held", "is left as it is")),
    ("MaybeSource", Case("owned/prune-what-may-be-renamed", "it stays until that is said")),
    ("Released", Case("owned/prune", "it is declared no longer; it is kept")),
    ("Retained", Case("owned/destroy-keeps-data", "it is kept: `on_remove`")),
    ("NothingToDestroy", Case("owned/destroy-what-is-gone", "nothing is left to destroy")),
];

/// Each reason for deleting an object before it is made anew.
const NOT_ROLLING: [(&str, Held); 6] = [
    ("Asked", Case("template/recreate-with-its-pools", "as `replace: recreate` asks")),
    ("Renamed", Case("rollout/renamed-as-well", "since it is renamed as well")),
    ("Source", Case("rollout/references-stay", "as template `python` is")),
    ("NameHeld", Case("pool/holds-the-name-of-its-new-template", "since it holds what has the name of")),
    ("ReferencesStay", Case("rollout/references-stay", "nothing that refers to it follows it")),
    ("NamesTaken", Case("rollout/no-name-is-free", "every name to build it under is taken")),
];

/// Each reason for refusing a whole plan.
const REFUSALS: [(&str, Held); 5] = [
    ("PreventDestroy", Case("owned/prune-protected", "! refused: template/python is protected")),
    ("DestroyLimit", Case("owned/prune-too-much", "! refused: this plan destroys 11 objects")),
    ("Drift", Case("owned/drift-fails", "! refused: pool/warm changed behind")),
    // The planner would be wrong, and the test makes a plan as it would.
    ("Impossible", Test("rehearsal::a_step_that_the_server_would_refuse_refuses_the_plan")),
    ("Saved", Case("saved/refused-when-made", "! refused: template/python changed behind")),
];

/// Each reason for taking an inventory for that of another workspace.
const STRANGERS: [(&str, Held); 2] = [
    ("OtherEndpoint", Case("refused/other-endpoint", "was recorded for http://elsewhere.example")),
    ("NothingLives", Case("refused/nothing-of-it-lives", "none of the 2 objects that the inventory owns is in")),
];

/// Each way in which a command fails by itself, without a step of an apply that did.
const FAILURES: [(&str, Held); 30] = [
    ("Usage", Case("refused/unknown-target", "volume/dato is not declared")),
    (
        "PassingInventory",
        Case("refused/prune-in-a-pipeline", "nothing is pruned in a pipeline by an inventory in a file"),
    ),
    ("NoServer", Case("refused/no-server", "no server is configured")),
    ("Config", Test("refusing::a_server_that_is_not_there")),
    ("Call", Case("refused/no-api", "it speaks another generation of the API, or the endpoint is not its base URL")),
    ("TooSlow", Test("daily::waiting_for_the_end_of_a_sandbox")),
    ("Server", Test("serving::serve_refuses_what_it_cannot_do")),
    ("Sandboxes", Test("failure::each_row_of_the_table")),
    ("Manifests", Case("refused/bad-manifest", "the manifests have 1 error in 1 file")),
    ("BadFile", Test("contexts::a_bad_file_is_in_the_way_of_those_who_need_it")),
    ("OpenToOthers", Test("contexts::a_file_that_others_can_get_at")),
    ("Key", Test("contexts::a_command_that_prints_no_key")),
    ("Secrets", Case("refused/secret-not-set", "the secret in $GHCR_TOKEN cannot be read: it is not set")),
    ("NoTerminal", Case("refused/without-a-yes", "there is no terminal to ask on")),
    ("Declined", Test("failure::each_row_of_the_table")),
    ("Refused", Case("owned/apply-what-is-refused", "the plan is refused, and nothing was changed")),
    ("SavedPlan", Case("refused/no-plan", "this is not a saved plan")),
    ("Observation", Case("refused/no-live-state", "this is no live state that was saved")),
    ("PlanForAnother", Case("saved/for-another-workspace", "the plan was made for http://sandboxes.example")),
    ("HeldBack", Case("saved/all-or-nothing", "1 of the plan's changes does not hold any more")),
    ("Inventory", Case("refused/damaged-inventory", "the inventory in inventory.json cannot be read")),
    ("OtherWorkspace", Case("refused/other-endpoint", "this looks like another workspace")),
    ("Superseded", Case("refused/late-run", "run 6 comes too late: run 7 was here before")),
    ("NotFound", Case("refused/not-found", "not found: volume/dato")),
    ("WouldOverwrite", Test("exporting::nobodys_files_are_overwritten")),
    ("NotRecorded", Test("owning::what_is_forgotten_stays")),
    ("File", Case("refused/no-such-file", "cannot read `saved.json`")),
    ("Input", Test("attaching::input_that_is_no_text_is_refused")),
    ("Output", Test("piping::output_that_cannot_be_written_is_an_error")),
    ("Interrupted", Case("refused/interrupted", "error: interrupted")),
];

/// Each exit code that a command can end with by itself.
const EXIT_CODES: [(u8, &str); 9] = [
    (0, "volume/create"),
    (1, "volume/shrink"),
    (2, "owned/pending-code"),
    (3, "volume/apply-what-is-blocked"),
    (3, "saved/held-back"),
    (4, "owned/drift-alone"),
    (6, "owned/drift-and-ahead"),
    (64, "owned/prune-with-a-target"),
    (130, "refused/interrupted"),
];

/// What the API leaves no room for: a volume only grows, nothing of a template changes in place, and all of a registry
/// does; a snapshot is what it is, under a name that moves to another one.
const NEVER: [(&str, &str); 5] = [
    ("volume", "replace"),
    ("template", "update"),
    ("registry.v2", "replace"),
    ("snapshot.v2", "update"),
    ("snapshot.v2", "rename"),
];

#[test]
fn every_reason_obstacle_and_refusal_has_a_case() {
    let notes = tree::read("src/reconcile/plan/note.rs");
    let obstacles = between(&notes, "pub fn is_obstacle", "\n    }\n");
    assert_held(&names_after(obstacles, "Self::"), &OBSTACLES);
    let words = tree::read("src/reconcile/plan/note/text.rs");
    let said = names_after(between(&words, "impl fmt::Display for Note", "\n    }\n"), "Self::");
    let reasons = said.difference(&names_after(obstacles, "Self::")).cloned().collect();
    assert_held(&reasons, &REASONS);
    assert_held(&names_after(between(&words, "fn recreated(", "\n}\n"), "NotRolling::"), &NOT_ROLLING);
    let refusals = tree::read("src/reconcile/plan/policy.rs");
    let refusals = between(&refusals, "impl fmt::Display for Refusal", "\nfn ");
    assert_held(&names_after(refusals, "Self::"), &REFUSALS);
    let strangers = tree::read("src/reconcile/inventory/belongs.rs");
    let strangers = between(&strangers, "pub fn stranger_to", "\n    }\n");
    assert_held(&names_after(strangers, "Stranger::"), &STRANGERS);
}

#[test]
fn all_that_is_blocked_says_how_to_go_on() {
    let mut n_blocked = 0;
    for path in tree::files("tests/cases", "txt") {
        let text = tree::read(&path);
        for block in text.split("\n\n").filter(|block| block.starts_with("! blocked")) {
            n_blocked += 1;
            assert!(block.contains("\n    help: "), "{}: {block}", path.display());
        }
    }
    assert!(n_blocked >= OBSTACLES.len(), "{n_blocked}");
}

#[test]
fn every_failure_has_a_case() {
    let failures = tree::read("src/bin/sbx/failure.rs");
    let failures = between(&failures, "pub(crate) fn exit(&self)", "\n    }\n");
    let mut failures = names_after(failures, "Self::");
    // A process that can start no thread: neither files nor tests bring that about.
    failures.remove("Runtime");
    assert_held(&failures, &FAILURES);
}

/// Checks that a table has each of these, and that what it names for each is there.
fn assert_held(names: &BTreeSet<String>, table: &[(&str, Held)]) {
    let known: BTreeSet<_> = table.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(*names, known);
    for (name, held) in table {
        match held {
            Case(case, words) => {
                let text = expected(case);
                assert!(text.contains(words), "{name}: {case} says nothing of it\n{text}");
            }
            Test(test) => assert!(docs::is_a_test(test), "{name}: there is no test {test}"),
        }
    }
}

#[test]
fn every_exit_code_has_a_case() {
    let failure = tree::read("src/bin/sbx/failure.rs");
    let rows = between(&failure, "fn each_row_of_the_table", "];\n");
    let codes = rows.lines().filter_map(|line| line.trim().strip_suffix("),")?.rsplit(", ").next()?.parse::<u8>().ok());
    let known: BTreeSet<_> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes.collect::<BTreeSet<_>>(), known);
    for (code, case) in EXIT_CODES {
        assert!(expected(case).ends_with(&format!("exit {code}\n")), "{case}");
    }
}

#[test]
fn every_action_on_every_kind_has_a_case() {
    let cases = folders(&folders_of(&tree::root().join("tests/cases")));
    let texts: Vec<_> = cases.iter().map(|case| read(&case.join("plan.json"))).collect();
    let has = |kind: &str, action: &str| {
        let documents = texts.iter().flat_map(|text| {
            let (json, _) = text.rsplit_once("exit ").expect("it has an exit code");
            serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>()
        });
        documents.map(|document| document.expect("it is JSON")).any(|document| {
            let changes = document["changes"].as_array().or_else(|| document["plan"]["changes"].as_array());
            let is_it = |change: &serde_json::Value| {
                change["action"] == action
                    && change["kind"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(kind))
            };
            changes.is_some_and(|changes| changes.iter().any(is_it))
        })
    };
    for kind in sbx::kinds::all() {
        let kind = &*kind.recorded_as().to_lowercase();
        for action in ["create", "update", "rename", "replace", "delete", "adopt", "keep", "blocked"] {
            let is_never = NEVER.contains(&(kind, action));
            assert_eq!(has(kind, action), !is_never, "{action} of a {kind}");
        }
    }
}

fn expected(case: &str) -> String {
    read(&PathBuf::from("tests/cases").join(case).join("plan.txt"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("`{start}` is not there"));
    rest.split_once(end).map_or(rest, |(found, _)| found)
}

/// Returns the words that stand behind a prefix.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned);
    text.split(prefix).skip(1).filter_map(word).collect()
}
